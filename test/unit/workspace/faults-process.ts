// A process of its own that brings the index in step with a folder, changes files and follows them, over and over, until it is killed.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { silentLog, toyBackbone, toyFormat } from "./toy-model";

const [folder = "", storagePath = "", seed = "0", files = "0"] = process.argv.slice(2);

async function main(): Promise<void> {
  const { backbone } = toyBackbone({ delayMs: 1 });
  // Reports the embedded texts, so that the test sees whether one of them was embedded again after it was stored.
  const telling: typeof backbone = {
    ...backbone,
    embed: async (fragments, signal) => {
      const made = await backbone.embed(fragments, signal);
      process.stdout.write(`embedded ${fragments.length}\n`);
      return made;
    },
  };
  const index = new WorkspaceIndex({ backbone: telling, promptFormat: toyFormat, storagePath, log: silentLog });
  await index.setFolders([{ uri: pathToFileURL(folder).href, name: "test" }]);
  process.stdout.write("begins\n");
  await index.reindex();
  for (let change = 0; ; change++) {
    const path = join(folder, `file${(Number(seed) * 7 + change * 13) % Number(files)}.py`);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(/value\d*/g, `value${Number(seed) * 100 + change}`));
    await index.updateFile(pathToFileURL(path).href);
    if (change % 10 === 9) await index.reindex();
  }
}

void main();
