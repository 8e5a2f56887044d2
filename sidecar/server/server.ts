// The language server: answers `initialize` at once, loads the model afterwards, and wires each feature to its room.

import { isDeepStrictEqual } from "node:util";
import {
  type Connection,
  ErrorCodes,
  type InitializeError,
  type InitializeResult,
  ResponseError,
  TextDocumentSyncKind,
  TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { type Engine, openEngine } from "../engine";
import { errorMessage } from "../host/errors";
import { defaultStoragePath, type Locations, withHome } from "../host/locations";
import { documentPath, filePath, longDocumentPath } from "../host/paths";
import { languageIdOf } from "../languages/languages";
import { outdatedNote } from "../models/outdated";
import { resolveModelOrSmall } from "../models/resolve-model";
import { parseInitializationOptions } from "../parse-settings";
import { type Availability, type InitializationOptions, type Settings, serverCommands } from "../protocol";
import { CompletionCache } from "../suggestions/completion-cache";
import { Debounce } from "../suggestions/debounce";
import { type PlaceSources, placeOf } from "../suggestions/document-snapshot";
import { editedFilesOf } from "../suggestions/edited-files";
import { tellingOfEdits } from "../suggestions/edits";
import { availabilityOf, registerAvailability } from "../suggestions/eligibility";
import { Notebooks, notebookSync } from "../suggestions/notebooks";
import { Outcomes } from "../suggestions/outcomes";
import { Suggester } from "../suggestions/request-scheduler";
import { SecretDocuments } from "../suggestions/secret-documents";
import { Snooze, snoozedMessage } from "../suggestions/snooze";
import { Traces } from "../suggestions/traces";
import { CountsStore } from "../suggestions/usage-counts";
import type { OpenDocument } from "../workspace/priority";
import { BatteryPause } from "./battery-pause";
import { type Client, clientOf } from "./client-capabilities";
import { Configuration } from "./configuration";
import { connectionLog } from "./connection-log";
import { registerExecuteCommand } from "./execute-command";
import { Indexing } from "./indexing";
import { registerInlineCompletion } from "./inline-completion";
import { registerInspection } from "./inspection";
import { showProgress } from "./progress";
import { StatusBoard } from "./status";
import { registerUnsavedBuffers } from "./unsaved-buffers";
import { registerWatchedFiles } from "./watched-files";
import { WorkspaceFolders } from "./workspace-folders";

export interface ServerInfo {
  readonly name: string;
  readonly version: string;
}

export interface Server {
  /** Whether the client has asked for an orderly end. */
  readonly shutDown: boolean;
  /** Stops work and writes what is not yet written. Never rejects. */
  dispose(): Promise<void>;
}

/** Registers every feature on `connection`; the caller begins to listen. */
export function createServer(connection: Connection, locations: Locations, serverInfo: ServerInfo): Server {
  const log = connectionLog(connection);
  const status = new StatusBoard(connection, log);
  const documents = new TextDocuments(
    tellingOfEdits((document, edits) => {
      suggester.edited(document.uri);
      if (!outcomes.edited(document, edits)) debounce.keystroke();
    }),
  );
  const notebooks = new Notebooks(documents);
  const folders = new WorkspaceFolders(connection, log);
  const configuration = new Configuration(connection, () => folders.folders, log);
  const traces = new Traces(connection);
  const cache = new CompletionCache();
  const debounce = new Debounce();
  const edited = editedFilesOf(documents);
  let client: Client | undefined;
  let options: InitializationOptions = {};
  let optionWarnings: readonly string[] = [];
  let engine: Engine | undefined;
  let loading: Promise<void> | undefined;
  let counts: CountsStore | undefined;
  const storagePath = (): string => options.storagePath ?? defaultStoragePath();
  const countsStore = (): CountsStore => (counts ??= new CountsStore(storagePath(), log));

  const suggester = new Suggester({
    cache,
    traces,
    debounce,
    settings: () => configuration.settings,
    completer: () => {
      // Asked for with each run of the model, which may come with no change of a text.
      inspecting.giveWay();
      return engine?.completer;
    },
    modelHash: () => engine?.backbone.model.hash ?? "",
    revision: () => engine?.index.revision,
  });
  const snooze = new Snooze((until) => {
    if (until !== undefined) suggester.cancel();
    status.set({ snoozedUntil: until });
  });
  const sources = (document: TextDocument): PlaceSources => ({
    folders: folders.folders,
    cell: notebooks.around(document),
  });
  const secretDocuments = new SecretDocuments({
    path: (uri) => longDocumentPath(uri, folders.folders),
    isBroughtBack: (uri) => engine?.index.mayRead(uri),
  });
  // So that the answer is there when the first suggestion is asked for.
  documents.onDidOpen(({ document }) => void secretDocuments.reason(document.uri));
  const availability = (uri: string): Availability => {
    const document = documents.get(uri);
    const judged = (document === undefined ? undefined : notebooks.around(document))?.notebookUri ?? uri;
    const path = documentPath(judged, folders.folders);
    const { until } = snooze;
    return availabilityOf(
      {
        uri: judged,
        languageId: document?.languageId ?? languageIdOf(path),
        path,
        secret: secretDocuments.reason(judged),
      },
      {
        settings: configuration.settings,
        noModel: engine === undefined ? status.status.message : undefined,
        snoozed: until === undefined ? undefined : snoozedMessage(until, Date.now()),
      },
    );
  };
  const outcomes = new Outcomes(connection, {
    store: countsStore,
    // Whoever takes a suggestion reads on where it ends, and the next one is wanted there.
    taken: ({ uri, offset }) => {
      const document = documents.get(uri);
      if (document === undefined || !availability(uri).available) return;
      void suggester.prepare(placeOf(document, document.positionAt(offset), undefined, sources(document)));
    },
  });

  const openFiles = (): OpenDocument[] =>
    documents
      .all()
      .filter(({ uri }) => filePath(uri) !== undefined)
      .map((document) => ({ uri: document.uri, text: document.getText() }));
  const indexing = new Indexing(
    () => folders.folders.map((folder) => ({ ...folder, excludes: configuration.excludes(folder.uri) })),
    openFiles,
    {
      started: (run) => {
        status.set({ indexing: { done: 0, total: 0 }, note: undefined });
        showProgress(connection, run, log);
      },
      progress: (done, total, secondsLeft) =>
        status.set({
          indexing: { done, total, ...(secondsLeft !== undefined && { secondsLeft }) },
          ...(engine === undefined ? {} : { index: engine.index.counts() }),
        }),
      ended: (index, note) => {
        // The ignore files were read anew.
        secretDocuments.forget();
        status.set({ indexing: undefined, index, note });
      },
      paused: (paused) => status.set({ paused, note: undefined }),
      changed: (index, uris) => {
        secretDocuments.forget();
        if (uris === undefined) cache.clear();
        else for (const uri of uris) cache.fileChanged(uri);
        status.set({ index });
      },
    },
    log,
  );

  const battery = new BatteryPause(indexing, log);

  const load = async (): Promise<void> => {
    status.set({ engine: "loading" });
    const settings = configuration.settings;
    await battery.set(settings.pauseOnBattery);
    try {
      const wanted = [options.model, options.modelPath, settings.model.trim(), settings.modelPath.trim()];
      const model = resolveModelOrSmall(withHome(wanted.find((each) => each) ?? ""), locations.modelFolders);
      if (model.problem !== undefined) log.warn(model.problem);
      status.set({ modelNote: model.problem });
      engine = await openEngine({
        modelPath: model.folder,
        grammarPath: locations.grammarPath,
        storagePath: storagePath(),
        executionProvider: options.executionProvider ?? settings.executionProvider,
        threads: settings.threads,
        maxFileKilobytes: settings.maxFileKilobytes,
        log,
        hasFolders: () => folders.folders.length > 0,
        wasEdited: (uri) => edited.has(uri),
      });
    } catch (error) {
      status.set({ engine: "failed", reason: errorMessage(error) });
      return;
    }
    const { model, provider } = engine.backbone;
    const outdated = await outdatedNote(model, locations.modelFolders.packaged).catch(() => undefined);
    if (outdated !== undefined) {
      log.warn(outdated);
      status.set({ modelNote: outdated });
    }
    // First, so that nobody is told "ready" for the instant before it begins.
    indexing.attach(engine.index);
    status.set({
      engine: "loaded",
      model: { name: model.name, version: model.version },
      provider,
      vectorIndex: engine.index.vectorIndex,
      index: engine.index.counts(),
    });
  };

  const applySettings = (now: Settings, before: Settings): void => {
    // They are read anew for other reasons too.
    if (!isDeepStrictEqual(now, before)) suggester.cancel();
    status.set({ enabled: now.enable });
    if (loading === undefined) {
      if (now.enable) loading = load();
      return;
    }
    for (const name of ["model", "modelPath", "executionProvider", "threads"] as const) {
      if (now[name] !== before[name])
        log.info(`selfracg.${name} is read at start: restart the sidecar for it to take effect.`);
    }
    if (now.maxFileKilobytes !== before.maxFileKilobytes)
      engine?.index.setLimits({ maxFileKilobytes: now.maxFileKilobytes });
    if (now.pauseOnBattery !== before.pauseOnBattery) void battery.set(now.pauseOnBattery);
    if (before.enable && !now.enable) indexing.pause("off");
    else if (!before.enable && now.enable) indexing.resume("off");
    else if (now.maxFileKilobytes !== before.maxFileKilobytes) indexing.restart("selfracg.maxFileKilobytes changed");
  };

  connection.onInitialize((params): InitializeResult | ResponseError<InitializeError> => {
    if (client !== undefined) {
      return new ResponseError(ErrorCodes.InvalidRequest, "initialize was already received; it is sent once.", {
        retry: false,
      });
    }
    client = clientOf(params.capabilities);
    folders.initialize(params);
    ({ options, warnings: optionWarnings } = parseInitializationOptions(params.initializationOptions));
    return {
      serverInfo,
      capabilities: {
        textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: { includeText: false } },
        notebookDocumentSync: notebookSync,
        inlineCompletionProvider: true,
        workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
        executeCommandProvider: {
          commands: Object.values(serverCommands).map(({ name }) => name),
          workDoneProgress: true,
        },
      },
    };
  });

  connection.onInitialized(async () => {
    if (client === undefined) return;
    for (const warning of optionWarnings) log.warn(warning);
    status.set({ folders: folders.folders.length });
    status.open();
    folders.start(client, async () => {
      status.set({ folders: folders.folders.length });
      await configuration.foldersChanged();
      indexing.restart("the folders changed");
    });
    registerWatchedFiles(connection, documents, { client, indexing, log });
    registerUnsavedBuffers(documents, indexing);
    await configuration.start(client);
    status.set({
      enabled: configuration.settings.enable,
      ...(configuration.settings.enable ? {} : { engine: "not-loaded" as const }),
    });
    // While it is off, neither memory nor time is taken: the model is loaded when it is first switched on.
    if (configuration.settings.enable) loading = load();
    configuration.onChange(applySettings);
    configuration.onExcludesChange(() => indexing.restart("the settings of what is indexed changed"));
  });

  const inspecting = registerInspection(connection, {
    documents,
    traces,
    settings: () => configuration.settings,
    folders: () => folders.folders,
    engine: () => engine,
  });
  registerInlineCompletion(connection, {
    documents,
    suggester,
    log,
    availability: ({ uri }) => availability(uri),
    sources,
    shown: (shown) => outcomes.shown(shown),
  });
  registerAvailability(connection, availability);
  documents.onDidClose(({ document }) => outcomes.closed(document.uri));
  registerExecuteCommand(connection, {
    indexing,
    whyNotReady: () => {
      const { state, message } = status.status;
      return state === "ready" || state === "indexing" || state === "snoozed" ? undefined : message;
    },
    why: (uri) => engine?.index.why(uri),
    counts: () => engine?.index.counts() ?? null,
    snooze: (minutes) => {
      snooze.set(minutes);
      return status.status;
    },
    accepted: (id) => outcomes.accepted(id),
    clearCounts: () => countsStore().clear(),
  });
  documents.listen(connection);
  notebooks.listen(connection);

  let ending: Promise<void> | undefined;
  const dispose = (): Promise<void> => {
    battery.dispose();
    snooze.dispose();
    suggester.cancel();
    ending ??= outcomes
      .dispose()
      .then(() => indexing.dispose())
      .then(() => engine?.index.dispose())
      .catch((error: unknown) => log.error(`The index could not be closed: ${String(error)}`));
    return ending;
  };
  let shutDown = false;
  connection.onShutdown(async () => {
    shutDown = true;
    await dispose();
  });
  return {
    get shutDown() {
      return shutDown;
    },
    dispose,
  };
}
