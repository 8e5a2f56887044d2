// Keeps the rooms apart (DESIGN: arrows point one way) and the house style where a machine can tell.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(__dirname, "..");

/** Rooms in the order of the most specific path first, each with the rooms it may import. */
const rooms: { name: string; path: string; may: string[] }[] = [
  { name: "protocol", path: "sidecar/protocol.ts", may: [] },
  { name: "server", path: "sidecar/server", may: ["protocol", "completion", "retrieval", "workspace", "inference"] },
  { name: "completion", path: "sidecar/completion", may: ["protocol", "retrieval", "workspace", "inference"] },
  { name: "retrieval", path: "sidecar/retrieval", may: ["protocol", "workspace", "inference"] },
  { name: "workspace", path: "sidecar/workspace", may: ["protocol", "inference"] },
  { name: "inference", path: "sidecar/inference", may: ["protocol"] },
  {
    name: "entries",
    path: "sidecar",
    may: ["protocol", "server", "completion", "retrieval", "workspace", "inference"],
  },
  { name: "extension", path: "extension", may: ["protocol"] },
];

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name).split(sep).join("/"));
}

function roomOf(path: string): string {
  const room = rooms.find((each) => path === each.path || path.startsWith(`${each.path}/`));
  return room?.name ?? `outside (${path})`;
}

function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), "utf8");
  return [...text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\(\s*)["']([^"']+)["']/g)].map(
    (match) => match[1] ?? "",
  );
}

/** Code with comments and the insides of strings blanked out, so that a search sees code alone. */
function codeOnly(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, " ")
    .replace(/(^|[^:"'`\\])\/\/.*$/gm, "$1")
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""')
    .replace(/`(?:[^`\\]|\\.)*`/g, "``")
    .replace(/\/(?![*/\s])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[dgimsuvy]*(?=[\s.,;)\]])/g, '""');
}

const all = [...sources("sidecar"), ...sources("extension")];

describe("rooms", () => {
  it("has sources in every room", () => {
    for (const room of rooms)
      expect(all.filter((path) => roomOf(path) === room.name).length, room.name).toBeGreaterThan(0);
  });

  it.each(all)("%s imports only what its room may", (path) => {
    const room = rooms.find((each) => each.name === roomOf(path));
    for (const target of importsOf(path)) {
      if (!target.startsWith(".")) {
        if (target === "vscode" || target.startsWith("vscode-languageclient"))
          expect(roomOf(path), `${path} imports ${target}`).toBe("extension");
        continue;
      }
      const resolved = relative(root, normalize(join(root, dirname(path), target)))
        .split(sep)
        .join("/");
      const there = roomOf(`${resolved}.ts`) === "protocol" ? "protocol" : roomOf(resolved);
      if (there === room?.name) continue;
      expect(room?.may, `${path} imports ${target}`).toContain(there);
    }
  });
});

describe("ONNX Runtime", () => {
  const loader = "sidecar/inference/onnx-runtime.ts";
  const everywhere = [...all, ...sources("test")].filter((path) => path !== loader);

  it.each(everywhere)("is not loaded by %s but by the module that switches its telemetry off", (path) => {
    const text = readFileSync(join(root, path), "utf8").replace(/^import type .*$/gm, "");
    expect(text).not.toMatch(/(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\(\s*)["']onnxruntime-(?:node|common)["']/);
  });
});

describe("style", () => {
  it.each(all)("%s says its one job in its first line", (path) => {
    expect(readFileSync(join(root, path), "utf8")).toMatch(/^(#!.*\n)?\/\/ \S/);
  });

  it.each(all)("%s has no any, no cast, no non-null assertion", (path) => {
    const code = codeOnly(readFileSync(join(root, path), "utf8"))
      .split("\n")
      .filter((line) => !/^\s*(import|export)\b.*\bfrom\b|^\s*import\b/.test(line))
      .join("\n");
    expect(code.match(/[:<,|&(]\s*any\b(?!\s*[(:])/g) ?? [], "any").toEqual([]);
    expect(code.match(/[\w)\]}]\s+as\s+(?!const\b)[A-Za-z{[(]\w*/g) ?? [], "as").toEqual([]);
    expect(code.match(/[\w)\]]!(?=[.[;,)\s]|$)(?!=)/gm) ?? [], "non-null !").toEqual([]);
  });
});
