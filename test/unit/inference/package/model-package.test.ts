// Valid model packages load, and invalid ones are refused with a helpful message.
import { execFileSync } from "node:child_process";
import { cp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../../sidecar/inference/package/model-package";
import { ModelPackageError } from "../../../../sidecar/inference/package/model-package-error";
import { edit, folder, manifest, refusal, replace } from "./copied-package";

const tinyPackage = resolve(import.meta.dirname, "../../../fixtures/tiny-llama-package");

const confidence = {
  weights: { constant: 1, meanLogProbability: 2, logFirstLineTokens: -1, syntaxError: -1 },
  thresholds: { more: 0.1, balanced: 0.2, fewer: 0.3 },
};

/** The paths of all members of a JSON value, including list items. */
function memberPaths(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    [name],
    ...memberPaths(inner).map((path) => [name, ...path]),
  ]);
}

describe("loadModelPackage", () => {
  it("loads a package with all values of model.json", async () => {
    const model = await loadModelPackage(folder);
    const { retrieval, architecture } = await manifest();
    expect(model.retrieval).toEqual(retrieval);
    expect(model.retrieval.dimension).toBe(architecture.queryHeads * architecture.headDim);
    expect(model.hash).toMatch(/^[0-9a-f]{64}$/);
    expect([model.graphPath, model.tokenizerPath]).toEqual([
      join(folder, "model.onnx"),
      join(folder, "tokenizer.json"),
    ]);
  });

  it("says what to do when the folder is empty or missing", async () => {
    await rm(folder, { recursive: true });
    const message = await refusal();
    expect(message).toContain(join(folder, "model.json"));
    expect(message).toContain("selfracg.model ");
  });

  it("refuses a model.json that is not JSON", async () => {
    await writeFile(join(folder, "model.json"), "{");
    expect(await refusal()).toMatch(/model\.json: expected JSON/);
  });

  it("reports only the two format versions for an unknown format version", async () => {
    await writeFile(join(folder, "model.json"), JSON.stringify({ formatVersion: 2, anything: "else" }));
    expect(await refusal()).toMatch(/expected formatVersion 3, found 2\. Use a model package made for this version/);
  });

  it.each(["model.onnx", "tokenizer.json", "MODEL_CARD.md"])("refuses a missing %s and names it", async (name) => {
    await rm(join(folder, name));
    expect(await refusal()).toMatch(new RegExp(`${name}: expected a file of \\d+ bytes, found none`));
  });

  it.each(["model.json", "model.onnx", "tokenizer.json"])("refuses a named pipe or a device as %s", async (name) => {
    await rm(join(folder, name));
    execFileSync("mkfifo", [join(folder, name)]);
    expect(await refusal()).toMatch(new RegExp(`${name}: expected .*, found none`));
    await rm(join(folder, name));
    await symlink("/dev/zero", join(folder, name));
    expect(await refusal()).toMatch(new RegExp(`${name}: expected .*, found none`));
  });

  it("refuses a truncated file and states both sizes", async () => {
    const { bytes } = (await manifest()).files["model.onnx"]!;
    await truncate(join(folder, "model.onnx"), 1000);
    expect(await refusal()).toContain(`model.onnx: expected ${bytes} bytes, found 1000`);
  });

  it("refuses a file with one changed byte, unless hashes are not verified", async () => {
    const path = join(folder, "model.onnx");
    const content = await readFile(path);
    content[content.length >> 1]! ^= 1;
    await writeFile(path, content);
    expect(await refusal()).toMatch(/model\.onnx: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}/);
    await expect(loadModelPackage(folder, { verifyHashes: false })).resolves.toBeDefined();
  });

  it.each<[string, (manifest: any) => void, RegExp]>([
    [
      "a field that is missing",
      (m) => delete m.retrieval.nullScore,
      /retrieval\.nullScore: expected .*, found undefined/,
    ],
    ["a field of another type", (m) => (m.contextLength = "1024"), /contextLength: expected number, found "1024"/],
    [
      "a field that is not in the format",
      (m) => (m.architecture.experts = 8),
      /architecture\.experts: expected no such field/,
    ],
    [
      "a dimension that does not match the heads",
      (m) => Object.assign(m.retrieval, { outputProjection: false, dimension: m.retrieval.dimension + 1 }),
      /retrieval\.dimension: expected \d+ \(queryHeads x headDim\), found \d+/,
    ],
    [
      "a projected dimension that does not match the hidden size",
      (m) => Object.assign(m.retrieval, { outputProjection: true, dimension: m.architecture.hiddenSize + 1 }),
      /retrieval\.dimension: expected \d+ \(hiddenSize\), found \d+/,
    ],
    [
      "heads that cannot be grouped",
      (m) => (m.architecture.keyValueHeads = 3),
      /queryHeads: expected a multiple of keyValueHeads \(3\)/,
    ],
    [
      "a query longer than the context",
      (m) => (m.retrieval.queryTokens = m.contextLength + 1),
      /retrieval\.queryTokens: expected at most contextLength/,
    ],
    [
      "imports that make the query longer than the context",
      (m) => (m.retrieval.importTokens = m.contextLength),
      /queryTokens: expected at most contextLength \(\d+\), importTokens included/,
    ],
    [
      "a null vector of another length",
      (m) => (m.retrieval.nullVector = [0.5]),
      /nullVector: expected \d+ numbers \(retrieval\.dimension\), found 1\./,
    ],
    [
      "a confidence that lacks a weight",
      (m) => (m.confidence = { ...confidence, weights: { constant: 1 } }),
      /confidence\.weights\.meanLogProbability: expected .*, found undefined/,
    ],
    [
      "a threshold that is no probability",
      (m) => (m.confidence = { ...confidence, thresholds: { ...confidence.thresholds, fewer: 1.5 } }),
      /confidence\.thresholds\.fewer: expected <=1, found 1\.5/,
    ],
    [
      "fewer suggestions that are more",
      (m) => (m.confidence = { ...confidence, thresholds: { ...confidence.thresholds, fewer: 0 } }),
      /confidence\.thresholds: expected more at most balanced, and balanced at most fewer, found 0\.1, 0\.2, 0\./,
    ],
    [
      "imports anywhere but in the query",
      (m) => m.prompt.leftToRight.unshift("{imports}"),
      /prompt\.leftToRight: expected the slots/,
    ],
    [
      "a template that lacks a slot",
      (m) => (m.prompt.fillInMiddle = ["{path}", "{prefix}"]),
      /prompt\.fillInMiddle: expected the slots .*\{suffix\}.*, found \{path\}, \{prefix\}/,
    ],
    [
      "a template with a slot twice that is no path",
      (m) => (m.prompt.fillInMiddle = ["{path}", "{suffix}", "{path}", "{prefix}", "{prefix}"]),
      /prompt\.fillInMiddle: expected the slots/,
    ],
    [
      "a path twice beside one side",
      (m) => m.prompt.leftToRight.unshift("{path}"),
      /prompt\.leftToRight: expected the/,
    ],
    ["a template with a slot twice", (m) => m.prompt.query.push("{prefix}"), /prompt\.query: expected the slots/],
    [
      "a special token the tokenizer lacks",
      (m) => m.prompt.query.unshift("<|unheard|>"),
      /tokenizer\.json: expected the special token <\|unheard\|>, found <\|endoftext\|>/,
    ],
    [
      "a vocabulary smaller than the tokenizer's",
      (m) => (m.architecture.vocabularySize = 100),
      /expected token ids below architecture\.vocabularySize 100, found \d+/,
    ],
    ["a graph that is not listed", (m) => delete m.files["model.onnx"], /expected "model\.onnx" among files/],
    [
      "a file outside the folder",
      (m) => (m.files["../secrets"] = { bytes: 1, sha256: "0".repeat(64) }),
      /expected a plain file name/,
    ],
  ])("refuses %s", async (_, change, message) => {
    await edit(change);
    expect(await refusal()).toMatch(message);
  });

  it("accepts imports in the query and a null vector", async () => {
    await edit((m) => {
      m.prompt.query = ["<|path|>", "{path}", "\n", "{imports}", "{prefix}"];
      Object.assign(m.retrieval, { importTokens: 96, nullVector: Array(m.retrieval.dimension).fill(0.01) });
    });
    expect((await loadModelPackage(folder)).retrieval.importTokens).toBe(96);
  });

  it.each<[string, (manifest: any, value: unknown) => void]>([
    ["architecture.hiddenSize", (m, value) => (m.architecture.hiddenSize = value)],
    ["architecture.layers", (m, value) => (m.architecture.layers = value)],
    ["architecture.queryHeads", (m, value) => (m.architecture.queryHeads = value)],
    ["architecture.keyValueHeads", (m, value) => (m.architecture.keyValueHeads = value)],
    ["architecture.headDim", (m, value) => (m.architecture.headDim = value)],
    ["architecture.intermediateSize", (m, value) => (m.architecture.intermediateSize = value)],
    ["architecture.vocabularySize", (m, value) => (m.architecture.vocabularySize = value)],
    ["architecture.parameters", (m, value) => (m.architecture.parameters = value)],
    ["contextLength", (m, value) => (m.contextLength = value)],
    ["prompt.maxPathTokens", (m, value) => (m.prompt.maxPathTokens = value)],
    ["retrieval.dimension", (m, value) => (m.retrieval.dimension = value)],
    ["retrieval.rank", (m, value) => (m.retrieval.rank = value)],
    ["retrieval.alpha", (m, value) => (m.retrieval.alpha = value)],
    ["retrieval.nullScore", (m, value) => (m.retrieval.nullScore = value)],
    ["retrieval.nullVector.0", (m, value) => (m.retrieval.nullVector = [value])],
    ["retrieval.queryTokens", (m, value) => (m.retrieval.queryTokens = value)],
    ["retrieval.importTokens", (m, value) => (m.retrieval.importTokens = value)],
    ["retrieval.fragmentTokens", (m, value) => (m.retrieval.fragmentTokens = value)],
    [
      "confidence.weights.constant",
      (m, value) => (m.confidence = { ...confidence, weights: { ...confidence.weights, constant: value } }),
    ],
    ["files.model.onnx.bytes", (m, value) => (m.files["model.onnx"].bytes = value)],
  ])("refuses an unbounded number as %s", async (field, change) => {
    for (const value of [1e15, -1e15, 2 ** 53, 1e308, "1".repeat(1_000_000)]) {
      await edit((m) => change(m, value));
      const message = await refusal();
      expect(message).toContain(`model.json: ${field}: expected `);
      expect(message.length).toBeLessThan(1000);
    }
  });

  it.each<[string, (manifest: any) => void, RegExp]>([
    ["a long name", (m) => (m.name = "n".repeat(1000)), /name: expected <=500, found 1000/],
    ["a long prompt", (m) => m.prompt.query.push(...Array(1000).fill("x")), /prompt\.query: expected <=200, found \d+/],
    [
      "many files",
      (m) => {
        for (let n = 0; n < 1000; n++) m.files[`file-${n}`] = { bytes: 0, sha256: "0".repeat(64) };
      },
      /files: expected <=200, found \d+/,
    ],
  ])("refuses %s", async (_, change, message) => {
    await edit(change);
    expect(await refusal()).toMatch(message);
  });

  it("loads or refuses with a short message for any value of any member", async () => {
    await cp(tinyPackage, folder, { recursive: true });
    const original = JSON.stringify(await manifest());
    const members = memberPaths(JSON.parse(original));
    const values = fc.oneof(
      fc.jsonValue(),
      fc.double(),
      fc.integer(),
      fc.constantFrom(2 ** 31, 1e15, -1, 0, "__proto__"),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...members), values, async (path, value) => {
        const changed = JSON.parse(original);
        const owner = path.slice(0, -1).reduce((each: any, name) => each[name], changed);
        owner[path.at(-1)!] = value;
        await writeFile(join(folder, "model.json"), JSON.stringify(changed));
        const error = await loadModelPackage(folder).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error === undefined) return;
        expect(error).toBeInstanceOf(ModelPackageError);
        expect((error as Error).message.length).toBeLessThan(1000);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses a model.json of many megabytes and a deeply nested one", async () => {
    const path = join(folder, "model.json");
    await writeFile(path, " ".repeat(17 * 2 ** 20));
    expect(await refusal()).toMatch(/model\.json: expected .* of at most 16777216 bytes, found 17825792/);
    const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
    await writeFile(path, deep);
    expect(await refusal()).toMatch(/model\.json: formatVersion: expected /);
    await writeFile(path, `{"formatVersion": ${deep}}`);
    expect(await refusal()).toMatch(/expected formatVersion 3, found a list/);
    await writeFile(path, `{"formatVersion": 3, "name": ${deep}}`);
    expect(await refusal()).toMatch(/name: expected string, found Array/);
  });

  it("refuses a tokenizer.json that is not a tokenizer", async () => {
    await replace("tokenizer.json", "[]");
    expect(await refusal()).toMatch(/tokenizer\.json: expected added_tokens and model\.vocab/);
  });

  it("refuses a model.onnx that is not an ONNX graph", async () => {
    await replace("model.onnx", "not a graph");
    expect(await refusal()).toMatch(/model\.onnx: expected an ONNX graph, found something else/);
  });

  it("hashes exactly the files and fields that an expression depends on", async () => {
    const { hash } = await loadModelPackage(folder);
    await edit((m) => {
      m.retrieval.nullScore += 0.25;
      m.retrieval.nullVector = Array(m.retrieval.dimension).fill(0);
      m.version = "9.9.9";
      m.confidence = confidence;
    });
    expect((await loadModelPackage(folder)).hash).toBe(hash);
    await edit((m) => (m.retrieval.fragmentTokens -= 1));
    expect((await loadModelPackage(folder)).hash).not.toBe(hash);
  });
});
