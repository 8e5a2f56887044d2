// Prints the progress of the set-up to standard error, one line per step. Standard output is for the command's result.
import { spawn } from "node:child_process";

/** Writes one line. @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Prints why a script failed, and sets its exit status to 1. @param {unknown} error */
export function fail(error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

/**
 * Runs a step, and prints the elapsed time while it runs and its duration at the end.
 * @template T
 * @param {string} name what is being done
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(name, work) {
  const start = performance.now();
  const seconds = () => ((performance.now() - start) / 1000).toFixed(1);
  const terminal = process.stderr.isTTY === true;
  if (terminal) process.stderr.write(`… ${name}`);
  else say(`… ${name}`);
  const ticker = setInterval(
    () => {
      if (terminal) process.stderr.write(`\r… ${name} ${seconds()} s`);
      else say(`… ${name} ${seconds()} s`);
    },
    terminal ? 500 : 10_000,
  );
  try {
    const result = await work();
    if (terminal) process.stderr.write("\r\u001b[2K");
    say(`✓ ${name} (${seconds()} s)`);
    return result;
  } catch (error) {
    if (terminal) process.stderr.write("\r\u001b[2K");
    say(`✗ ${name} (${seconds()} s)`);
    throw error;
  } finally {
    clearInterval(ticker);
  }
}

/**
 * Runs a program to its end; its output is shown only when it fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number}} [options]
 * @returns {Promise<string>} its standard output
 */
export function execute(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs,
      shell: process.platform === "win32",
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (errors += data));
    child.on("error", (error) => reject(new Error(`Could not start "${program}": ${error.message}.`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else {
        const lines = `${output}\n${errors}`.trim().split("\n");
        const shown = (lines.length > 40 ? [...lines.slice(0, 20), "...", ...lines.slice(-20)] : lines).join("\n");
        reject(new Error(`"${program} ${args.join(" ")}" ended with ${signal ?? `status ${code}`}.\n${shown}`));
      }
    });
  });
}
