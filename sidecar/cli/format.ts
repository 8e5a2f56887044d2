// Formats fragments and times for the command line.
import type { DroppedFragment, FragmentReference } from "../protocol";
import { printable } from "../workspace/files/exclusion";

/** Indents every line by two columns. */
export function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

/** A line for each fragment, aligned. */
export function table(fragments: readonly (FragmentReference | DroppedFragment)[]): string {
  const places = fragments.map(({ path, startLine, endLine }) => `${printable(path)}:${startLine}-${endLine}`);
  const width = Math.max(...places.map((place) => place.length));
  return fragments
    .map((fragment, row) => {
      const reason = "reason" in fragment ? `  ${fragment.reason}` : "";
      const scope = fragment.scope === undefined ? "" : `  in ${fragment.scope.join(" › ")}`;
      const boost =
        fragment.boost === undefined ? "" : `  boosted by ${fragment.boost.by.toFixed(3)}: ${fragment.boost.reason}`;
      return `  ${(places[row] ?? "").padEnd(width)}  score ${fragment.score.toFixed(3)}  ${String(fragment.tokens).padStart(4)} tokens${scope}${boost}${reason}`;
    })
    .join("\n");
}

/** To a tenth of a millisecond. */
export function rounded(timings: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(timings).map(([name, value]) => [name, Math.round(Number(value) * 10) / 10]),
  );
}

export function times(timings: object): string {
  return Object.entries(rounded(timings))
    .map(([name, value]) => `${name.replace(/Ms$/, "")} ${value.toFixed(0)}`)
    .join(", ");
}
