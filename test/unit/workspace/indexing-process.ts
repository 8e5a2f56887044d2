// A process of its own that indexes a folder with the toy model, to be killed by the test that starts it.
import { pathToFileURL } from "node:url";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { silentLog, toyBackbone, toyFormat } from "./toy-model";

const [folder = "", storagePath = "", delay = "0"] = process.argv.slice(2);

async function main(): Promise<void> {
  const { backbone } = toyBackbone({ delayMs: Number(delay) });
  const index = new WorkspaceIndex({ backbone, promptFormat: toyFormat, storagePath, log: silentLog });
  await index.setFolders([{ uri: pathToFileURL(folder).href, name: "test" }]);
  await index.reindex({ onProgress: (done) => process.stdout.write(`done ${done}\n`) });
  process.stdout.write(`${JSON.stringify(index.counts())}\n`);
  await index.dispose();
}

void main();
