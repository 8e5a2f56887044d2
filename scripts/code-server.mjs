// Runs VS Code without a desktop: installs its server and workbench from the npm registry, and serves a folder.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { descendants, untilEnded } from "./processes.mjs";
import { execute, step } from "./report.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(root, ".cache", "code-server");
/** Contains VS Code 1.100.3; later versions need native modules to be built. */
const version = "4.100.3";

/**
 * Installs the server once under .cache/code-server.
 * @returns {Promise<{serverMain: string}>} the server's entry file
 */
export async function ensureCodeServer() {
  const vscode = join(home, "node_modules", "code-server", "lib", "vscode");
  const serverMain = join(vscode, "out", "server-main.js");
  const stamp = join(home, "installed");
  const npm = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--engine-strict=false"];
  const installed = existsSync(stamp) ? await readFile(stamp, "utf8") : "";
  if (installed !== version) {
    await step(`VS Code server (code-server ${version}, about 300 MB, once)`, async () => {
      await rm(home, { recursive: true, force: true });
      await mkdir(home, { recursive: true });
      await writeFile(join(home, "package.json"), JSON.stringify({ private: true }));
      await execute("npm", [...npm, `code-server@${version}`], { cwd: home });
      await execute("npm", [...npm, "--omit=dev"], { cwd: vscode });
      await writeFile(stamp, version);
    });
  }
  const extensions = join(vscode, "extensions");
  if (!existsSync(join(extensions, "node_modules", "typescript"))) {
    await step("Its language features (TypeScript, 23 MB, once)", async () => {
      await execute("npm", [...npm, "--omit=dev"], { cwd: extensions });
    });
  }
  return { serverMain };
}

/**
 * @param {number} [preferred] used if it is free
 * @returns {Promise<number>} a port free at this moment on the loopback interface
 */
export function freePort(preferred = 0) {
  return new Promise((done, reject) => {
    const probe = createServer();
    probe.once("error", (error) => (preferred === 0 ? reject(error) : done(freePort())));
    probe.listen(preferred, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => done(port));
    });
  });
}

/**
 * Installs a VSIX into the server's profile.
 * @param {{dataDir: string, vsix: string}} options dataDir: the profile's folder, made when missing
 */
export async function installExtension({ dataDir, vsix }) {
  const { serverMain } = await ensureCodeServer();
  await mkdir(dataDir, { recursive: true });
  await execute(
    process.execPath,
    [serverMain, "--accept-server-license-terms", "--server-data-dir", dataDir, "--install-extension", vsix, "--force"],
    {
      cwd: dirname(dirname(serverMain)),
    },
  );
}

/**
 * Serves a folder on the loopback interface.
 * @param {{folder?: string, port?: number, dataDir: string, vsix?: string, settings?: Record<string, unknown>, env?: NodeJS.ProcessEnv}} options
 *   dataDir: the profile's folder; vsix: installed first when given; settings: machine settings of a profile that has none yet
 * @returns {Promise<{url: string, process: import("node:child_process").ChildProcess, stop: () => Promise<void>}>}
 *   stop: ends the server and waits for all processes that it started
 */
export async function serve({ folder, port, dataDir, vsix, settings, env }) {
  const { serverMain } = await ensureCodeServer();
  if (vsix !== undefined) await installExtension({ dataDir, vsix });
  if (settings !== undefined) {
    const file = join(dataDir, "data", "Machine", "settings.json");
    await mkdir(dirname(file), { recursive: true });
    // Kept if it exists, because VS Code writes the user's settings there, such as the model.
    if (!existsSync(file)) await writeFile(file, JSON.stringify(settings, null, 2));
  }
  const chosen = port ?? (await freePort());
  const child = spawn(
    process.execPath,
    [
      serverMain,
      "--accept-server-license-terms",
      "--without-connection-token",
      "--host",
      "127.0.0.1",
      "--port",
      String(chosen),
      "--server-data-dir",
      dataDir,
      "--telemetry-level",
      "off",
    ],
    { cwd: dirname(dirname(serverMain)), env: env ?? process.env, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  const base = `http://127.0.0.1:${chosen}/`;
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`VS Code's server ended with status ${child.exitCode}:\n${output.slice(-3000)}`);
    try {
      const answer = await fetch(base);
      if (answer.ok) break;
    } catch {
      // Not listening yet.
    }
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`VS Code's server did not answer on ${base} within 60 s:\n${output.slice(-3000)}`);
    }
    await sleep(150);
  }
  const url = folder === undefined ? base : `${base}?folder=${encodeURI(resolve(folder))}`;
  // Its extension hosts and their child processes end a moment later.
  const stop = async () => {
    const started = await descendants(child.pid ?? 0);
    await new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done(undefined);
      const force = setTimeout(() => child.kill("SIGKILL"), 5000);
      child.once("exit", () => {
        clearTimeout(force);
        done(undefined);
      });
      child.kill("SIGTERM");
    });
    await untilEnded(started);
  };
  return { url, process: child, stop };
}
