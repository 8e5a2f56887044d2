// LSP's order of things: nothing is served before `initialize` or after `shutdown`.
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
  return {
    handleMessage: (message, next) => {
      if (Message.isRequest(message)) {
        if (phase === "new" && message.method !== "initialize") {
          return refuse(
            message.id,
            ErrorCodes.ServerNotInitialized,
            `Expected initialize first, found ${message.method}.`,
          );
        }
        if (phase === "shut-down") {
          return refuse(
            message.id,
            ErrorCodes.InvalidRequest,
            `Expected exit after shutdown, found ${message.method}.`,
          );
        }
        if (message.method === "initialize") phase = "running";
        if (message.method === "shutdown") phase = "shut-down";
      } else if (Message.isNotification(message) && message.method !== "exit") {
        if (phase === "new") return undefined;
        if (message.method === "initialized") {
          if (initialized) return undefined;
          initialized = true;
        }
      }
      return next(message);
    },
  };
}
