// The settings that the extension itself reads; all others are read by the sidecar through `workspace/configuration`.
import { isDeepStrictEqual } from "node:util";
import { type ConfigurationChangeEvent, ConfigurationTarget, workspace } from "vscode";
import {
  configurationSection,
  defaultSettings,
  type ExecutionProviderSetting,
  type Settings,
} from "../sidecar/protocol";

/** Settings that the sidecar reads at its start only: a change restarts it. */
const readAtStart = [
  "model",
  "modelPath",
  "executionProvider",
  "threads",
] as const satisfies readonly (keyof Settings)[];

/** Typed access to the `selfracg` section; a value of a wrong type counts as not set. */
export class ExtensionSettings {
  get enabled(): boolean {
    const value = this.read("enable");
    return typeof value === "boolean" ? value : defaultSettings.enable;
  }

  /**
   * Name or folder of the model, trimmed; empty: the one chosen on the command line, or the one that ships. VS Code ignores what
   * an untrusted workspace says.
   */
  get model(): string {
    const [model, modelPath] = [this.read("model"), this.read("modelPath")];
    const path = typeof modelPath === "string" ? modelPath.trim() : "";
    return (typeof model === "string" ? model.trim() : "") || path;
  }

  get executionProvider(): ExecutionProviderSetting {
    const value = this.read("executionProvider");
    return value === "cuda" || value === "cpu" || value === "auto" ? value : defaultSettings.executionProvider;
  }

  /** Language identifiers for which no suggestion is made. */
  get disabledLanguages(): string[] {
    const value = this.read("disabledLanguages");
    return Array.isArray(value) ? value.filter((each) => typeof each === "string") : defaultSettings.disabledLanguages;
  }

  setEnabled(enabled: boolean): Promise<void> {
    return this.write("enable", enabled);
  }

  setDisabledLanguages(languages: readonly string[]): Promise<void> {
    return this.write("disabledLanguages", languages);
  }

  /** Sets `model` and clears `modelPath`, the older setting. */
  async setModel(model: string): Promise<void> {
    await this.write("model", model);
    // There may be a value of the user's below that of the workspace.
    for (let left = 2; left > 0 && this.read("modelPath") !== ""; left--) await this.write("modelPath", undefined);
  }

  /** The values in effect, for people to read. */
  all(): Record<string, unknown> {
    const configuration = workspace.getConfiguration(configurationSection);
    return Object.fromEntries(Object.keys(defaultSettings).map((name) => [name, configuration.get<unknown>(name)]));
  }

  /** Whether the change needs a new sidecar process. */
  needsRestart(event: ConfigurationChangeEvent): boolean {
    return readAtStart.some((key) => event.affectsConfiguration(`${configurationSection}.${key}`));
  }

  /** Writes where the setting has a value already, so that the change always has an effect. A default is not written for the user. */
  private async write(key: keyof Settings, value: unknown): Promise<void> {
    const configuration = workspace.getConfiguration(configurationSection);
    if (configuration.inspect(key)?.workspaceValue !== undefined) {
      await configuration.update(key, value, ConfigurationTarget.Workspace);
    } else {
      await configuration.update(
        key,
        isDeepStrictEqual(value, defaultSettings[key]) ? undefined : value,
        ConfigurationTarget.Global,
      );
    }
  }

  private read(key: keyof Settings): unknown {
    return workspace.getConfiguration(configurationSection).get<unknown>(key);
  }
}
