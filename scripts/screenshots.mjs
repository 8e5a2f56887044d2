// Takes screenshots in VS Code by running tests, and copies those of the README and the walkthrough into media/.
import { spawn } from "node:child_process";
import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "./report.mjs";
import { setup } from "./setup.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pictures = join(root, ".cache", "pictures");
const media = join(root, "media");
const steps = [
  "as ghost text while typing",
  "lists in the inspector",
  "the inspector in VS Code",
  "the status bar in VS Code",
];

await setup({ vsix: true });
await rm(pictures, { recursive: true, force: true });
const vitest = spawn(
  process.execPath,
  [join("node_modules", "vitest", "vitest.mjs"), "run", "--project", "vscode", "-t", steps.join("|")],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, SELFRACG_PICTURES: pictures },
  },
);
process.exitCode = await new Promise((done) => vitest.once("exit", (code) => done(code ?? 1)));

await mkdir(join(media, "walkthrough"), { recursive: true });
for (const name of await readdir(pictures)) {
  // Only pictures of the README and the walkthrough are copied; the others are for review.
  if (name.startsWith("screenshot-")) await copyFile(join(pictures, name), join(media, name));
  else if (name.startsWith("walkthrough-"))
    await copyFile(join(pictures, name), join(media, "walkthrough", name.slice("walkthrough-".length)));
}
say(`Pictures: ${pictures}`);
