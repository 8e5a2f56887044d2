// The script that builds FAISS's addon: it never fails, and does nothing when the addon works.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { emptyFolder, write } from "../workspace/folder";

const root = join(__dirname, "../../..");

function run(project: string): { status: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(project, "scripts/build-faiss.mjs")], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, lines: `${stdout}${stderr}`.split("\n").filter(Boolean) };
}

/** A project with the script and these files. */
async function project(files: Record<string, string>): Promise<string> {
  const folder = await emptyFolder();
  await cp(join(root, "scripts"), join(folder, "scripts"), { recursive: true });
  await write(folder, files);
  return folder;
}

describe("build-faiss", () => {
  it("reports nothing when the addon works", () => {
    expect(run(root)).toEqual({ status: 0, lines: [] });
  });

  it("reports in one line that the optional package is missing", async () => {
    expect(run(await project({}))).toEqual({
      status: 0,
      lines: [expect.stringMatching(/faiss-node is not installed.*exact search/)],
    });
  });

  it("succeeds without an addon when neither compiling nor downloading works", async () => {
    const folder = await project({
      "node_modules/faiss-node/src/faiss.cc": "this is no C++",
      "node_modules/faiss-node/build/Release/faiss-node.node": "this is no addon",
    });
    const { status, lines } = run(folder);
    expect(status).toBe(0);
    expect(lines.at(-1)).toMatch(/^ {2}No FAISS addon \(.*\): the exact search in TypeScript takes over/);
    expect(existsSync(join(folder, "node_modules/faiss-node/build/Release/faiss-node.node"))).toBe(false);
  });

  it("rejects an addon that crashes when many queries are searched at once", async () => {
    const folder = await project({
      "node_modules/faiss-node/src/faiss.cc": "this is no C++",
      "node_modules/faiss-node/build/Release/faiss-node.node": "stands for an addon",
      "node_modules/faiss-node/index.js": `exports.IndexFlatIP = class {
        add() {}
        search(queries, k) {
          if (queries.length > 2 * 20) process.abort();
          return { labels: [1], distances: [1] };
        }
      };`,
    });
    const { lines } = run(folder);
    expect(lines.at(-1)).toMatch(/^ {2}No FAISS addon/);
    expect(existsSync(join(folder, "node_modules/faiss-node/build/Release/faiss-node.node"))).toBe(false);
  });

  it("builds an addon that gives the same results for 32 queries at once as for one", () => {
    const { IndexFlatIP } = require("faiss-node");
    const dimension = 24;
    const number = (i: number) => Math.sin(i * 12.9898) * 2;
    const index = new IndexFlatIP(dimension);
    index.add(Array.from({ length: 300 * dimension }, (_, i) => number(i)));
    const queries = Array.from({ length: 32 * dimension }, (_, i) => number(i + 7919));
    const { labels } = index.search(queries, 5);
    const oneByOne = Array.from(
      { length: 32 },
      (_, i) => index.search(queries.slice(i * dimension, (i + 1) * dimension), 5).labels,
    );
    expect(labels).toEqual(oneByOne.flat());
  });
});
