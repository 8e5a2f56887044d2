// The requests of the inspector: a completion's prompt, need and comparison, and a search by code; typing goes ahead of all.

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
import { errorMessage } from "../host/errors";
import { documentPath, type Folder } from "../host/paths";
import { languageIdOf } from "../languages/languages";
import { handleRequest, messages, type Settings } from "../protocol";
import type { Traces } from "../suggestions/traces";
import { onCancelled } from "./cancellation";

export interface InspectionParts {
  readonly documents: TextDocuments<TextDocument>;
  readonly traces: Traces;
  settings(): Settings;
  folders(): readonly Folder[];
  /** Undefined until the model is loaded. */
  engine(): { readonly completer: Pick<Completer, "searchCode">; readonly inspection: Inspection } | undefined;
}

/** The requests under way. */
export interface Inspecting {
  /** Ends those that keep the model busy: somebody types. They are answered with an error that says so. */
  giveWay(): void;
}

const traceSchema = v.nullish(v.object({ id: v.optional(v.number()) }));
const searchSchema = v.object({
  text: v.string(),
  uri: v.optional(v.string()),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200))),
});
/** Fragments that a search gives unless it asks for another number. */
const defaultLimit = 20;

export function registerInspection(connection: Connection, parts: InspectionParts): Inspecting {
  const running = new Set<AbortController>();
  const giveWay = (): void => {
    for (const controller of running) controller.abort();
  };

  /** Work of the model that the client, or a keystroke, may cut short. */
  const interruptible = async <Result>(
    token: CancellationToken,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> => {
    const controller = new AbortController();
    const cancelled = onCancelled(token, () => controller.abort());
    running.add(controller);
    try {
      return await work(controller.signal);
    } catch (error) {
      if (token.isCancellationRequested)
        throw new ResponseError(LSPErrorCodes.RequestCancelled, "The request was cancelled.");
      if (controller.signal.aborted)
        throw new ResponseError(LSPErrorCodes.ServerCancelled, "Typing goes first. Ask again.");
      throw new ResponseError(LSPErrorCodes.RequestFailed, errorMessage(error));
    } finally {
      cancelled.dispose();
      running.delete(controller);
    }
  };

  /** Does `work` with the completion asked for, by default the last; null where it is no longer held. */
  const held = <Result>(
    params: unknown,
    work: (inspection: Inspection, completed: CompletionRecord) => Result,
  ): Result | null => {
    const parsed = v.safeParse(traceSchema, params);
    if (!parsed.success) throw invalid("{id?: number}", params);
    const id = parsed.output?.id ?? parts.traces.find()?.id;
    const inspection = parts.engine()?.inspection;
    const completed = id === undefined ? undefined : inspection?.get(id);
    return inspection === undefined || completed === undefined ? null : work(inspection, completed);
  };

  handleRequest(connection, messages.prompt, (params) =>
    held(params, (inspection, completed) => inspection.promptOf(completed)),
  );
  handleRequest(connection, messages.need, (params, token) =>
    held(params, (inspection, completed) => interruptible(token, (signal) => inspection.needOf(completed, signal))),
  );
  handleRequest(connection, messages.compare, (params, token) =>
    held(params, (inspection, completed) => interruptible(token, (signal) => inspection.compare(completed, signal))),
  );
  handleRequest(connection, messages.search, async (params, token) => {
    const parsed = v.safeParse(searchSchema, params);
    if (!parsed.success) throw invalid("{text: string, uri?: string, limit?: 1..200}", params);
    const { text, uri, limit = defaultLimit } = parsed.output;
    const engine = parts.engine();
    if (engine === undefined)
      throw new ResponseError(LSPErrorCodes.RequestFailed, "Nothing can be searched: the model is not loaded.");
    const path = uri === undefined ? "" : documentPath(uri, parts.folders());
    const languageId = (uri === undefined ? undefined : parts.documents.get(uri)?.languageId) ?? languageIdOf(path);
    return interruptible(token, (signal) =>
      engine.completer.searchCode(text, { uri: uri ?? "", path, languageId }, parts.settings(), limit, signal),
    );
  });

  parts.documents.onDidChangeContent(giveWay);
  return { giveWay };
}

function invalid(expected: string, found: unknown): ResponseError {
  return new ResponseError(
    ErrorCodes.InvalidParams,
    `Expected ${expected}, found ${JSON.stringify(found) ?? "nothing"}.`,
  );
}
