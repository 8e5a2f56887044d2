// Entry that VS Code runs once the extension is uninstalled: deletes the models that were converted on this machine.
import { rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "./host/errors";
import { defaultModelsPath } from "./host/locations";

/** A folder that the user named is the user's. */
const models = defaultModelsPath({ ...process.env, SELFRACG_MODELS: undefined });

async function main(): Promise<void> {
  await rm(models, { recursive: true, force: true, maxRetries: 3 });
  // Kept where anything else is in it.
  await rmdir(dirname(models)).catch(() => undefined);
}

main().catch((error: unknown) => {
  process.stderr.write(`${models}: expected a folder that can be deleted, found: ${errorMessage(error)}. Delete it.\n`);
  process.exitCode = 1;
});
