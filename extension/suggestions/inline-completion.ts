// Watches the language client's inline completion: what was asked, and what was accepted.

import { commands, type Disposable, type ExtensionContext, type InlineCompletionItem, type TextDocument } from "vscode";
import type { CompletionTrace } from "../../sidecar/protocol";
import type { SidecarSession } from "../session";

/** Runs when a suggestion is taken whole; not for people, so not in the command palette. */
const acceptedCommand = "selfracg.suggestionAccepted";

/** Traces kept for suggestions that may still be taken. */
const rememberedTraces = 32;

/**
 * The provider itself is the language client's own. It needs no debounce: VS Code waits before it asks, and the sidecar
 * drops an older request between two tokens.
 */
export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  const traces = new Map<number, Promise<CompletionTrace | undefined>>();
  let sequence = 0;

  session.middleware.provideInlineCompletionItems = async (document, position, context, token, next) => {
    const result = await next(document, position, context, token);
    if (token.isCancellationRequested) {
      return result;
    }
    // Not awaited: the suggestion must not wait for its explanation.
    const trace = session.fetchTrace().then((found) => (isFor(found, document, position) ? found : undefined));
    sequence += 1;
    traces.set(sequence, trace);
    traces.delete(sequence - rememberedTraces);
    for (const item of itemsOf(result)) {
      item.command ??= { title: "Suggestion accepted", command: acceptedCommand, arguments: [sequence] };
    }
    return result;
  };

  return commands.registerCommand(acceptedCommand, async (key: unknown) => {
    const trace = typeof key === "number" ? await traces.get(key) : undefined;
    if (trace !== undefined) {
      await session.sendAccepted({ id: trace.id });
    }
  });
}

function itemsOf(
  result: InlineCompletionItem[] | { items: InlineCompletionItem[] } | null | undefined,
): InlineCompletionItem[] {
  return Array.isArray(result) ? result : (result?.items ?? []);
}

/** A newer completion may have ended in between. */
function isFor(
  trace: CompletionTrace | undefined,
  document: TextDocument,
  position: { line: number; character: number },
): boolean {
  return (
    trace !== undefined &&
    trace.position.line === position.line &&
    trace.position.character === position.character &&
    trace.uri === document.uri.toString()
  );
}
