// The command `search`: ranks the fragments that a place needs.
import { boundsOf, defaultSettings, type Settings } from "../protocol";
import type { Command } from "./arguments";
import { contextOf, openCursor } from "./cursor";
import { rounded, table, times } from "./format";
import { openCommandEngine } from "./open-engine";
import { print, printJson } from "./terminal";

export async function search(command: Command, signal: AbortSignal): Promise<void> {
  const { cursor, workspace } = await openCursor(command);
  const { engine, counts, timings } = await openCommandEngine(command, workspace, signal);
  // The whole ranking is wanted, not just what fits one prompt.
  const settings: Settings = {
    ...defaultSettings,
    maxFragments: boundsOf("maxFragments").maximum,
    fragmentBudget: boundsOf("fragmentBudget").maximum,
  };
  const start = performance.now();
  const retrieval = await engine.completer.search(contextOf(cursor, workspace), settings, signal);
  const all = { totalMs: performance.now() - start, ...retrieval.timings, ...timings };
  const fragments = retrieval.selected.map(({ reference }) => reference);
  print(
    fragments.length === 0
      ? `Nothing found: ${retrieval.nothing ?? "no fragment"}`
      : `Fragments, best first:\n${table(fragments)}`,
  );
  const shown = retrieval.dropped.slice(0, 10);
  if (shown.length > 0) print(`Not taken:\n${table(shown)}`);
  if (retrieval.dropped.length > shown.length)
    print(`  and ${retrieval.dropped.length - shown.length} more (--json has all)`);
  print(`Times in ms: ${times(all)}`);
  if (command.json) {
    printJson({
      fragments,
      dropped: retrieval.dropped,
      nothingRetrieved: retrieval.nothing,
      timings: rounded(all),
      provider: engine.backbone.provider.name,
      workspace,
      index: counts,
      vectorIndex: engine.index.vectorIndex,
    });
  }
  await engine.dispose();
}
