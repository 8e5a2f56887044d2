// The client's initialization options, and where the sidecar keeps its data.
import type { InitializeParams } from "vscode-languageserver/node";
import { defaultStoragePath } from "../host/locations";
import type { Log } from "../host/log";
import { parseInitializationOptions } from "../parse-settings";
import type { InitializationOptions } from "../protocol";
import type { Feature } from "./feature";

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
