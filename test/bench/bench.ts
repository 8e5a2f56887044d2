// `npm run bench`: runs a benchmark, or one of its phases in its own process.
import { errorMessage } from "../../sidecar/host/errors";
import { main as confidence } from "./confidence";
import { main as index, indexPhases } from "./index/main";
import { main as inference, inferencePhases } from "./inference/main";
import { main as ranking } from "./ranking/main";
import { main as replay } from "./replay/main";
import { main as secrets } from "./secrets";
import { main as typing } from "./typing/main";

/** Runs a phase with its options as JSON. */
const phases: Readonly<Record<string, (options: string) => Promise<unknown>>> = { ...inferencePhases, ...indexPhases };

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  inference,
  index,
  typing,
  ranking,
  replay,
  confidence,
  secrets,
};

const help = `npm run bench -- COMMAND [OPTIONS]; "COMMAND --help" lists the options
  inference    how fast the model runs, against the goals
  index        how fast the workspace is indexed, updated and searched
  typing       how much typing suggestions save in edits of a git history
  ranking      the effect of boosts for imported and recently edited files
  replay       the share of places with a suggestion, and suggestions that damage the file
  confidence   fits and checks the confidence of suggestions
  secrets      the secrets that the index excludes, and its false positives
`;

/** Runs one phase and sends its result to the parent process. */
async function child(name: string, options: string): Promise<void> {
  const work = phases[name];
  if (work === undefined)
    throw new Error(`expected a phase among ${Object.keys(phases).join(", ")}, found ${JSON.stringify(name)}`);
  process.send?.(await work(options));
}

async function main([first = "--help", ...rest]: readonly string[]): Promise<void> {
  if (first === "--help" || first === "-h") {
    process.stdout.write(help);
    return;
  }
  if (first === "--phase") return child(rest[0] ?? "", rest[1] ?? "");
  const command = commands[first];
  if (command === undefined)
    throw new Error(`expected a benchmark among ${Object.keys(commands).join(", ")}, found ${JSON.stringify(first)}`);
  await command(rest);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
});
