// `npm start`: sets up, gets a model the first time, then opens VS Code on a folder, or runs the sidecar's command line.
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { firstModel } from "./first-model.mjs";
import { execute, fail, say, step } from "./report.mjs";
import { setup, vsix } from "./setup.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Kept between runs: VS Code's profile with the user's settings, and the example workspace, which the user may edit. */
const cache = process.env.SELFRACG_CACHE ?? join(root, ".cache");
const profile = join(cache, "profile");
const cliCommands = new Set(["complete", "index", "search", "why", "model", "help", "--help", "-h"]);

/** `npm start` runs in the project's folder, but paths are relative to the user's current folder. */
const from = process.env.INIT_CWD ?? process.cwd();

/** @param {string} name @returns {boolean} whether a program with this name is on the PATH */
function onPath(name) {
  const endings = process.platform === "win32" ? [".cmd", ".exe"] : [""];
  return (process.env.PATH ?? "")
    .split(delimiter)
    .some((folder) => endings.some((ending) => existsSync(join(folder, name + ending))));
}

/** Installs the VSIX into a profile if it has changed. @param {string} kind @param {() => Promise<void>} install */
async function installOnce(kind, install) {
  const stamp = join(profile, `${kind}.installed`);
  const { size, mtimeMs } = await stat(vsix);
  const now = `${size} ${mtimeMs}`;
  if (existsSync(stamp) && (await readFile(stamp, "utf8")) === now) return;
  await step("Extension into its profile", install);
  await mkdir(profile, { recursive: true });
  await writeFile(stamp, now);
}

/** @returns {Promise<string>} a copy of the example workspace, made once so that the user's changes are kept */
async function exampleFolder() {
  const folder = join(cache, "example", "bookshop");
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await cp(join(root, "test", "fixtures", "workspace"), unfinished, { recursive: true });
  await rename(unfinished, folder);
  return folder;
}

/** @param {string} folder */
async function openDesktop(folder) {
  const own = ["--user-data-dir", join(profile, "desktop"), "--extensions-dir", join(profile, "desktop-extensions")];
  await installOnce("desktop", () =>
    execute("code", [...own, "--install-extension", vsix, "--force"]).then(() => undefined),
  );
  say(`Opening VS Code on ${folder}`);
  await execute("code", [...own, "--new-window", folder]);
}

/** @param {string} folder */
async function openServed(folder) {
  const { ensureCodeServer, freePort, installExtension, serve } = await import("./code-server.mjs");
  await ensureCodeServer();
  const dataDir = join(profile, "served");
  await installOnce("served", () => installExtension({ dataDir, vsix }));
  // The browser stores a part of VS Code's state by address, so the same port is used if it is free.
  const portFile = join(profile, "served.port");
  const before = existsSync(portFile) ? Number(await readFile(portFile, "utf8")) : 0;
  const port = await freePort(before);
  if (before === 0) await writeFile(portFile, String(port));
  const server = await step("VS Code server", () =>
    serve({ folder, port, dataDir, settings: { "workbench.startupEditor": "none" } }),
  );
  say("There is no `code` on the PATH, so VS Code is served on this machine only. Open in a browser:");
  process.stdout.write(`${server.url}\n`);
  say("Ctrl+C ends it.");
  await new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, done);
    server.process.once("exit", done);
  });
  await server.stop();
}

/** Option of a start that downloads no model. */
const smallOption = "--small";

async function main() {
  const given = process.argv.slice(2);
  const args = cliCommands.has(given[0] ?? "") ? given : given.filter((arg) => arg !== smallOption);
  const first = args[0] ?? "";
  if (cliCommands.has(first)) {
    await setup();
    const cli = spawn(process.execPath, ["--enable-source-maps", join(root, "dist", "cli.js"), ...args], {
      stdio: "inherit",
      cwd: from,
    });
    process.exitCode = await new Promise((done) => cli.once("exit", (code) => done(code ?? 1)));
    return;
  }
  if (first.startsWith("-") || args.length > 1) {
    throw new Error(
      `Expected "npm start", "npm start -- FOLDER", "npm start -- --small" or "npm start -- complete|index|search|why|model ...", found "${args.join(" ")}". See "npm start -- --help".`,
    );
  }
  const folder = first === "" ? await exampleFolder() : resolve(from, first);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new Error(
      `Expected a folder to open, found ${existsSync(folder) ? "a file" : "nothing"} at ${folder}. Give an existing folder.`,
    );
  }
  await setup({ vsix: true });
  await firstModel({ stamp: join(cache, "first-model"), small: given.includes(smallOption) });
  if (onPath("code")) await openDesktop(folder);
  else await openServed(folder);
}

main().catch(fail);
