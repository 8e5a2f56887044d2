// What really stands in real code passes the stop rules and the filters unchanged: rules that cut true code are no help.
import { resolve } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { readCursor } from "../../../sidecar/completion/cursor-syntax";
import { applyFilters } from "../../../sidecar/completion/filters/all";
import { findStop } from "../../../sidecar/completion/stop";
import { type Cursor, readSources, typingCursors } from "../../bench/cursors";

const folders = ["../../fixtures/workspace", "../../../sidecar/completion", "../../../sidecar/retrieval"].map((folder) => resolve(import.meta.dirname, folder));
let cursors: Cursor[];
beforeAll(async () => {
  cursors = (await Promise.all(folders.map(async (folder) => typingCursors(folder, await readSources(folder), 1000)))).flat();
});

/** The share of cursors at which `said` comes out as the rest of the line; the places where it does not, for the report. */
function share(said: (cursor: Cursor) => string, context: (cursor: Cursor) => Cursor["context"]): { share: number; wrong: string[] } {
  const wrong: string[] = [];
  const asked = cursors.filter(({ truth }) => truth.trim() !== "");
  for (const cursor of asked) {
    const document = context(cursor);
    const syntax = readCursor(document);
    const text = said(cursor);
    const result = applyFilters(text.slice(0, findStop(text, syntax)?.length), { document, cursor: syntax });
    const shown = "text" in result ? result.text : `(${result.reject})`;
    if (!shown.startsWith(cursor.truth.trimEnd())) wrong.push(`${cursor.context.path}:${cursor.line + 1} ${syntax.linePrefix}║${cursor.truth} -> ${shown}`);
  }
  return { share: 1 - wrong.length / asked.length, wrong };
}

it("when the model fills in the line and ends", () => {
  const { share: kept, wrong } = share((cursor) => cursor.truth, (cursor) => cursor.context);
  expect(cursors.length).toBeGreaterThan(1500);
  expect(kept, wrong.slice(0, 10).join("\n")).toBeGreaterThan(0.98);
});

it("when the model writes on from left to right and the file ends at the cursor", () => {
  const { share: kept, wrong } = share((cursor) => cursor.truth + cursor.context.suffix.slice(0, 2000), (cursor) => ({ ...cursor.context, suffix: "" }));
  expect(kept, wrong.slice(0, 10).join("\n")).toBeGreaterThan(0.97);
});
