// Loads the model and opens the index once suggestions are switched on, and follows the settings that concern it.
import { type Engine, openEngine } from "../engine";
import { errorMessage } from "../host/errors";
import { type Locations, withHome } from "../host/locations";
import type { Log } from "../host/log";
import { outdatedNote } from "../models/outdated";
import { resolveModelOrSmall } from "../models/resolve-model";
import type { Settings } from "../protocol";
import type { EditedFiles } from "../suggestions/edited-files";
import type { Configuration, StartOptions } from "./configuration";
import type { Feature } from "./feature";
import type { StatusBoard } from "./status";
import type { WorkspaceFolders } from "./workspace-folders";

interface ModelParts {
  readonly locations: Locations;
  readonly log: Log;
  readonly options: StartOptions;
  readonly status: StatusBoard;
  readonly configuration: Configuration;
  readonly folders: WorkspaceFolders;
  readonly edited: EditedFiles;
}

/** What else happens when the model is loaded. */
interface LoadListener {
  /** Before it is loaded. */
  loading(settings: Settings): Promise<void>;
  /** Before the status says that it is loaded. */
  loaded(engine: Engine): void;
}

export class Model implements Feature {
  private readonly listeners: LoadListener[] = [];
  private loaded: Engine | undefined;
  private loading: Promise<void> | undefined;

  constructor(private readonly parts: ModelParts) {}

  /** Undefined until the model is loaded. */
  get engine(): Engine | undefined {
    return this.loaded;
  }

  /** Whether the model is loaded, or was tried to be. */
  get isStarted(): boolean {
    return this.loading !== undefined;
  }

  onLoad(listener: LoadListener): void {
    this.listeners.push(listener);
  }

  initialized(): void {
    const { configuration, status } = this.parts;
    const { enable } = configuration.settings;
    status.set({ enabled: enable, ...(!enable && { engine: "not-loaded" as const }) });
    // While suggestions are off, the model takes neither memory nor time: it is loaded when they are first switched on.
    if (enable) this.start();
    configuration.onChange((now, before) => this.apply(now, before));
  }

  private apply(now: Settings, before: Settings): void {
    this.parts.status.set({ enabled: now.enable });
    if (!this.isStarted) {
      if (now.enable) this.start();
      return;
    }
    for (const name of ["model", "modelPath", "executionProvider", "threads"] as const) {
      if (now[name] !== before[name])
        this.parts.log.info(`selfracg.${name} is read at start: restart the sidecar for it to take effect.`);
    }
  }

  private start(): void {
    this.loading ??= this.load();
  }

  private async load(): Promise<void> {
    const { status, configuration, locations, log } = this.parts;
    status.set({ engine: "loading" });
    for (const listener of this.listeners) await listener.loading(configuration.settings);
    try {
      this.loaded = await this.open();
    } catch (error) {
      status.set({ engine: "failed", reason: errorMessage(error) });
      return;
    }
    const { backbone, index } = this.loaded;
    const { model, provider } = backbone;
    const outdated = await outdatedNote(model, locations.modelFolders.packaged).catch(() => undefined);
    if (outdated !== undefined) {
      log.warn(outdated);
      status.set({ modelNote: outdated });
    }
    // First, so that the status is not "ready" for the instant before indexing begins.
    for (const listener of this.listeners) listener.loaded(this.loaded);
    status.set({
      engine: "loaded",
      model: { name: model.name, version: model.version },
      provider,
      vectorIndex: index.vectorIndex,
      index: index.counts(),
    });
  }

  private async open(): Promise<Engine> {
    const { status, configuration, locations, log, folders, edited } = this.parts;
    const { options, storagePath } = this.parts.options;
    const { settings } = configuration;
    const wanted = [options.model, options.modelPath, settings.model.trim(), settings.modelPath.trim()];
    const model = resolveModelOrSmall(withHome(wanted.find((each) => each) ?? ""), locations.modelFolders);
    if (model.problem !== undefined) log.warn(model.problem);
    status.set({ modelNote: model.problem });
    return openEngine({
      modelPath: model.folder,
      grammarPath: locations.grammarPath,
      storagePath,
      executionProvider: options.executionProvider ?? settings.executionProvider,
      threads: settings.threads,
      maxFileKilobytes: settings.maxFileKilobytes,
      log,
      hasFolders: () => folders.folders.length > 0,
      wasEdited: (uri) => edited.has(uri),
    });
  }
}
