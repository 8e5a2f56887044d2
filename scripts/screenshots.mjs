// Takes the README's pictures from a real VS Code, with the suite's own steps.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

await setup({ vsix: true });
const vitest = spawn(
  process.execPath,
  [join("node_modules", "vitest", "vitest.mjs"), "run", "--project", "vscode", "-t", "as ghost text while typing|lists in the inspector"],
  { cwd: root, stdio: "inherit", env: { ...process.env, SELFRACG_PICTURES: join(root, "media") } },
);
vitest.once("exit", (code) => {
  process.exitCode = code ?? 1;
});
