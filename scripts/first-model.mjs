// Gets a code model at the first start, where the machine can carry one. The small model answers where that fails.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execute, fail, say } from "./report.mjs";

const cli = join(dirname(dirname(fileURLToPath(import.meta.url))), "dist", "cli.js");

/**
 * As `model list --json` prints it.
 * @typedef {{name: string, title?: string, state: string, inUse: boolean, bytes?: number, obstacle?: string, source?: object}} Listed
 */

/** The command line's `model` commands. */
const commandLine = {
  /** @returns {Promise<Listed[]>} */
  async list() {
    const printed = await execute(process.execPath, [cli, "model", "list", "--json"]);
    return JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "").models;
  },
  /** Runs a command whose output the user sees. @param {readonly string[]} args @returns {Promise<boolean>} whether it succeeded */
  run(args) {
    // Standard output is for the address of the served VS Code.
    const child = spawn(process.execPath, [cli, "model", ...args], { stdio: ["inherit", 2, 2] });
    return new Promise((done, failed) => {
      child.once("error", failed);
      child.once("exit", (code) => done(code === 0));
    });
  },
};

/**
 * Downloads and converts a model, and has it answer. Where no source has it, the next start tries again; everything else is
 * remembered, and later starts download nothing. Never rejects.
 * @param {{stamp: string, small: boolean, commands?: Pick<typeof commandLine, "list" | "run">}} options `stamp`: the file that
 * remembers it; `small`: the user wants no other model than the small one
 */
export async function firstModel({ stamp, small, commands = commandLine }) {
  try {
    if (existsSync(stamp)) return;
    if (small || (await getModel(commands))) {
      await mkdir(dirname(stamp), { recursive: true });
      await writeFile(stamp, small ? "small" : "done");
    }
  } catch (error) {
    fail(error);
    process.exitCode = 0;
    say("It goes on with the small model.");
  }
}

/** @param {Pick<typeof commandLine, "list" | "run">} commands @returns {Promise<boolean>} whether there is nothing left to do */
async function getModel(commands) {
  const models = await commands.list();
  const chosen = models.find(({ inUse }) => inUse);
  // The user has chosen a model, or has one to choose.
  if (chosen?.state !== "ships" || models.some(({ state }) => state === "here")) return true;
  const offered = models.filter(({ source }) => source !== undefined).sort((a, b) => (a.bytes ?? 0) - (b.bytes ?? 0));
  const model = offered.find(({ obstacle }) => obstacle === undefined);
  if (model === undefined) {
    const [smallest] = offered;
    if (smallest !== undefined)
      say(
        `The small model answers. A larger one: npm start -- model get ${smallest.name} (${smallest.obstacle ?? "see model list"})`,
      );
    return true;
  }
  say(`The first start gets ${model.title ?? model.name}, which makes much better suggestions than the small model.`);
  say("To go on without it: Ctrl+C, then npm start -- --small");
  if ((await commands.run(["get", model.name])) && (await commands.run(["use", model.name]))) return true;
  say(
    `It goes on with the small model; the next start tries again. With a file: npm start -- model get ${model.name} --from FILE`,
  );
  return false;
}
