// `npm run bench` and `npm run eval`: sets up, then runs the named bundle in the user's current folder.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "./report.mjs";
import { setup } from "./setup.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name, ...args] = process.argv.slice(2);

try {
  await setup();
  const child = spawn(process.execPath, ["--expose-gc", join(root, "dist", `${name}.js`), ...args], {
    stdio: "inherit",
    cwd: process.env.INIT_CWD ?? root,
  });
  process.exitCode = await new Promise((done) => child.once("exit", (code) => done(code ?? 1)));
} catch (error) {
  fail(error);
}
