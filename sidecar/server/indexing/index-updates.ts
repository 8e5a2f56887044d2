// Keeps the index up to date with folders, files, unsaved text and settings, shows its progress, and closes it.
import type { IndexCounts, PauseReason, Settings } from "../../protocol";
import type { Client, Feature } from "../feature";
import type { SharedParts } from "../shared-parts";
import { BatteryPause } from "./battery-pause";
import { Indexing, type IndexingEvents, type IndexRun } from "./indexing";
import { showProgress } from "./progress";
import { registerUnsavedBuffers } from "./unsaved-buffers";
import { registerWatchedFiles } from "./watched-files";

interface IndexUpdatesParts extends SharedParts {
  /** Called when the index holds something else than before, of these files; undefined: of any. */
  readonly indexChanged: (uris: readonly string[] | undefined) => void;
  /** Called when the ignore files were read again. */
  readonly ignoreRulesRead: () => void;
}

export class IndexUpdates implements Feature {
  readonly indexing: Indexing;
  private readonly battery: BatteryPause;

  constructor(private readonly parts: IndexUpdatesParts) {
    const { folders, configuration, documents, log, model } = parts;
    this.indexing = new Indexing(
      () => folders.folders.map((folder) => ({ ...folder, excludes: configuration.excludes(folder.uri) })),
      () => documents.files(),
      this.events(),
      log,
    );
    this.battery = new BatteryPause(this.indexing, log);
    model.onLoad({
      loading: ({ pauseOnBattery }) => this.battery.set(pauseOnBattery),
      loaded: ({ index }) => this.indexing.attach(index),
    });
  }

  initialized(client: Client): void {
    const { connection, documents, folders, configuration, log, status } = this.parts;
    const { indexing } = this;
    folders.onChange(async () => {
      status.set({ folders: folders.folders.length });
      await configuration.foldersChanged();
      indexing.restart("the folders changed");
    });
    registerWatchedFiles(connection, documents.texts, { client, indexing, log });
    registerUnsavedBuffers(documents, indexing);
    configuration.onChange((now, before) => this.apply(now, before));
    configuration.onExcludesChange(() => indexing.restart("the settings of what is indexed changed"));
  }

  async dispose(): Promise<void> {
    this.battery.dispose();
    await this.indexing.dispose();
    await this.parts.model.engine?.index.dispose();
  }

  private apply(now: Settings, before: Settings): void {
    const { model } = this.parts;
    // Until the model is loaded, nothing is indexed; then all settings are read.
    if (!model.isStarted) return;
    const limitChanged = now.maxFileKilobytes !== before.maxFileKilobytes;
    if (limitChanged) model.engine?.index.setLimits({ maxFileKilobytes: now.maxFileKilobytes });
    if (now.pauseOnBattery !== before.pauseOnBattery) void this.battery.set(now.pauseOnBattery);
    if (before.enable && !now.enable) this.indexing.pause("off");
    else if (!before.enable && now.enable) this.indexing.resume("off");
    else if (limitChanged) this.indexing.restart("selfracg.maxFileKilobytes changed");
  }

  private events(): IndexingEvents {
    const { connection, log, status, model, indexChanged, ignoreRulesRead } = this.parts;
    return {
      started: (run: IndexRun) => {
        status.set({ indexing: { done: 0, total: 0 }, note: undefined });
        showProgress(connection, run, log);
      },
      progress: (done, total, secondsLeft) =>
        status.set({
          indexing: { done, total, ...(secondsLeft !== undefined && { secondsLeft }) },
          ...(model.engine !== undefined && { index: model.engine.index.counts() }),
        }),
      ended: (index: IndexCounts, note: string | undefined) => {
        ignoreRulesRead();
        status.set({ indexing: undefined, index, note });
      },
      paused: (paused: PauseReason | undefined) => status.set({ paused, note: undefined }),
      changed: (index: IndexCounts, uris?: readonly string[]) => {
        indexChanged(uris);
        status.set({ index });
      },
    };
  }
}
