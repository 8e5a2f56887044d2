// The parts of the server that several features are built on.
import type { Connection } from "vscode-languageserver/node";
import type { Log } from "../host/log";
import type { Configuration } from "./configuration";
import type { Model } from "./model";
import type { OpenDocuments } from "./open-documents";
import type { StatusBoard } from "./status";
import type { WorkspaceFolders } from "./workspace-folders";

export interface SharedParts {
  readonly connection: Connection;
  readonly log: Log;
  readonly documents: OpenDocuments;
  readonly folders: WorkspaceFolders;
  readonly configuration: Configuration;
  readonly status: StatusBoard;
  readonly model: Model;
}
