// What the client sets: initialization options, and settings, which are pulled at start and at each change. Both are validated.
import { isDeepStrictEqual } from "node:util";
import { type Connection, DidChangeConfigurationNotification, type InitializeParams } from "vscode-languageserver/node";
import { errorMessage } from "../host/errors";
import { defaultStoragePath } from "../host/locations";
import type { Log } from "../host/log";
import type { Folder } from "../host/paths";
import { parseInitializationOptions, parseSettings } from "../parse-settings";
import {
  configurationSection,
  defaultSettings,
  filesExcludeSection,
  type InitializationOptions,
  type Settings,
} from "../protocol";
import type { ExcludeSettings } from "../workspace/files/exclude-settings";
import type { Client, Feature } from "./feature";

/** A client that never answers must not keep the model from loading. */
const pullTimeoutMs = 5000;

/** The initialization options, and where the sidecar keeps its data. */
export class StartOptions implements Feature {
  private received: InitializationOptions = {};
  private warnings: readonly string[] = [];

  constructor(private readonly log: Log) {}

  /** Empty until `initialize`. */
  get options(): InitializationOptions {
    return this.received;
  }

  get storagePath(): string {
    return this.received.storagePath ?? defaultStoragePath();
  }

  initialize(params: InitializeParams): undefined {
    ({ options: this.received, warnings: this.warnings } = parseInitializationOptions(params.initializationOptions));
  }

  initialized(): void {
    for (const warning of this.warnings) this.log.warn(warning);
  }
}

type SettingsListener = (now: Settings, before: Settings) => void;

export class Configuration implements Feature {
  private readonly listeners: SettingsListener[] = [];
  private client: Client | undefined;
  private current: Settings = defaultSettings;
  /** `files.exclude` by folder URI. */
  private filesExclude = new Map<string, ExcludeSettings["filesExclude"]>();
  private readonly excludeListeners: (() => void)[] = [];
  /** Warnings already given: one for each bad value, not one for each time it is read. */
  private warned = new Set<string>();
  private pulls = 0;

  /** @param folders the open ones, for settings that differ between them */
  constructor(
    private readonly connection: Connection,
    private readonly folders: () => readonly Folder[],
    private readonly log: Log,
  ) {
    connection.onDidChangeConfiguration(async (params: { settings?: unknown } | undefined) => {
      if (this.client?.pullsConfiguration === true) await this.pull();
      else {
        const pushed = pushedSection(params?.settings);
        if (pushed !== undefined) this.take(pushed.section);
      }
    });
  }

  get settings(): Settings {
    return this.current;
  }

  onChange(listener: SettingsListener): void {
    this.listeners.push(listener);
  }

  /** The settings that exclude files of one workspace folder. */
  excludes(folderUri: string): ExcludeSettings {
    return { exclude: this.current.exclude, filesExclude: this.filesExclude.get(folderUri) ?? {} };
  }

  /** Called when {@link excludes} has changed for a folder. */
  onExcludesChange(listener: () => void): void {
    this.excludeListeners.push(listener);
  }

  /** Reads the settings that differ between folders. Never rejects. */
  async foldersChanged(): Promise<void> {
    if (this.client?.pullsConfiguration === true) await this.pull();
  }

  /** Reads the settings for the first time and registers for changes. Never rejects. */
  async initialized(client: Client): Promise<void> {
    this.client = client;
    if (client.registersConfiguration) {
      this.connection.client
        .register(DidChangeConfigurationNotification.type, { section: [configurationSection, filesExcludeSection] })
        .catch((error: unknown) => {
          this.log.warn(`The client did not register for configuration changes: ${String(error)}`);
        });
    }
    if (client.pullsConfiguration) await this.pull();
  }

  private async pull(): Promise<void> {
    const pull = ++this.pulls;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${pullTimeoutMs} ms`)), pullTimeoutMs);
    });
    try {
      const folders = this.folders();
      const items = [
        { section: configurationSection },
        ...folders.map(({ uri }) => ({ scopeUri: uri, section: filesExcludeSection })),
      ];
      const answers: unknown = await Promise.race([this.connection.workspace.getConfiguration(items), timeout]);
      const [section, ...filesExclude]: unknown[] = Array.isArray(answers) ? answers : [answers];
      // Answers may overtake each other; only the one to the newest request counts.
      if (pull === this.pulls)
        this.take(section, new Map(folders.map(({ uri }, index) => [uri, globsOf(filesExclude[index])])));
    } catch (error) {
      const reason = errorMessage(error);
      this.log.warn(`workspace/configuration: ${reason}; the settings stay as they are.`);
    } finally {
      clearTimeout(timer);
    }
  }

  private take(section: unknown, filesExclude: ReadonlyMap<string, ExcludeSettings["filesExclude"]> = new Map()): void {
    const { settings, warnings } = parseSettings(section);
    for (const warning of warnings) if (!this.warned.has(warning)) this.log.warn(warning);
    this.warned = new Set(warnings);
    const before = this.current;
    this.current = settings;
    const sameExcludes =
      isDeepStrictEqual(settings.exclude, before.exclude) && isDeepStrictEqual(filesExclude, this.filesExclude);
    this.filesExclude = new Map(filesExclude);
    for (const listener of this.listeners) listener(settings, before);
    if (!sameExcludes) for (const listener of this.excludeListeners) listener();
  }
}

/**
 * Clients without `workspace/configuration` push either `{selfracg: {...}}` or the section itself. Nothing for what speaks of
 * other settings alone, or of none: ours stay as they are.
 */
function pushedSection(settings: unknown): { readonly section: unknown } | undefined {
  if (typeof settings !== "object" || settings === null) return undefined;
  const members = new Map(Object.entries(settings));
  if (members.has(configurationSection)) return { section: members.get(configurationSection) };
  return Object.keys(defaultSettings).some((name) => members.has(name)) ? { section: settings } : undefined;
}

/** Clients that know no `files.exclude` answer null. */
function globsOf(value: unknown): ExcludeSettings["filesExclude"] {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}
