// The settings that the extension itself reads; all others are read by the sidecar through `workspace/configuration`.

import { type ConfigurationChangeEvent, ConfigurationTarget, workspace } from "vscode";
import {
  configurationSection,
  defaultSettings,
  type ExecutionProviderSetting,
  type Settings,
} from "../sidecar/protocol";

/** Settings that the sidecar reads at its start only: a change restarts it. */
const readAtStart = ["modelPath", "executionProvider", "threads"] as const satisfies readonly (keyof Settings)[];

/** Typed access to the `selfracg` section; a value of a wrong type counts as not set. */
export class ExtensionSettings {
  get enabled(): boolean {
    const value = this.read("enable");
    return typeof value === "boolean" ? value : defaultSettings.enable;
  }

  /** Trimmed; empty means the model that ships. VS Code leaves out a workspace's value where it is not trusted. */
  get modelPath(): string {
    const value = this.read("modelPath");
    return typeof value === "string" ? value.trim() : defaultSettings.modelPath;
  }

  get executionProvider(): ExecutionProviderSetting {
    const value = this.read("executionProvider");
    return value === "cuda" || value === "cpu" || value === "auto" ? value : defaultSettings.executionProvider;
  }

  /** Writes the master switch where it is already set, so that the toggle always has an effect. */
  async setEnabled(enabled: boolean): Promise<void> {
    const configuration = workspace.getConfiguration(configurationSection);
    const inWorkspace = configuration.inspect("enable")?.workspaceValue !== undefined;
    await configuration.update(
      "enable",
      enabled,
      inWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global,
    );
  }

  /** Whether the change needs a new sidecar process. */
  needsRestart(event: ConfigurationChangeEvent): boolean {
    return readAtStart.some((key) => event.affectsConfiguration(`${configurationSection}.${key}`));
  }

  private read(key: keyof Settings): unknown {
    return workspace.getConfiguration(configurationSection).get<unknown>(key);
  }
}
