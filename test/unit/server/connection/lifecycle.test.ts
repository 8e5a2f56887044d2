// The requests that are accepted before initialize, afterwards, and after shutdown.
import { expect, it } from "vitest";
import type { Message } from "vscode-languageserver/node";
import { lifecycle } from "../../../../sidecar/server/connection/lifecycle";

it("the lifecycle refuses requests that LSP does not allow in its state", () => {
  const served: string[] = [];
  const refused: [unknown, number][] = [];
  const strategy = lifecycle((id, code) => void refused.push([id, code]));
  let id = 0;
  const send = (method: string, request: boolean) => {
    if (request) id += 1;
    strategy.handleMessage(
      { jsonrpc: "2.0", method, ...(request ? { id } : {}) } as Message,
      () => void served.push(method),
    );
  };
  send("textDocument/didOpen", false);
  send("textDocument/inlineCompletion", true);
  send("initialize", true);
  send("initialized", false);
  send("initialized", false);
  send("textDocument/inlineCompletion", true);
  send("shutdown", true);
  send("textDocument/inlineCompletion", true);
  send("exit", false);
  expect(served).toEqual(["initialize", "initialized", "textDocument/inlineCompletion", "shutdown", "exit"]);
  expect(refused).toEqual([
    [1, -32002],
    [5, -32600],
  ]);
});

it("the lifecycle accepts exit before initialize", () => {
  let served = 0;
  lifecycle(() => {}).handleMessage({ jsonrpc: "2.0", method: "exit" } as Message, () => {
    served += 1;
  });
  expect(served).toBe(1);
});
