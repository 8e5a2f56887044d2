// The custom messages and commands, each with the types of its parameters and its result. Everything else is plain LSP 3.18.
import * as v from "valibot";
import {
  type CancellationToken,
  type Disposable,
  ErrorCodes,
  type ExecuteCommandParams,
  type GenericRequestHandler,
  type HandlerResult,
  NotificationType,
  RequestType,
  RequestType0,
  ResponseError,
} from "vscode-languageserver-protocol";
import type { Comparison, InspectedPrompt, NeedWeights, SearchParams, SearchResult, TraceParams } from "./inspection";
import type { Explanation, IndexCounts, SidecarStatus } from "./status";
import type { Availability, AvailabilityParams, SuggestionCounts } from "./suggestions";
import type { CompletionTrace } from "./trace";

export const messages = {
  /** To the client, at every change. */
  status: new NotificationType<SidecarStatus>("selfracg/status"),
  /** The present status. */
  getStatus: new RequestType0<SidecarStatus, void>("selfracg/getStatus"),
  /** To the client, before each answer with a new or cached completion: its trace. */
  completed: new NotificationType<CompletionTrace>("selfracg/completed"),
  /** One trace, by default the last; null where it is no longer held. */
  trace: new RequestType<TraceParams, CompletionTrace | null, void>("selfracg/trace"),
  /** The last traces, newest first, 50 at most. */
  traces: new RequestType0<CompletionTrace[], void>("selfracg/traces"),
  /** The prompt of a completion, by default the last; null where it is no longer held. */
  prompt: new RequestType<TraceParams, InspectedPrompt | null, void>("selfracg/prompt"),
  /** What the need of a completion was read from; null as above. */
  need: new RequestType<TraceParams, NeedWeights | null, void>("selfracg/need"),
  /** The same cursor completed without fragments; null as above. */
  compare: new RequestType<TraceParams, Comparison | null, void>("selfracg/compare"),
  search: new RequestType<SearchParams, SearchResult, void>("selfracg/search"),
  /** Whether suggestions are made in a document. */
  availability: new RequestType<AvailabilityParams, Availability, void>("selfracg/availability"),
  counts: new RequestType0<SuggestionCounts, void>("selfracg/counts"),
} as const;

/** A command of `workspace/executeCommand`, with the types of its arguments and its result. */
export class ServerCommand<Arguments extends readonly (string | number)[], Result> {
  readonly request = new RequestType<ExecuteCommandParams, Result, void>("workspace/executeCommand");

  constructor(readonly name: string) {}

  /** What {@link request} is sent with. */
  params(...given: Arguments): ExecuteCommandParams {
    return { command: this.name, arguments: [...given] };
  }
}

export const serverCommands = {
  /** Of each item: the suggestion with this {@link CompletionTrace.id} was accepted whole. */
  accepted: new ServerCommand<[id: number], null>("selfracg.server.accepted"),
  /** Reads every workspace folder again; null where that was cancelled. */
  reindex: new ServerCommand<[], IndexCounts | null>("selfracg.server.reindex"),
  /** Whether a file or folder is indexed, and by which rule it is not. */
  why: new ServerCommand<[uri: string], Explanation>("selfracg.server.why"),
  /** Deletes the index, on disk too, and begins to build it again; the counts when it is deleted. */
  clearIndex: new ServerCommand<[], IndexCounts>("selfracg.server.clearIndex"),
  /** Stops indexing until it is resumed; what is indexed stays searchable. Null while there is no model. */
  pauseIndexing: new ServerCommand<[], IndexCounts | null>("selfracg.server.pauseIndexing"),
  /** Indexes what changed meanwhile; the counts at once, null while there is no model. */
  resumeIndexing: new ServerCommand<[], IndexCounts | null>("selfracg.server.resumeIndexing"),
  /** No suggestions for so many minutes; 0 ends it. */
  snooze: new ServerCommand<[minutes: number], SidecarStatus>("selfracg.server.snooze"),
  /** Deletes the counts of suggestions, on disk too; the new counts. */
  clearCounts: new ServerCommand<[], SuggestionCounts>("selfracg.server.clearCounts"),
} as const;

/**
 * Answers a custom request, and refuses one whose parameters do not fit the schema. They are undefined where the client sent
 * none, which the library refuses for a handler that is registered by type.
 * @param expected the parameters, in words
 */
export function handleRequest<Sent, Params, Result>(
  connection: { onRequest(method: string, handler: GenericRequestHandler<Result, void>): Disposable },
  { method }: RequestType<Sent, Result, void>,
  schema: v.GenericSchema<unknown, Params>,
  expected: string,
  handle: (params: Params, token: CancellationToken) => HandlerResult<Result, void>,
): void {
  connection.onRequest(method, (...given) => {
    const params: unknown = given.length > 1 ? given[0] : undefined;
    const parsed = v.safeParse(schema, params);
    if (parsed.success) return handle(parsed.output, given.at(-1));
    const found = JSON.stringify(params) ?? "nothing";
    return new ResponseError<void>(ErrorCodes.InvalidParams, `${method}: expected ${expected}, found ${found}.`);
  });
}
