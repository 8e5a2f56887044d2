// What becomes of a suggestion, told from edits: `║` marks where it was shown.
import { describe, expect, it } from "vitest";
import { TextDocument } from "vscode-languageserver-textdocument";
import { type Acceptance, AcceptanceTracker, type CountChange } from "../../../sidecar/suggestions/acceptance";
import { documentsWithEdits, type Edit } from "../../../sidecar/suggestions/edits";

const uri = "u";

/** A document in which a suggestion is shown, and what it is counted as. */
class Scene {
  readonly counts: Record<string, number> = {};
  readonly judgement = new AcceptanceTracker((change: CountChange) => {
    for (const [name, value] of Object.entries(change)) {
      this.counts[name] = (this.counts[name] ?? 0) + value;
      if (this.counts[name] === 0) delete this.counts[name];
    }
  });
  acceptance: Acceptance | undefined;
  offset: number;
  private document: TextDocument;
  private readonly configuration = documentsWithEdits((document, edits) => this.edited(document, edits));

  constructor(marked: string, suggestion: string, id = 1, selected = "") {
    this.offset = marked.indexOf("║");
    this.document = TextDocument.create(uri, "python", 1, marked.replace("║", ""));
    this.judgement.shown({ id, uri, offset: this.offset, selected, suggestion, presentLength: 0 });
  }

  get text(): string {
    return this.document.getText();
  }

  /** Inserts at the cursor, which follows; `behind` is what the editor puts after it. */
  insert(text: string, behind = ""): this {
    this.replace(this.offset, 0, text + behind);
    this.offset += text.length;
    return this;
  }

  type(text: string): this {
    for (const key of text) this.insert(key);
    return this;
  }

  erase(count = 1): this {
    this.offset -= count;
    return this.replace(this.offset, count, "");
  }

  replace(offset: number, removed: number, inserted: string): this {
    const range = { start: this.document.positionAt(offset), end: this.document.positionAt(offset + removed) };
    this.document = this.configuration.update(this.document, [{ range, text: inserted }], this.document.version + 1);
    return this;
  }

  show(id: number, suggestion: string, offset = this.offset): this {
    this.judgement.shown({ id, uri, offset, selected: "", suggestion, presentLength: this.offset - offset });
    return this;
  }

  accepted(id = 1): this {
    this.acceptance = this.judgement.accepted(id) ?? this.acceptance;
    return this;
  }

  private edited(document: TextDocument, edits: readonly Edit[]): void {
    this.acceptance = this.judgement.edited(uri, document.getText(), edits) ?? this.acceptance;
  }
}

describe("a suggestion is", () => {
  it("only shown as long as nothing is edited", () => {
    expect(new Scene("x = ║\n", "foo(1)").counts).toEqual({ shown: 1 });
  });

  it("accepted when its whole text is inserted at once", () => {
    const scene = new Scene("x = ║\n", "foo(1)\ny = 2").insert("foo(1)\ny = 2");
    expect(scene.counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 12 });
    expect(scene.acceptance).toEqual({ uri, offset: 16 });
  });

  it("accepted when its rest is inserted at once, without counting the characters typed before", () => {
    const scene = new Scene("x = ║\n", "foo(1)").type("fo").insert("o(1)");
    expect(scene.counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 4 });
    expect(scene.acceptance).toEqual({ uri, offset: 10 });
  });

  it("accepted word by word", () => {
    const scene = new Scene("x = ║\n", "foo(one, two)").insert("foo").insert("(one");
    expect(scene.counts).toEqual({ shown: 1 });
    expect(scene.insert(", two)").counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 13 });
  });

  it("accepted in a document with other line breaks", () => {
    const scene = new Scene("x:║\r\n", "\n  a\n  b").insert("\r\n  a\r\n  b");
    expect(scene.counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 8 });
    expect(scene.acceptance).toEqual({ uri, offset: 12 });
  });

  it("accepted over a bracket that it replaces", () => {
    const scene = new Scene("║\n", "f(a): b").type("f").insert("(", ")").replace(2, 1, "a): b");
    expect(scene.counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 5 });
  });

  it("partly accepted when a word or a line is accepted and something else is typed", () => {
    expect(new Scene("x = ║\n", "foo(one, two)").insert("foo").type("[").counts).toEqual({
      shown: 1,
      partlyAccepted: 1,
      charactersTaken: 3,
    });
    expect(new Scene("x = ║\n", "foo\nbar").insert("foo\n").type("q").counts).toEqual({
      shown: 1,
      partlyAccepted: 1,
      charactersTaken: 4,
    });
  });

  it("typed when it is typed to its end, or beyond a word", () => {
    expect(new Scene("x = ║\n", "foo(1)").type("foo(1)").counts).toEqual({ shown: 1, typed: 1 });
    expect(new Scene("x = ║\n", "foo(1)").type("foo]").counts).toEqual({ shown: 1, typed: 1 });
  });

  it("typed where the editor closes brackets or sends several keys at once", () => {
    const closing = new Scene("x = ║\n", "foo()").type("foo").insert("(", ")");
    expect(closing.counts).toEqual({ shown: 1, typed: 1 });
    expect(new Scene("x = ║\n", "foobar(1)").insert("fo").insert("oba").insert("x").counts).toEqual({
      shown: 1,
      rejected: 1,
    });
  });

  it.each<[string, (scene: Scene) => unknown]>([
    ["something else is typed", (scene) => scene.type("q")],
    ["it is left within the first word", (scene) => scene.type("foq")],
    ["another is shown", (scene) => scene.show(2, "bar")],
    ["its document is closed", (scene) => scene.judgement.closed(uri)],
    ["the document changes elsewhere", (scene) => scene.replace(0, 0, "# ")],
    ["something is pasted that it only begins with", (scene) => scene.insert("foo(1) + bar")],
    ["the session ends", (scene) => scene.judgement.dispose()],
  ])("rejected when %s", (name, act) => {
    const scene = new Scene("x = ║\n\n# end\n", "fool(1)");
    act(scene);
    expect(scene.counts).toEqual({ shown: name === "another is shown" ? 2 : 1, rejected: 1 });
    expect(scene.acceptance).toBeUndefined();
  });

  it("the same while it is typed along, deleted and shown again", () => {
    const scene = new Scene("x = ║\n", "foo(1)").type("fo");
    scene.show(1, "foo(1)", 4).erase(2).show(1, "foo(1)", 4);
    expect(scene.counts).toEqual({ shown: 1 });
    expect(scene.insert("foo(1)").counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 6 });
  });

  it("counted once when it is left, shown again and accepted", () => {
    const scene = new Scene("x = ║\n", "foo(1)").type("q");
    expect(scene.counts).toEqual({ shown: 1, rejected: 1 });
    scene.erase().show(1, "foo(1)");
    expect(scene.counts).toEqual({ shown: 1 });
    expect(scene.insert("foo(1)").counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 6 });
  });

  it("counted from the part that is typed already", () => {
    const scene = new Scene("x = fo║\n", "other");
    scene.show(2, "foo(1)", 4).insert("o");
    expect(scene.counts).toEqual({ shown: 2, rejected: 1 });
    expect(scene.insert("(1)").counts).toEqual({ shown: 2, rejected: 1, accepted: 1, charactersTaken: 3 });
  });

  it("not affected by other documents", () => {
    const scene = new Scene("x = ║\n", "foo(1)");
    expect(scene.judgement.edited("v", "q", [{ offset: 0, removed: 0, inserted: "q" }])).toBeUndefined();
    scene.judgement.closed("v");
    expect(scene.counts).toEqual({ shown: 1 });
  });
});

describe("a suggestion after an entry of the suggest widget", () => {
  /** `obj.na` with the entry `name` selected. */
  const selecting = (): Scene => {
    const scene = new Scene("obj.na", "other", 1);
    scene.judgement.shown({ id: 2, uri, offset: 8, selected: "name", suggestion: "(x)", presentLength: 2 });
    scene.offset = 6;
    return scene;
  };
  const before = { shown: 2, rejected: 1 };

  it("counts without the entry", () => {
    expect(selecting().replace(4, 2, "name(x)").counts).toEqual({ ...before, accepted: 1, charactersTaken: 3 });
  });

  it("stays when only the entry is accepted", () => {
    const scene = selecting().replace(4, 2, "name");
    expect(scene.counts).toEqual(before);
    scene.offset = 8;
    expect(scene.insert("(x)").counts).toEqual({ ...before, accepted: 1, charactersTaken: 3 });
  });

  it("stays while the entry is typed", () => {
    expect(selecting().type("me").counts).toEqual(before);
    expect(selecting().type("me(x)").counts).toEqual({ ...before, typed: 1 });
  });
});

describe("the editor's report", () => {
  it("counts once, also before the text is inserted", () => {
    const scene = new Scene("x = ║\n", "foo(1)").type("f").accepted();
    scene.insert("oo(1)");
    expect(scene.counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 5 });
    expect(scene.acceptance).toEqual({ uri, offset: 10 });
  });

  it("adds nothing after the edit told the same", () => {
    expect(new Scene("x = ║\n", "foo(1)").insert("foo(1)").accepted().counts).toEqual({
      shown: 1,
      accepted: 1,
      charactersTaken: 6,
    });
  });

  it("corrects what the edits looked like", () => {
    const formatted = new Scene("x = ║\n", "foo( 1 )").insert("foo(1)").accepted();
    expect(formatted.counts).toEqual({ shown: 1, accepted: 1, charactersTaken: 8 });
    expect(formatted.acceptance).toEqual({ uri, offset: 10 });
    const single = new Scene("x = ║\n", "1").insert("1").accepted();
    expect(single.counts).toEqual({ shown: 1, accepted: 1 });
  });

  it("is ignored for a suggestion that was never shown", () => {
    expect(new Scene("x = ║\n", "foo(1)").accepted(77).counts).toEqual({ shown: 1 });
  });
});

describe("documentsWithEdits", () => {
  it("reports each change, and the difference of whole texts", () => {
    const seen: Edit[][] = [];
    const { update } = documentsWithEdits(
      (document, edits) => void seen.push([...edits, { offset: -1, removed: 0, inserted: document.getText() }]),
    );
    const document = TextDocument.create(uri, "python", 1, "one\ntwo\n");
    const at = (line: number, character: number) => ({ line, character });
    update(
      document,
      [
        { range: { start: at(0, 0), end: at(0, 0) }, text: "zero\n" },
        { range: { start: at(2, 3), end: at(2, 0) }, text: "2" },
      ],
      2,
    );
    update(document, [{ text: "zero\none\n23\n" }], 3);
    expect(seen).toEqual([
      [
        { offset: 0, removed: 0, inserted: "zero\n" },
        { offset: 9, removed: 3, inserted: "2" },
        { offset: -1, removed: 0, inserted: "zero\none\n2\n" },
      ],
      [
        { offset: 10, removed: 0, inserted: "3" },
        { offset: -1, removed: 0, inserted: "zero\none\n23\n" },
      ],
    ]);
  });
});
