// The inspector's requests: a completion's prompt, need and comparison, and a search by code. Typing interrupts them.

import * as v from "valibot";
import {
  type CancellationToken,
  type Connection,
  ErrorCodes,
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
import type { Traces } from "../suggestions/traces";
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

const traceSchema = v.nullish(v.object({ id: v.optional(v.number()) }));
const searchSchema = v.object({
  text: v.string(),
  uri: v.optional(v.string()),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200))),
});
/** Number of fragments that a search returns by default. */
const defaultLimit = 20;

const interruption = { code: LSPErrorCodes.ServerCancelled, message: "Typing goes first. Ask again." };

export class InspectionRequests implements Feature {
  constructor(
    connection: Connection,
    private readonly parts: InspectionParts,
  ) {
    const { interruptible, documents } = parts;
    handleRequest(connection, messages.prompt, (params) =>
      this.withRecord(params, (inspection, record) => inspection.promptOf(record)),
    );
    handleRequest(connection, messages.need, (params, token) =>
      this.withRecord(params, (inspection, record) =>
        this.run("The need of a completion", token, (signal) => inspection.needOf(record, signal)),
      ),
    );
    handleRequest(connection, messages.compare, (params, token) =>
      this.withRecord(params, (inspection, record) =>
        this.run("The comparison of a completion", token, (signal) => inspection.compare(record, signal)),
      ),
    );
    handleRequest(connection, messages.search, (params, token) => this.search(params, token));
    documents.onDidChangeContent(() => interruptible.interrupt());
  }

  dispose(): void {
    this.parts.interruptible.interrupt();
  }

  private async search(params: unknown, token: CancellationToken): Promise<SearchResult> {
    const parsed = v.safeParse(searchSchema, params);
    if (!parsed.success) throw invalid("{text: string, uri?: string, limit?: 1..200}", params);
    const { text, uri, limit = defaultLimit } = parsed.output;
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
    return runRequest(name, token, log, (signal) => interruptible.run(signal, work, interruption));
  }

  /** Does `work` with the completion asked for, by default the last; null where it is forgotten. */
  private withRecord<Result>(
    params: unknown,
    work: (inspection: Inspection, record: CompletionRecord) => Result,
  ): Result | null {
    const parsed = v.safeParse(traceSchema, params);
    if (!parsed.success) throw invalid("{id?: number}", params);
    const { traces, engine } = this.parts;
    const id = parsed.output?.id ?? traces.find()?.id;
    const inspection = engine()?.inspection;
    const record = id === undefined ? undefined : inspection?.get(id);
    return inspection === undefined || record === undefined ? null : work(inspection, record);
  }
}

function invalid(expected: string, found: unknown): ResponseError {
  return new ResponseError(
    ErrorCodes.InvalidParams,
    `Expected ${expected}, found ${JSON.stringify(found) ?? "nothing"}.`,
  );
}
