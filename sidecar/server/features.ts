// The list of the server's features, each built on those before it.
import type { Connection } from "vscode-languageserver/node";
import type { Locations } from "../host/locations";
import type { Log } from "../host/log";
import { EditedFiles } from "../suggestions/edited-files";
import { Traces } from "../suggestions/traces";
import { Configuration, StartOptions } from "./configuration";
import { Commands } from "./execute-command";
import type { Feature } from "./feature";
import { IndexUpdates } from "./indexing/index-updates";
import { InspectionRequests } from "./inspection";
import { InterruptibleWork } from "./interruptible-work";
import { Model } from "./model";
import { OpenDocuments } from "./open-documents";
import { StatusBoard } from "./status";
import { Suggesting } from "./suggesting";
import { WorkspaceFolders } from "./workspace-folders";

/**
 * In the order in which they are initialized; they are disposed of in the opposite order. Files are watched before the
 * configuration is awaited, and the model is loaded after that.
 */
export function createFeatures(connection: Connection, locations: Locations, log: Log): readonly Feature[] {
  const options = new StartOptions(log);
  const documents = new OpenDocuments(connection);
  const folders = new WorkspaceFolders(connection, log);
  const status = new StatusBoard(connection, log, folders);
  const configuration = new Configuration(connection, () => folders.folders, log);
  const edited = new EditedFiles();
  documents.onEdited(({ uri }) => edited.record(uri));
  const model = new Model({ locations, log, options, status, configuration, folders, edited });
  const traces = new Traces(connection);
  const interruptible = new InterruptibleWork();
  const inspection = new InspectionRequests(connection, {
    documents: documents.texts,
    traces,
    log,
    interruptible,
    settings: () => configuration.settings,
    folders: () => folders.folders,
    engine: () => model.engine,
  });
  const shared = { connection, log, documents, folders, configuration, status, model };
  const suggesting = new Suggesting({ ...shared, options, traces, interruptible });
  const indexUpdates = new IndexUpdates({
    ...shared,
    indexChanged: (uris) => suggesting.indexChanged(uris),
    ignoreRulesRead: () => suggesting.availability.forgetRules(),
  });
  const commands = new Commands(connection, { log, status, model, suggesting, indexing: indexUpdates.indexing });
  return [options, documents, folders, status, indexUpdates, configuration, model, inspection, suggesting, commands];
}
