// Notebooks: their code is indexed in the language of their kernel, at the lines of the file.
import { describe, expect, it } from "vitest";
import { readContent, sourceText } from "../../../../sidecar/workspace/files/content";
import { notebookCode } from "../../../../sidecar/workspace/files/notebook";

const code = (source: unknown, outputs: unknown[] = []) => ({
  cell_type: "code",
  execution_count: null,
  metadata: {},
  outputs,
  source,
});
const prose = (source: unknown) => ({ cell_type: "markdown", metadata: {}, source });
const book = (cells: unknown[], metadata: object = {}) => ({ cells, metadata, nbformat: 4, nbformat_minor: 5 });
const written = (value: unknown) => `${JSON.stringify(value, undefined, 1)}\n`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const printed = [{ output_type: "stream", name: "stdout", text: ["def price(order):\n", "price\n"] }];
const shop = book([
  prose(["# Prices\n", "\n", "def price(order): is explained here"]),
  code(["def price(order):\n", '    return order["total"]\n'], printed),
  code([]),
  code(["print(price({'total': 'ü'}))"]),
]);

describe("notebookCode", () => {
  it("has each line of code at its line of the file, and nothing of prose and outputs", () => {
    const json = written(shop);
    const lines = notebookCode(json)?.text.split("\n") ?? [];
    const file = json.split("\n");
    expect(lines).toHaveLength(file.length);
    const numbered = lines.flatMap((line, at) =>
      line === "" ? [] : [[line, JSON.parse((file[at] ?? "").replace(/,$/, ""))]],
    );
    expect(numbered).toEqual([
      ["def price(order):", "def price(order):\n"],
      ['    return order["total"]', '    return order["total"]\n'],
      ["print(price({'total': 'ü'}))", "print(price({'total': 'ü'}))"],
    ]);
  });

  const twoCells = "a = 1\nb = 2\n\nc = 3\n";
  it.each([
    ["in one line", JSON.stringify(book([code(["a = 1\n", "b = 2"]), prose("x"), code(["c = 3"])])), twoCells],
    ["with each cell as one string", written(book([code("a = 1\nb = 2"), prose("x"), code("c = 3\n")])), twoCells],
    ["with lines that are cut otherwise", written(book([code(["a = 1\nb", " = 2\n"]), code(["c = 3"])])), twoCells],
    [
      "in format 3",
      written({ worksheets: [{ cells: [{ cell_type: "code", input: "a = 1\r\nb = 2" }] }], nbformat: 3 }),
      "a = 1\nb = 2\n",
    ],
  ])("joins the cells of a file %s", (_, json, text) => {
    expect(notebookCode(json)?.text).toBe(text);
  });

  it.each([
    [{ language_info: { name: "python" } }, "python"],
    [{ kernelspec: { language: "R" } }, "r"],
    [{ language_info: { name: "C#" }, kernelspec: { language: "C#" } }, "c#"],
    [{ language_info: { name: "typescript" } }, "typescript"],
    [{}, "python"],
  ])("is in the language of %j", (metadata, id) => {
    expect(notebookCode(written(book([code(["a"])], metadata)))?.languageId).toBe(id);
  });

  it("is undefined for what is no notebook", () => {
    for (const json of ["", "{", "[]", "{}", "null", '{"cells": 1}', '{"cells": [{"source": 1}]}', "[".repeat(100_000)])
      expect(notebookCode(json), json.slice(0, 20)).toBeUndefined();
  });
});

describe("the content of a notebook", () => {
  it("is its code, the same when it is read again", () => {
    const json = written(shop).replaceAll("\n", "\r\n");
    const found = readContent(bytes(`\uFEFF${json}`), "a/shop.ipynb");
    expect(found).toMatchObject({ languageId: "python", text: expect.stringContaining("def price(order):\n") });
    expect(found).toHaveProperty("text", sourceText(bytes(json), "a/shop.ipynb"));
  });

  it("is no reason to take it for minified, however long its outputs are", () => {
    const picture = [{ output_type: "display_data", data: { "image/png": "iVBORw0KGgo".repeat(9000) } }];
    expect(readContent(bytes(written(book([code(["a = 1"], picture)]))), "b.ipynb")).toHaveProperty("text");
  });

  it.each([
    ["data", "{}", /no notebook/],
    ["empty", written(book([prose(["only prose"])])), /without code/],
    [
      "secret",
      written(
        book([
          code(["show()"], [{ text: [`-----BEGIN RSA ${"PRIVATE"} KEY-----\n`, "MIIEpAIBAAKCAQEA7bq9".repeat(3)] }]),
        ]),
      ),
      /looks like/,
    ],
  ])("is excluded as %s", (reason, json, detail) => {
    expect(readContent(bytes(json), "c.ipynb")).toEqual({ reason, detail: expect.stringMatching(detail) });
  });
});
