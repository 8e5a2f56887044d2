// The inspector's requests: a completion's prompt, need and comparison, and a search by code. Typing interrupts them.
import * as v from "valibot";
import {
  type CancellationToken,
  type Connection,
  LSPErrorCodes,
  ResponseError,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Completer } from "../completion/completer";
import type { CompletionRecord } from "../completion/completion-record";
import type { Inspection } from "../completion/inspection";
import type { Log } from "../host/log";
import { documentPath, type Folder } from "../host/paths";
import { languageIdOf } from "../languages/languages";
import { handleRequest, messages, type SearchResult, type Settings } from "../protocol";
import { ofTrace, type Traces } from "../suggestions/traces";
import { runRequest } from "./connection/requests";
import type { Feature } from "./feature";
import type { InterruptibleWork } from "./interruptible-work";

export interface InspectionParts {
  readonly documents: TextDocuments<TextDocument>;
  readonly traces: Traces;
  readonly log: Log;
  readonly interruptible: InterruptibleWork;
  settings(): Settings;
  folders(): readonly Folder[];
  /** Undefined until the model is loaded. */
  engine(): { readonly completer: Pick<Completer, "searchCode">; readonly inspection: Inspection } | undefined;
}

const searchSchema = v.object({
  text: v.string(),
  uri: v.optional(v.string()),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200)), 20),
});

export class InspectionRequests implements Feature {
  constructor(
    connection: Connection,
    private readonly parts: InspectionParts,
  ) {
    const { interruptible, documents } = parts;
    handleRequest(connection, messages.prompt, ofTrace, "{id?: number}", ({ id }) =>
      this.withRecord(id, (inspection, record) => inspection.promptOf(record)),
    );
    handleRequest(connection, messages.need, ofTrace, "{id?: number}", ({ id }, token) =>
      this.withRecord(id, (inspection, record) =>
        this.run("The need of a completion", token, (signal) => inspection.needOf(record, signal)),
      ),
    );
    handleRequest(connection, messages.compare, ofTrace, "{id?: number}", ({ id }, token) =>
      this.withRecord(id, (inspection, record) =>
        this.run("The comparison of a completion", token, (signal) => inspection.compare(record, signal)),
      ),
    );
    handleRequest(
      connection,
      messages.search,
      searchSchema,
      "{text: string, uri?: string, limit?: 1..200}",
      (params, token) => this.search(params, token),
    );
    documents.onDidChangeContent(() => interruptible.interrupt());
  }

  dispose(): void {
    this.parts.interruptible.interrupt();
  }

  private async search(
    { text, uri, limit }: v.InferOutput<typeof searchSchema>,
    token: CancellationToken,
  ): Promise<SearchResult> {
    const { engine, documents, folders, settings } = this.parts;
    const completer = engine()?.completer;
    if (completer === undefined)
      throw new ResponseError(LSPErrorCodes.RequestFailed, "Nothing can be searched: the model is not loaded.");
    const path = uri === undefined ? "" : documentPath(uri, folders());
    const languageId = (uri === undefined ? undefined : documents.get(uri)?.languageId) ?? languageIdOf(path);
    return this.run("The search", token, (signal) =>
      completer.searchCode(text, { uri: uri ?? "", path, languageId }, settings(), limit, signal),
    );
  }

  /** Work of the model, which the client may cancel and a keystroke interrupts. */
  private run<Result>(
    name: string,
    token: CancellationToken,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const { log, interruptible } = this.parts;
    return runRequest(name, token, log, (signal) => interruptible.run(signal, work));
  }

  /** Does `work` with the completion asked for, by default the last; null where it is forgotten. */
  private withRecord<Result>(
    asked: number | undefined,
    work: (inspection: Inspection, record: CompletionRecord) => Result,
  ): Result | null {
    const { traces, engine } = this.parts;
    const id = asked ?? traces.find()?.id;
    const inspection = engine()?.inspection;
    const record = id === undefined ? undefined : inspection?.get(id);
    return inspection === undefined || record === undefined ? null : work(inspection, record);
  }
}
