// The command line's entry: complete, index, search, explain and manage models without an editor.
import { help, readArguments } from "./cli/arguments";
import { complete } from "./cli/complete";
import { indexFolder } from "./cli/index-folder";
import { modelCommand } from "./cli/model";
import { search } from "./cli/search";
import { InputError } from "./cli/terminal";
import { why } from "./cli/why";
import { errorCode, errorStack } from "./host/errors";
import { packagedLocations } from "./host/locations";
import { withoutControls } from "./host/printable";
import { leaveDeletedFolder } from "./host/working-folder";
import { ModelPackageError } from "./inference/package/model-package-error";
import { AddModelError } from "./models/add-model";
import { DownloadError } from "./models/download/download-error";
import { GgufError } from "./models/gguf-file";
import { ModelNotFound } from "./models/resolve-model";

/** Errors that the user can correct. */
const refusals = [InputError, ModelPackageError, ModelNotFound, GgufError, AddModelError, DownloadError];

async function main(): Promise<number> {
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  try {
    const args = process.argv.slice(2);
    if (args[0] === "model" && !args.includes("--help")) {
      await modelCommand(args.slice(1), packagedLocations(__dirname).modelFolders, interrupted.signal);
      return 0;
    }
    const command = readArguments(args);
    if (command === "help") process.stdout.write(help);
    else await { complete, index: indexFolder, search, why }[command.name](command, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) {
      process.stderr.write(
        "Interrupted. What was indexed or downloaded so far stays; a model that was half added is deleted.\n",
      );
      return 130;
    }
    if (refusals.some((refusal) => error instanceof refusal) && error instanceof Error) {
      process.stderr.write(`${withoutControls(error.message)}\n`);
      return 2;
    }
    process.stderr.write(`${withoutControls(errorStack(error))}\n`);
    return 1;
  }
}

// Node.js would open its debugger on a socket.
process.on("SIGUSR1", () => {});
let outputFailed = false;
process.stderr.on("error", () => {});
process.stdout.on("error", (error) => {
  // A reader that needs no more, such as `head`, closes the pipe.
  if (errorCode(error) === "EPIPE") return;
  outputFailed = true;
  process.stderr.write(`Standard output cannot be written: ${error.message}\n`);
});
const movedTo = leaveDeletedFolder();
if (movedTo !== undefined)
  process.stderr.write(`The working folder has been deleted: relative paths count from ${movedTo} instead.\n`);
void main().then((code) => {
  // Native libraries keep threads alive, so the process is ended once the output is written.
  process.stdout.write("", () => setImmediate(() => process.exit(outputFailed && code === 0 ? 1 : code)));
});
