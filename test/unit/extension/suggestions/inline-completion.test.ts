// Which suggestion the sidecar is told was accepted, with VS Code's command registry stood in for.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { CompletionTrace } from "../../../../sidecar/protocol";

const registered = new Map<string, (key: unknown) => Promise<void>>();

vi.mock("vscode", () => ({
  commands: {
    registerCommand: (name: string, run: (key: unknown) => Promise<void>) => {
      registered.set(name, run);
      return { dispose: () => registered.delete(name) };
    },
  },
}));

const { register } = await import("../../../../extension/suggestions/inline-completion");

type Session = Parameters<typeof register>[1];
type Provide = NonNullable<Session["middleware"]["provideInlineCompletionItems"]>;
interface Item {
  insertText: string;
  command?: { title: string; command: string; arguments?: unknown[] };
}

const document = { uri: { toString: () => "file:///w/a%20b.py" } } as Parameters<Provide>[0];
const token = { isCancellationRequested: false } as Parameters<Provide>[3];
const at = (line: number) => ({ line, character: 4 }) as Parameters<Provide>[1];

function traceAt(id: number, line: number, uri = "file:///w/a%20b.py"): CompletionTrace {
  return { id, uri, position: { line, character: 4 } } as CompletionTrace;
}

describe("the inline completion feature", () => {
  let trace: CompletionTrace | undefined;
  let accepted: number[];
  let session: Session;

  beforeEach(() => {
    registered.clear();
    trace = undefined;
    accepted = [];
    session = {
      middleware: {},
      fetchTrace: async () => trace,
      sendAccepted: async ({ id }: { id: number }) => void accepted.push(id),
    } as unknown as Session;
    register(undefined as unknown as Parameters<typeof register>[0], session);
  });

  async function provide(line: number, items: Item[], cancelled = false): Promise<Item[]> {
    const provider = session.middleware.provideInlineCompletionItems as Provide;
    const result = await provider(
      document,
      at(line),
      {} as Parameters<Provide>[2],
      { ...token, isCancellationRequested: cancelled } as Parameters<Provide>[3],
      () => items as unknown as ReturnType<Parameters<Provide>[4]>,
    );
    return result as unknown as Item[];
  }

  async function accept(item: Item | undefined): Promise<void> {
    if (item?.command === undefined) {
      throw new Error("Expected the item to have a command, found none.");
    }
    await registered.get(item.command.command)?.(item.command.arguments?.[0]);
  }

  it("reports the trace that belongs to the suggestion taken, not the newest", async () => {
    trace = traceAt(7, 1);
    const [first] = await provide(1, [{ insertText: "x" }]);
    trace = traceAt(8, 2);
    const [second] = await provide(2, [{ insertText: "y" }]);
    await accept(first);
    await accept(second);
    expect(accepted).toEqual([7, 8]);
  });

  it("reports nothing when the trace is of another place or file", async () => {
    trace = traceAt(7, 9);
    const [elsewhere] = await provide(1, [{ insertText: "x" }]);
    await accept(elsewhere);
    trace = traceAt(8, 1, "file:///w/other.py");
    const [otherFile] = await provide(1, [{ insertText: "x" }]);
    await accept(otherFile);
    expect(accepted).toEqual([]);
  });

  it("leaves a command of the server's own in place", async () => {
    const own = { title: "own", command: "own" };
    const [item] = await provide(1, [{ insertText: "x", command: own }]);
    expect(item?.command).toBe(own);
  });

  it("asks for no trace of a cancelled request", async () => {
    const fetch = vi.spyOn(session, "fetchTrace");
    const [item] = await provide(1, [{ insertText: "x" }], true);
    expect(fetch).not.toHaveBeenCalled();
    expect(item?.command).toBeUndefined();
  });

  it("announces the trace of an empty answer, for the inspector", async () => {
    const fetch = vi.spyOn(session, "fetchTrace");
    await provide(1, []);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it("forgets suggestions that are long gone", async () => {
    trace = traceAt(1, 1);
    const [old] = await provide(1, [{ insertText: "x" }]);
    for (let more = 0; more < 32; more += 1) {
      await provide(1, [{ insertText: "y" }]);
    }
    await accept(old);
    expect(accepted).toEqual([]);
  });

  it("passes over a key that it never gave", async () => {
    await registered.get("selfracg.suggestionAccepted")?.("__proto__");
    await registered.get("selfracg.suggestionAccepted")?.(undefined);
    expect(accepted).toEqual([]);
  });
});
