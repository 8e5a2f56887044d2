// A process of its own that downloads a file, until it is done or killed. It prints the bytes that it has.
import { download } from "../../../sidecar/models/download/download";

const [url = "", folder = "", bytes = "", sha256 = ""] = process.argv.slice(2);

void download({
  url,
  file: "model.gguf",
  expected: { bytes: Number(bytes), sha256 },
  folder,
  alsoNeeded: 0,
  fetch,
  onProgress: ({ done }) => process.stdout.write(`${done}\n`),
}).then(({ path }) => process.stdout.write(`${path}\n`));
