// The architecture: allowed imports between rooms, no cycles, and one home for each package.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { describe, expect, it } from "vitest";
import { circlesOf, type ImportGraph, importGraph, sourcesIn } from "./import-graph";

const root = join(__dirname, "..");

interface Room {
  readonly name: string;
  /** Files and folders of the room. */
  readonly paths: readonly string[];
  /** Rooms that it may import. */
  readonly imports: readonly string[];
}

const belowServer = [
  "host",
  "languages",
  "protocol",
  "inference",
  "download",
  "models",
  "workspace",
  "retrieval",
  "completion",
  "suggestions",
  "engine",
];
const product = [...belowServer, "server", "command line", "entries", "extension"];

/** Files that every room may import. */
const everywhere = "errors";

/** A file belongs to the first room that contains its path. */
const rooms: readonly Room[] = [
  { name: everywhere, paths: ["sidecar/host/errors.ts"], imports: [] },
  { name: "host", paths: ["sidecar/host"], imports: [] },
  { name: "languages", paths: ["sidecar/languages"], imports: [] },
  {
    name: "protocol",
    paths: ["sidecar/protocol.ts", "sidecar/protocol", "sidecar/settings.ts", "sidecar/parse-settings.ts"],
    imports: ["host"],
  },
  { name: "inference", paths: ["sidecar/inference"], imports: ["host", "languages", "protocol"] },
  // The extension downloads too, by VS Code's own fetch: nothing in here may load native code.
  { name: "download", paths: ["sidecar/models/download"], imports: ["host"] },
  { name: "models", paths: ["sidecar/models"], imports: ["host", "protocol", "inference", "download"] },
  { name: "workspace", paths: ["sidecar/workspace"], imports: ["host", "languages", "protocol", "inference"] },
  {
    name: "retrieval",
    paths: ["sidecar/retrieval"],
    imports: ["host", "languages", "protocol", "inference", "workspace"],
  },
  {
    name: "completion",
    paths: ["sidecar/completion"],
    imports: ["host", "languages", "protocol", "inference", "workspace", "retrieval"],
  },
  {
    name: "suggestions",
    paths: ["sidecar/suggestions"],
    imports: ["host", "languages", "protocol", "inference", "workspace", "retrieval", "completion"],
  },
  { name: "engine", paths: ["sidecar/engine.ts"], imports: belowServer },
  { name: "server", paths: ["sidecar/server"], imports: belowServer },
  { name: "command line", paths: ["sidecar/cli.ts", "sidecar/cli"], imports: belowServer },
  { name: "entries", paths: ["sidecar/main.ts", "sidecar/uninstall.ts"], imports: [...belowServer, "server"] },
  { name: "extension", paths: ["extension"], imports: ["protocol", "download"] },
  { name: "scripts", paths: ["scripts", "esbuild.config.mjs", "vitest.config.ts"], imports: [] },
  { name: "eval", paths: ["test/eval"], imports: product },
  { name: "corpus", paths: ["test/secrets"], imports: [] },
  { name: "client", paths: ["test/sidecar-client.ts"], imports: product },
  { name: "bench", paths: ["test/bench"], imports: [...product, "eval", "corpus", "client"] },
  { name: "tests", paths: ["test"], imports: [...product, "eval", "bench", "corpus", "client", "scripts"] },
];

/** The rooms that may import each package of the product, besides tests and benchmarks. */
const homes: Readonly<Record<string, readonly string[]>> = {
  vscode: ["extension"],
  "vscode-languageclient/node": ["extension"],
  "vscode-languageserver-protocol": ["sidecar/protocol"],
  "vscode-languageserver/node": ["sidecar/main.ts", "sidecar/server", "sidecar/suggestions"],
  "vscode-languageserver-textdocument": ["sidecar/server", "sidecar/suggestions"],
  "onnxruntime-node": ["sidecar/inference"],
  "@huggingface/tokenizers": ["sidecar/inference"],
  "@huggingface/gguf": ["sidecar/models"],
  fflate: ["sidecar/models/download"],
  undici: ["sidecar/cli"],
  "@bufbuild/protobuf/wire": ["sidecar/inference"],
  "faiss-node": ["sidecar/workspace/vectors"],
  "brace-expansion": ["sidecar/workspace/files"],
  "detect-indent": ["sidecar/completion/filters"],
  "lru-cache": ["extension", "sidecar"],
  "@photostructure/sqlite": ["sidecar/workspace/store"],
  "web-tree-sitter": ["sidecar/languages", "sidecar/workspace/chunking", "sidecar/completion/syntax"],
  valibot: ["sidecar", "scripts/secrets"],
  "smol-toml": ["scripts/secrets"],
  esbuild: ["esbuild.config.mjs", "scripts/generate"],
  wabt: ["scripts/generate"],
  "vitest/config": ["vitest.config.ts"],
};

function liesIn(file: string, paths: readonly string[]): boolean {
  return paths.some((path) => file === path || file.startsWith(`${path}/`));
}

function roomOf(file: string): Room | undefined {
  return rooms.find(({ paths }) => liesIn(file, paths));
}

/** Descriptions of all forbidden imports. */
function violations(graph: ImportGraph): string[] {
  const found: string[] = [];
  for (const [file, imports] of graph) {
    const room = roomOf(file);
    if (room === undefined) {
      found.push(`${file} lies in no room: move it, or name its room here`);
      continue;
    }
    for (const target of imports.files) {
      const there = roomOf(target)?.name;
      if (there !== undefined && there !== room.name && there !== everywhere && !room.imports.includes(there))
        found.push(`${file} imports ${target}: ${room.name} may not import ${there}`);
    }
    if (liesIn(file, ["test"])) continue;
    for (const name of imports.packages)
      if (!liesIn(file, homes[name] ?? []))
        found.push(`${file} imports ${name}, whose home is ${homes[name]?.join(", ") ?? "not named here"}`);
  }
  return found;
}

const files = sourcesIn(
  root,
  ["extension", "sidecar", "scripts", "test", "esbuild.config.mjs", "vitest.config.ts"],
  ["test/fixtures"],
);
const graph = await importGraph(root, files);

describe("the import graph", () => {
  it("contains value, type and dynamic imports and required packages", () => {
    expect(graph.get("sidecar/server/model.ts")?.files).toEqual(
      expect.arrayContaining(["sidecar/protocol.ts", "sidecar/engine.ts"]),
    );
    expect(graph.get("scripts/start.mjs")?.files).toContain("scripts/code-server.mjs");
    expect(graph.get("sidecar/inference/onnx-runtime.ts")?.packages).toContain("onnxruntime-node");
    expect(graph.get("sidecar/workspace/vectors/faiss-addon.ts")?.packages).toContain("faiss-node");
  });

  it("has only allowed imports between rooms, and each package in its home", () => {
    expect(violations(graph)).toEqual([]);
  });

  it("has one file that loads ONNX Runtime, which switches its telemetry off", () => {
    const loaders = files.filter((file) => {
      const text = readFileSync(join(root, file), "utf8");
      const code = text.includes("onnxruntime") ? transformSync(text, { loader: "ts" }).code : "";
      return /(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*"onnxruntime-(?:node|common)"/.test(code);
    });
    expect(loaders).toEqual(["sidecar/inference/onnx-runtime.ts"]);
  });

  it("has one file per side that handles errors of unknown type", () => {
    const readers = files.filter(
      (file) =>
        !/\.test\.ts$/.test(file) &&
        /instanceof Error\s*\?|"code" in \w/.test(readFileSync(join(root, file), "utf8")) &&
        liesIn(file, ["extension", "sidecar", "scripts", "test/bench", "test/eval"]),
    );
    expect(readers).toEqual(["scripts/report.mjs", "sidecar/host/errors.ts"]);
  });

  it("has no cycle, type imports included", () => {
    expect(circlesOf(graph)).toEqual([]);
  });

  it("reports a reversed import, a cycle and a package away from its home", () => {
    const turned = new Map([
      ...graph,
      ["sidecar/inference/backbone.ts", { files: ["sidecar/engine.ts"], packages: ["vscode"] }],
    ]);
    expect(violations(turned)).toEqual([
      "sidecar/inference/backbone.ts imports sidecar/engine.ts: inference may not import engine",
      "sidecar/inference/backbone.ts imports vscode, whose home is extension",
    ]);
    expect(circlesOf(turned).flat()).toContain("sidecar/inference/backbone.ts");
    expect(violations(new Map([["sidecar/server/x.ts", { files: ["test/model.ts"], packages: [] }]]))).toHaveLength(1);
    expect(violations(new Map([["sidecar/new/x.ts", { files: [], packages: [] }]]))).toHaveLength(1);
  });
});

describe("import cycles", () => {
  const from = (arrows: Record<string, string[]>) =>
    new Map(Object.entries(arrows).map(([file, to]) => [file, { files: to }]));

  it("are found in full and once each", () => {
    expect(circlesOf(from({ a: ["b"], b: ["c"], c: ["a", "d"], d: ["e"], e: ["d"], f: ["f"] }))).toEqual([
      ["e", "d"],
      ["c", "b", "a"],
      ["f"],
    ]);
  });

  it("are not reported for two paths to one file", () => {
    expect(circlesOf(from({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] }))).toEqual([]);
  });
});

it.each(files.filter((file) => liesIn(file, ["extension", "sidecar", "scripts"])))(
  "%s states its purpose in its first line",
  (file) => {
    expect(readFileSync(join(root, file), "utf8")).toMatch(/^(#!.*\n)?\/\/ \S/);
  },
);
