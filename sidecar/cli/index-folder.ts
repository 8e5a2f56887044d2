// The command `index`: indexes a folder and prints the counts.
import type { Command } from "./arguments";
import { readFolder } from "./cursor";
import { rounded, times } from "./format";
import { openCommandEngine } from "./open-engine";
import { print, printJson } from "./terminal";

export async function indexFolder(command: Command, signal: AbortSignal): Promise<void> {
  const workspace = await readFolder(command.target, "index");
  const { engine, counts, timings } = await openCommandEngine(command, workspace, signal);
  if (counts === undefined) throw new Error("The index gave no counts.");
  const excluded = Object.entries(counts.excluded).filter(([, count]) => count > 0);
  const { vectorIndex } = engine.index;
  const { provider } = engine.backbone;
  print(
    `${counts.files} files, ${counts.fragments} fragments, ${counts.embedded} of them embedded now, ${(counts.storeBytes / 1024).toFixed(0)} kB on disk`,
  );
  print(
    excluded.length === 0
      ? "No file was excluded."
      : `Excluded: ${excluded.map(([reason, count]) => `${count} ${reason}`).join(", ")}`,
  );
  print(`Vector index: ${vectorIndex.name} (${vectorIndex.reason}). Provider: ${provider.name} (${provider.reason})`);
  print(`Times in ms: ${times(timings)}`);
  if (command.json)
    printJson({ ...counts, workspace, vectorIndex, provider: provider.name, timings: rounded(timings) });
  await engine.dispose();
}
