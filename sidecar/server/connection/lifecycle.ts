// LSP's lifecycle: no request is served before `initialize` or after `shutdown`.
import { ErrorCodes, Message, type MessageStrategy } from "vscode-languageserver/node";

/** Sends an error for the request of this id. */
export type Refuse = (id: string | number | null, code: number, message: string) => void;

/**
 * Lets messages through in the order LSP 3.18 allows. Before `initialize`, requests are answered with
 * `ServerNotInitialized` and notifications but `exit` are dropped; after `shutdown`, requests with `InvalidRequest`. A second
 * `initialized` is dropped, since the first one starts everything.
 */
export function lifecycle(refuse: Refuse): MessageStrategy {
  let phase: "new" | "running" | "shut-down" = "new";
  let initialized = false;
  /** The error that a request gets for coming at the wrong time. */
  const refusalOf = (method: string): { code: number; message: string } | undefined => {
    if (phase === "new" && method !== "initialize")
      return { code: ErrorCodes.ServerNotInitialized, message: `Expected initialize first, found ${method}.` };
    if (phase === "shut-down")
      return { code: ErrorCodes.InvalidRequest, message: `Expected exit after shutdown, found ${method}.` };
    return undefined;
  };
  const isDropped = (method: string): boolean => {
    if (method === "exit") return false;
    if (phase === "new" || (method === "initialized" && initialized)) return true;
    if (method === "initialized") initialized = true;
    return false;
  };
  return {
    handleMessage: (message, next) => {
      if (Message.isRequest(message)) {
        const refusal = refusalOf(message.method);
        if (refusal !== undefined) return refuse(message.id, refusal.code, refusal.message);
        if (message.method === "initialize") phase = "running";
        if (message.method === "shutdown") phase = "shut-down";
      } else if (Message.isNotification(message) && isDropped(message.method)) return undefined;
      return next(message);
    },
  };
}
