// The user's settings: pulled from the client, validated, and pulled again at each change.
import { type Connection, DidChangeConfigurationNotification } from "vscode-languageserver/node";
import { configurationSection, defaultSettings, type Settings } from "../protocol";
import type { Client } from "./client";
import type { Log } from "./log";
import { parseSettings } from "./settings";

/** A client that never answers must not keep the model from loading. */
const pullTimeoutMs = 5000;

export type SettingsListener = (now: Settings, before: Settings) => void;

export class Configuration {
  readonly #connection: Connection;
  readonly #log: Log;
  readonly #listeners: SettingsListener[] = [];
  #client: Client | undefined;
  #settings: Settings = defaultSettings;
  /** Warnings already given: one for each bad value, not one for each time it is read. */
  #warned = new Set<string>();
  #pulls = 0;

  constructor(connection: Connection, log: Log) {
    this.#connection = connection;
    this.#log = log;
    connection.onDidChangeConfiguration(async (params: { settings?: unknown } | undefined) => {
      if (this.#client?.pullsConfiguration === true) await this.#pull();
      else this.#take(pushedSection(params?.settings));
    });
  }

  get settings(): Settings {
    return this.#settings;
  }

  onChange(listener: SettingsListener): void {
    this.#listeners.push(listener);
  }

  /** Reads the settings for the first time and asks to be told of changes. Never rejects. */
  async start(client: Client): Promise<void> {
    this.#client = client;
    if (client.registersConfiguration) {
      this.#connection.client.register(DidChangeConfigurationNotification.type, { section: configurationSection }).catch((error: unknown) => {
        this.#log.warn(`The client did not register for configuration changes: ${String(error)}`);
      });
    }
    if (client.pullsConfiguration) await this.#pull();
  }

  async #pull(): Promise<void> {
    const pull = ++this.#pulls;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${pullTimeoutMs} ms`)), pullTimeoutMs);
    });
    try {
      const section: unknown = await Promise.race([this.#connection.workspace.getConfiguration({ section: configurationSection }), timeout]);
      // Answers may overtake each other; only the newest question's counts.
      if (pull === this.#pulls) this.#take(section);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.warn(`workspace/configuration: ${reason}; the settings stay as they are.`);
    } finally {
      clearTimeout(timer);
    }
  }

  #take(section: unknown): void {
    const { settings, warnings } = parseSettings(section);
    for (const warning of warnings) if (!this.#warned.has(warning)) this.#log.warn(warning);
    this.#warned = new Set(warnings);
    const before = this.#settings;
    this.#settings = settings;
    for (const listener of this.#listeners) listener(settings, before);
  }
}

/** Clients without `workspace/configuration` push either `{selfracg: {...}}` or the section itself. */
function pushedSection(settings: unknown): unknown {
  if (typeof settings === "object" && settings !== null && configurationSection in settings) {
    return Object.entries(settings).find(([name]) => name === configurationSection)?.[1];
  }
  return settings;
}
