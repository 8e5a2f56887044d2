// `textDocument/inlineCompletion`: from the cursor to one suggestion, the newest request before all older ones.
import {
  type CancellationToken,
  type Connection,
  type InlineCompletionContext,
  type InlineCompletionList,
  InlineCompletionTriggerKind,
  LSPErrorCodes,
  type Position,
  type Range,
  ResponseError,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { CompletionTrace, Settings } from "../protocol";
import type { CursorContext } from "../retrieval/retrieval";
import type { CompletionCache } from "./completion-cache";
import { documentPath, type Folder } from "./document-path";
import type { Log } from "./log";
import type { Traces } from "./traces";

/** What this feature asks of the completion room. */
export interface CompletionMaker {
  complete(context: CursorContext, settings: Settings, position: Position, signal: AbortSignal, arrivedAt: number): Promise<CompletionTrace>;
}

export interface InlineCompletionParts {
  readonly documents: TextDocuments<TextDocument>;
  readonly cache: CompletionCache;
  readonly traces: Traces;
  readonly log: Log;
  settings(): Settings;
  folders(): readonly Folder[];
  /** Undefined until the model is loaded. */
  completer(): CompletionMaker | undefined;
}

const nothing: InlineCompletionList = { items: [] };

export function registerInlineCompletion(connection: Connection, parts: InlineCompletionParts): void {
  let current: AbortController | undefined;

  connection.languages.inlineCompletion.on(async (params, token) => {
    const arrivedAt = performance.now();
    // One cursor, one suggestion: whatever is still being made is for a text that is no longer there.
    current?.abort();
    const settings = parts.settings();
    const document = parts.documents.get(params.textDocument.uri);
    const completer = parts.completer();
    if (completer === undefined || document === undefined) return nothing;
    if (!settings.enable || settings.disabledLanguages.includes(document.languageId)) return nothing;

    const { prefix, suffix, selected, range } = surroundings(document, params.position, params.context);
    if (params.context?.triggerKind === InlineCompletionTriggerKind.Automatic && splitsWord(prefix, suffix)) return nothing;

    const hit = parts.cache.get(document.uri, prefix, suffix);
    if (hit !== undefined) {
      const { trace, suggestion } = hit;
      parts.traces.put({ ...trace, position: params.position, suggestion, cached: true });
      return listOf(selected + suggestion, suggestion, range);
    }

    const controller = new AbortController();
    current = controller;
    const cancelled = token.onCancellationRequested(() => controller.abort());
    try {
      const context: CursorContext = {
        uri: document.uri,
        path: documentPath(document.uri, parts.folders()),
        languageId: document.languageId,
        prefix,
        suffix,
      };
      const trace = await completer.complete(context, settings, params.position, controller.signal, arrivedAt);
      if (controller.signal.aborted) return superseded(token);
      if (trace.stopReason === "cancelled") return nothing;
      parts.cache.put(document.uri, prefix, suffix, trace);
      parts.traces.put(trace);
      return listOf(selected + trace.suggestion, trace.suggestion, range);
    } catch (error) {
      if (controller.signal.aborted) return superseded(token);
      parts.log.error(`No suggestion for ${document.uri}: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    } finally {
      cancelled.dispose();
      if (current === controller) current = undefined;
    }
  });
}

/**
 * The text around the cursor. With an entry selected in the suggest widget, the suggestion continues that entry: the text
 * is taken as if it were already inserted, and the item replaces the entry's range by the entry and what follows it.
 */
export function surroundings(
  document: TextDocument,
  position: Position,
  context: InlineCompletionContext | undefined,
): { prefix: string; suffix: string; selected: string; range: Range } {
  const text = document.getText();
  const cursor = document.offsetAt(position);
  // Some clients write null for what is not there.
  const info = context?.selectedCompletionInfo ?? undefined;
  // Only where it ends at the cursor: what replaces text behind it cannot be continued there.
  if (info !== undefined && info.range.start.line === position.line && document.offsetAt(info.range.end) === cursor) {
    const start = document.offsetAt(info.range.start);
    if (start <= cursor) {
      return { prefix: text.slice(0, start) + info.text, suffix: text.slice(cursor), selected: info.text, range: info.range };
    }
  }
  const at = document.positionAt(cursor);
  return { prefix: text.slice(0, cursor), suffix: text.slice(cursor), selected: "", range: { start: at, end: at } };
}

/** Whether the cursor stands inside a word: a place people pass through, and hardly ever wait at. */
function splitsWord(prefix: string, suffix: string): boolean {
  return /[\p{L}\p{N}_]$/u.test(prefix.slice(-2)) && /^[\p{L}\p{N}_]/u.test(suffix.slice(0, 2));
}

function listOf(insertText: string, suggestion: string, range: Range): InlineCompletionList {
  return suggestion === "" ? nothing : { items: [{ insertText, range }] };
}

/** LSP's answer to a request that the client cancelled; one that a newer request replaced just has nothing to offer. */
function superseded(token: CancellationToken): InlineCompletionList | ResponseError<void> {
  return token.isCancellationRequested ? new ResponseError(LSPErrorCodes.RequestCancelled, "The request was cancelled.") : nothing;
}
