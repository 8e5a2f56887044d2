// `npm run bench`: sets up, then runs the benchmark in a process of its own.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "./report.mjs";
import { setup } from "./setup.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

try {
  await setup();
  const child = spawn(process.execPath, ["--expose-gc", join(root, "dist", "bench.js"), ...process.argv.slice(2)], {
    stdio: "inherit",
    cwd: process.env.INIT_CWD ?? root,
  });
  process.exitCode = await new Promise((done) => child.once("exit", (code) => done(code ?? 1)));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
