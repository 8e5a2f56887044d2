// `npm test`: sets up, then runs lint, type check and the unit, sidecar, VS Code and Python tests.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, say } from "./report.mjs";
import { setup } from "./setup.mjs";
import { checkTraining } from "./training.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const results = join(root, ".cache", "test-results");

/** @param {string} project @returns {string[]} vitest's command line for one project, with an additional JSON report */
function vitest(project) {
  const report = `--outputFile.json=${join(results, `${project}.json`)}`;
  return [
    join("node_modules", "vitest", "vitest.mjs"),
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    report,
  ];
}

/** The parts by name; `npm test -- unit` runs one. @type {Record<string, () => Promise<number>>} */
const parts = {
  lint: async () => {
    const biome = [join("node_modules", "@biomejs", "biome", "bin", "biome"), "check", "."];
    return (await run(process.execPath, biome, root)) || checkTraining("lint");
  },
  types: async () => {
    const tsc = [join("node_modules", "typescript", "bin", "tsc"), "--noEmit"];
    return (await run(process.execPath, tsc, root)) || checkTraining("types");
  },
  unit: () => run(process.execPath, vitest("unit"), root),
  sidecar: () => run(process.execPath, vitest("sidecar"), root),
  vscode: () => run(process.execPath, vitest("vscode"), root),
  training: () => checkTraining("test"),
};

/** @param {string} program @param {readonly string[]} args @param {string} cwd @returns {Promise<number>} exit status */
function run(program, args, cwd) {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd, stdio: "inherit" });
    child.once("error", (error) => {
      say(`Could not start "${program}": ${error.message}.`);
      done(1);
    });
    child.once("exit", (code) => done(code ?? 1));
  });
}

/** The numbers of passed and failed tests in vitest's reports. */
async function totals() {
  let passed = 0;
  let failed = 0;
  for (const project of ["unit", "sidecar", "vscode"]) {
    const path = join(results, `${project}.json`);
    if (!existsSync(path)) continue;
    const report = JSON.parse(await readFile(path, "utf8"));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
  }
  return `${passed} passed, ${failed} failed`;
}

async function main() {
  const wanted = process.argv.slice(2);
  for (const name of wanted) {
    if (!(name in parts)) throw new Error(`Expected parts among ${Object.keys(parts).join(", ")}, found "${name}".`);
  }
  await setup({ vsix: true });
  await rm(results, { recursive: true, force: true });
  await mkdir(results, { recursive: true });
  const failed = [];
  for (const [name, work] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    say(`\n── ${name} ──`);
    const start = performance.now();
    const status = await work();
    say(`${status === 0 ? "✓" : "✗"} ${name} (${((performance.now() - start) / 1000).toFixed(0)} s)`);
    if (status !== 0) failed.push(name);
  }
  process.stdout.write(`\n${await totals()}\n`);
  if (failed.length > 0) throw new Error(`Failed parts: ${failed.join(", ")}.`);
}

main().catch(fail);
