// Which files were edited lately, told from what a client opens, changes and closes.
import { expect, it } from "vitest";
import { TextDocuments } from "vscode-languageserver/node";
import { EditedFiles } from "../../../sidecar/suggestions/edited-files";
import { documentsWithEdits } from "../../../sidecar/suggestions/edits";

const uri = (name: string) => `file:///w/${name}.py`;

it("edited files were changed, not only opened", () => {
  const edited = new EditedFiles();
  const documents = new TextDocuments(documentsWithEdits((document) => edited.record(document.uri)));
  const handlers: Record<string, (params: unknown) => void> = {};
  const noted = new Proxy(
    {},
    {
      get: (_, name: string) => (handler: (params: unknown) => void) => {
        handlers[name] = handler;
        return { dispose: () => {} };
      },
    },
  );
  documents.listen(noted as Parameters<typeof documents.listen>[0]);
  const open = (name: string) =>
    handlers.onDidOpenTextDocument?.({
      textDocument: { uri: uri(name), languageId: "python", version: 1, text: "a = 1\n" },
    });
  open("a");
  open("b");
  expect([edited.has(uri("a")), edited.has(uri("b"))]).toEqual([false, false]);
  handlers.onDidChangeTextDocument?.({
    textDocument: { uri: uri("a"), version: 2 },
    contentChanges: [{ text: "a = 2\n" }],
  });
  expect([edited.has(uri("a")), edited.has(uri("b"))]).toEqual([true, false]);
  handlers.onDidCloseTextDocument?.({ textDocument: { uri: uri("a") } });
  open("a");
  expect(edited.has(uri("a"))).toBe(true);
});

it("edited files are the last few, by path however the URI is written", () => {
  const edited = new EditedFiles();
  for (let n = 0; n < 9; n++) edited.record(uri(`${n}`));
  edited.record(uri("0"));
  edited.record(uri("9"));
  expect(["0", "1", "2", "9"].map((name) => edited.has(uri(name)))).toEqual([true, false, true, true]);
  edited.record("file:///w/caf%C3%A9%28x%29.py");
  expect(edited.has("file:///w/café(x).py")).toBe(true);
  edited.record("untitled:Untitled-1");
  expect(edited.has("untitled:Untitled-1")).toBe(false);
});
