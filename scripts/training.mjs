// Runs the Python checks of models/training, with the Python of SELFRACG_PYTHON: `node scripts/training.mjs lint|types|test`.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "./report.mjs";

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), "models", "training");

/** The checks with their Python modules in order. @type {Record<string, readonly (readonly string[])[]>} */
const checks = {
  lint: [
    ["ruff", "format", "--quiet", "--check", "."],
    ["ruff", "check", "--quiet", "."],
  ],
  types: [["mypy", "--no-error-summary"]],
  test: [["pytest", "-q", "tests"]],
};

/**
 * Runs one check, or reports that it is skipped when SELFRACG_PYTHON is not set.
 * @param {string} name one of `lint`, `types`, `test`
 * @returns {Promise<number>} the exit status of the first module that failed, or 0
 */
export async function checkTraining(name) {
  const modules = checks[name];
  if (modules === undefined) {
    say(`Expected a check among ${Object.keys(checks).join(", ")}, found "${name}".`);
    return 2;
  }
  const python = process.env.SELFRACG_PYTHON;
  if (python === undefined || python === "") {
    say(
      `models/training: skipped ${name}. Set SELFRACG_PYTHON to a Python that has it installed (CONTRIBUTING.md says how).`,
    );
    return 0;
  }
  for (const module of modules) {
    const status = await run(python, ["-m", ...module]);
    if (status !== 0) return status;
  }
  return 0;
}

/** @param {string} python @param {readonly string[]} args @returns {Promise<number>} exit status */
function run(python, args) {
  return new Promise((done) => {
    const child = spawn(python, args, { cwd: folder, stdio: "inherit" });
    child.once("error", (error) => {
      say(`Could not start "${python}": ${error.message}. Check SELFRACG_PYTHON.`);
      done(1);
    });
    child.once("exit", (code) => done(code ?? 1));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await checkTraining(process.argv[2] ?? "");
