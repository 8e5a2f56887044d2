// What is said of models, as plain data and text: the choice, the question before a download, and the offer at the first start.
import { type DownloadProgress, describeProgress } from "../../sidecar/models/download/progress";
import type { FoundFile, ListedModel, ModelProgress } from "../../sidecar/protocol";

/** A model as an entry of the choice. */
export interface ModelEntry {
  readonly model: ListedModel;
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  /** Whether it can be removed. */
  readonly removable: boolean;
}

/** @param chosen name or folder in the settings; "" where there is none */
export function modelEntries(models: readonly ListedModel[], chosen: string): ModelEntry[] {
  return models.map((model) => {
    const inUse = isInUse(model, chosen);
    const icon = inUse ? "check" : model.state === "not here" ? "cloud-download" : "package";
    return {
      model,
      label: `$(${icon}) ${titleOf(model)}`,
      // A row shows some ninety characters of each line: what decides comes first.
      description: [stateText(model, inUse), ...facts(model)].join(", "),
      detail: [model.problem, model.obstacle, needText(model), model.goodFor]
        .filter((part) => part !== undefined && part !== "")
        .join(" "),
      removable: model.state === "here" || model.state === "damaged",
    };
  });
}

export function titleOf({ title, name }: ListedModel): string {
  return title ?? name;
}

/** Whether the model answers, unless it is not on this machine. */
export function isInUse({ name, inUse }: ListedModel, chosen: string): boolean {
  return chosen === "" ? inUse : chosen === name;
}

/** For example "491 MB to download", "in use, 504 MB". */
function stateText({ state, source, bytes }: ListedModel, inUse: boolean): string {
  if (state === "not here") return source === undefined ? "not here" : `${megabytes(source.bytes)} to download`;
  if (state === "damaged") return "damaged: get it again";
  return `${inUse ? "in use" : "on this machine"}${bytes === undefined ? "" : `, ${megabytes(bytes)}`}`;
}

function facts({ memoryMegabytes, licence }: ListedModel): string[] {
  return [
    ...(memoryMegabytes === undefined ? [] : [`${gigabytes(memoryMegabytes * 1e6)} of memory`]),
    ...(licence === undefined ? [] : [licence]),
  ];
}

function needText({ trainedNeed }: ListedModel): string {
  return trainedNeed === false ? "Its need for fragments is not trained yet." : "";
}

/** The model that is offered at the first start: the smallest one that is to be downloaded, where the machine can carry it. */
export function offeredModel(models: readonly ListedModel[], chosen: string): ListedModel | undefined {
  const small = models.find(({ state }) => state === "ships");
  // Somebody has chosen a model already, or has one to choose.
  if (small === undefined || !isInUse(small, chosen) || models.some(({ state }) => state === "here")) return undefined;
  return models
    .filter(({ source, obstacle }) => source !== undefined && obstacle === undefined)
    .sort((a, b) => (a.bytes ?? 0) - (b.bytes ?? 0))[0];
}

export function offerText(model: ListedModel): string {
  const { source, memoryMegabytes = 0 } = model;
  return `SelfRACG: the model inside the extension is small. ${titleOf(model)} makes much better suggestions (${megabytes(source?.bytes ?? 0)} to download from ${hostOf(source?.address ?? "")}, ${gigabytes(memoryMegabytes * 1e6)} of memory, ${model.licence ?? "licence unknown"}). The small one answers until it is here.`;
}

/** What is shown before a download that was not offered with its size and place. */
export function downloadDetail(model: ListedModel): string {
  const { source, bytes = 0, goodFor, obstacle } = model;
  if (source === undefined) return "";
  const about = [goodFor, needText(model), obstacle, ...facts(model).map((fact) => `${fact}.`)];
  return `${about.filter((part) => part !== undefined && part !== "").join(" ")}\n\n${source.address}\n${source.bytes.toLocaleString("en-US")} bytes, SHA-256 ${source.sha256}\n\nIt is converted on this machine, which then takes ${megabytes(bytes)}, and the download is deleted. The model in use answers meanwhile.`;
}

/** What is said of a file of another program. */
export function foundTexts(
  { path, bytes, program, model, catalogued }: FoundFile,
  models: readonly ListedModel[],
): { description: string; detail: string } {
  const known = models.find(({ name }) => name === model);
  const title = known === undefined ? model : titleOf(known);
  return {
    description: catalogued ? title : `has the shape of ${title}`,
    detail: `${program}, ${megabytes(bytes)}: ${path}`,
  };
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}

/** The work on a model, for the status bar. */
export interface ModelWork {
  /** For example "Downloading Qwen2.5-Coder 0.5B Instruct". */
  readonly title: string;
  /** 0..100, of this step; undefined where it is not known. */
  readonly percent: number | undefined;
  /** For example "123 of 491 MB, 12.3 MB/s, about 30 s left"; "" where there is nothing to add. */
  readonly detail: string;
}

export function downloadWork(title: string, progress: DownloadProgress): ModelWork {
  return {
    title: `Downloading ${title}`,
    percent: percentOf(progress.done, progress.total),
    detail: describeProgress(progress),
  };
}

const stepTitles: Readonly<Record<ModelProgress["step"], string>> = {
  downloading: "Downloading",
  reading: "Checking the file of",
  converting: "Converting",
  checking: "Checking",
};

export function commandWork(title: string, { step, done, total }: ModelProgress): ModelWork {
  return { title: `${stepTitles[step]} ${title}`, percent: percentOf(done, total), detail: "" };
}

function percentOf(done: number, total: number | undefined): number | undefined {
  return total === undefined || total === 0 ? undefined : Math.floor((100 * done) / total);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6).toLocaleString("en-US")} MB`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
