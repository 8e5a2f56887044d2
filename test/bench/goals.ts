// Figures with their goals, and whether each goal is met.

export interface Figure {
  readonly name: string;
  /** Undefined when not measured, for the reason in `note`. */
  readonly value: number | undefined;
  readonly unit: string;
  readonly goal: { readonly atMost: number } | { readonly atLeast: number } | undefined;
  readonly note: string;
}

/** A figure of a benchmark; without `goal` it only informs. */
export function figure(
  name: string,
  value: number | undefined,
  unit: string,
  note = "",
  goal: Figure["goal"] = undefined,
): Figure {
  return { name, value, unit, goal, note };
}

/** Whether the goal is met; undefined without a goal or a measurement. */
export function met({ value, goal }: Figure): boolean | undefined {
  if (value === undefined || goal === undefined) return undefined;
  return "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** A table with one line per figure. */
export function goalTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, value, unit, goal, note } = figure;
    const wanted = goal === undefined ? "" : "atMost" in goal ? `at most ${goal.atMost}` : `at least ${goal.atLeast}`;
    const answer = met(figure);
    return [
      name,
      value === undefined ? "-" : `${digits(value)} ${unit}`,
      wanted,
      answer === undefined ? "" : answer ? "met" : "NOT met",
      note,
    ];
  });
  return table(["", "measured", "goal", "", ""], rows);
}

/** A table with aligned columns. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The value with three significant digits. */
export function digits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}
