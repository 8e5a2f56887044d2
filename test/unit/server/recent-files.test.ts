// Which files were edited and looked at lately, told from what a client opens, changes and closes.
import { expect, it } from "vitest";
import { TextDocuments } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { RecentFiles, recentFilesOf } from "../../../sidecar/server/recent-files";

const uri = (name: string) => `file:///w/${name}.py`;

it("tells what was edited from what was only opened", () => {
  const documents = new TextDocuments(TextDocument);
  const handlers: Record<string, (params: unknown) => void> = {};
  const noted = new Proxy({}, { get: (_, name: string) => (handler: (params: unknown) => void) => ({ dispose: () => {}, handler: (handlers[name] = handler) }) });
  const recent = recentFilesOf(documents);
  documents.listen(noted as Parameters<typeof documents.listen>[0]);
  const open = (name: string) => handlers["onDidOpenTextDocument"]?.({ textDocument: { uri: uri(name), languageId: "python", version: 1, text: "a = 1\n" } });
  open("a");
  open("b");
  expect([recent.of(uri("a")), recent.of(uri("b")), recent.of(uri("c"))]).toEqual(["viewed", "viewed", undefined]);
  handlers["onDidChangeTextDocument"]?.({ textDocument: { uri: uri("a"), version: 2 }, contentChanges: [{ text: "a = 2\n" }] });
  expect([recent.of(uri("a")), recent.of(uri("b"))]).toEqual(["edited", "viewed"]);
  handlers["onDidCloseTextDocument"]?.({ textDocument: { uri: uri("a") } });
  open("a");
  expect(recent.of(uri("a"))).toBe("edited");
});

it("forgets what many others were edited after, and knows files by their path, however it is written", () => {
  const recent = new RecentFiles();
  for (let n = 0; n < 9; n++) recent.note(uri(`${n}`), "edited");
  recent.note(uri("0"), "edited");
  recent.note(uri("9"), "edited");
  expect(["0", "1", "2", "9"].map((name) => recent.of(uri(name)))).toEqual(["edited", undefined, "edited", "edited"]);
  recent.note("file:///w/caf%C3%A9%28x%29.py", "viewed");
  expect(recent.of("file:///w/café(x).py")).toBe("viewed");
  recent.note("untitled:Untitled-1", "edited");
  expect(recent.of("untitled:Untitled-1")).toBeUndefined();
  expect(recent.of(uri("2"))).toBe("edited");
});
