// A process of its own that makes a model out of a GGUF file, until it is done or killed.
import { addModel } from "../../../sidecar/models/add-model";

const [file = "", packaged = "", installed = "", exactProducts = ""] = process.argv.slice(2);

void addModel({
  file,
  folders: { packaged, installed },
  exactProducts: exactProducts === "true",
  onProgress: (step) => process.stdout.write(`${step}\n`),
}).then(({ present }) => process.stdout.write(present ? "present\n" : "added\n"));
