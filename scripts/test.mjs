// `npm test`: sets up, then type check, unit tests, sidecar tests and the VS Code suite.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { say, step } from "./report.mjs";
import { setup } from "./setup.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Each part with the program that runs it; `npm test -- unit` runs one. */
const parts = {
  types: [join("node_modules", "typescript", "bin", "tsc"), "--noEmit"],
  unit: [join("node_modules", "vitest", "vitest.mjs"), "run", "--project", "unit"],
  sidecar: [join("node_modules", "vitest", "vitest.mjs"), "run", "--project", "sidecar"],
  vscode: [join("node_modules", "vitest", "vitest.mjs"), "run", "--project", "vscode"],
};

/** @param {readonly string[]} args @returns {Promise<number>} exit status */
function run(args) {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit" });
    child.once("exit", (code) => done(code ?? 1));
  });
}

async function main() {
  const wanted = process.argv.slice(2);
  for (const name of wanted) {
    if (!(name in parts)) throw new Error(`Expected parts among ${Object.keys(parts).join(", ")}, found "${name}".`);
  }
  await setup();
  const failed = [];
  for (const [name, args] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    say(`\n── ${name} ──`);
    if ((await run(args)) !== 0) failed.push(name);
  }
  if (failed.length > 0) throw new Error(`\nFailed: ${failed.join(", ")}.`);
  say("\nAll parts passed.");
}

main().catch((error) => {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
