// The commands `model add` and `model get`: make a model out of a file, or download the file first.
import type { ModelFolders } from "../host/locations";
import { addsProductsExactly } from "../inference/integer-products";
import { loadOnnxRuntime } from "../inference/onnx-runtime";
import { type AddedModel, type AddStep, addModel } from "../models/add-model";
import { type DownloadProgress, describeProgress } from "../models/download/progress";
import { getModel } from "../models/get-model";
import type { ModelProgress } from "../protocol";
import { environmentFetch } from "./environment-fetch";
import { InputError, ProgressLine, print, printJson } from "./terminal";

/** Of all commands behind `model`. */
export interface ModelOptions {
  readonly folders: ModelFolders;
  readonly signal: AbortSignal;
  readonly json: boolean;
  /** For a file that is not in the catalogue. */
  readonly name: string | undefined;
  /** An address, a file or "pip". */
  readonly from: string | undefined;
}

const titles: Readonly<Record<AddStep, string>> = {
  reading: "Reading the file",
  converting: "Converting its weights",
  checking: "Checking what was written",
};

export async function add(file: string, options: ModelOptions): Promise<void> {
  if (options.from !== undefined)
    throw new InputError('Expected "model add FILE", found also --from. It belongs to "model get NAME".');
  const { folders, signal, json, name } = options;
  const exactProducts = await printedVariant();
  const progress = new ShownProgress(json);
  const added = await addModel({ file, name, folders, exactProducts, signal, onProgress: progress.converting });
  finish(added, exactProducts, options, progress);
}

export async function get(name: string, options: ModelOptions): Promise<void> {
  if (options.name !== undefined)
    throw new InputError('Expected "model get NAME", found also --name. The name is the one behind "get".');
  const { folders, signal, json, from } = options;
  const exactProducts = await printedVariant();
  const progress = new ShownProgress(json);
  const added = await getModel({
    name,
    from,
    folders,
    exactProducts,
    signal,
    fetch: environmentFetch,
    onSource: ({ place, file, bytes, sha256 }) => {
      const size = bytes === undefined ? "its size is not known yet" : `${(bytes / 1e6).toFixed(0)} MB`;
      process.stderr.write(
        `Downloading ${file} (${size}${sha256 === undefined ? "" : `, SHA-256 ${sha256}`}) from ${place}\n`,
      );
    },
    onDownload: progress.downloading,
    onFailure: ({ message }) => {
      progress.end();
      process.stderr.write(`${message} The next source is tried.\n`);
    },
    onProgress: progress.converting,
  });
  finish(added, exactProducts, options, progress);
}

async function printedVariant(): Promise<boolean> {
  const exactProducts = await addsProductsExactly(await loadOnnxRuntime());
  process.stderr.write(
    exactProducts
      ? "This processor adds products of 8-bit numbers exactly: weights get 8 bits.\n"
      : "This processor adds products of 8-bit numbers in 16 bits: weights get 7 bits, so that no sum overflows.\n",
  );
  return exactProducts;
}

function finish(added: AddedModel, exactProducts: boolean, { json }: ModelOptions, progress: ShownProgress): void {
  progress.end();
  print(
    added.present
      ? `${added.name} is here already, as this file and this version make it: ${added.folder}`
      : `Added ${added.name}: ${(added.bytes / 1e6).toFixed(0)} MB in ${added.folder}`,
  );
  if (!added.catalogued)
    print(
      `The file is not in the catalogue: it has the shape of ${added.model} and uses its graph. Its SHA-256 is ${added.sha256}; nobody has checked what it writes.`,
    );
  print(`"model use ${added.name}" has it answer.`);
  if (json) printJson({ ...added, exactProducts });
}

/** Time between two lines of progress for a program, in milliseconds. */
const jsonIntervalMs = 200;

/** Progress for people on standard error; for programs also on standard output, a JSON object with `step` a line. */
class ShownProgress {
  private readonly lines = new Map<string, ProgressLine>();
  private shown: { readonly step: string; readonly atMs: number } | undefined;
  private latest: DownloadProgress | undefined;

  constructor(private readonly json: boolean) {}

  readonly downloading = (progress: DownloadProgress): void => {
    this.latest = progress;
    this.line("Downloading", () => (this.latest === undefined ? "" : describeProgress(this.latest))).show(
      progress.done,
      progress.total ?? Math.max(1, 2 * progress.done),
    );
    this.report("downloading", progress.done, progress.total);
  };

  readonly converting = (step: AddStep, done: number, total: number): void => {
    this.line(titles[step], percent).show(done, total);
    this.report(step, done, total);
  };

  end(): void {
    for (const line of this.lines.values()) line.end();
  }

  private line(title: string, describe: (done: number, total: number) => string): ProgressLine {
    const line = this.lines.get(title) ?? new ProgressLine(title, describe);
    this.lines.set(title, line);
    return line;
  }

  private report(step: ModelProgress["step"], done: number, total: number | undefined): void {
    if (!this.json) return;
    const atMs = performance.now();
    if (this.shown?.step === step && atMs - this.shown.atMs < jsonIntervalMs) return;
    this.shown = { step, atMs };
    const progress: ModelProgress = { step, done, total };
    printJson(progress);
  }
}

function percent(done: number, total: number): string {
  return `${Math.floor((100 * done) / total)} %`;
}
