// The script that builds FAISS's addon: quick when there is nothing to do, and never an error.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { emptyFolder, write } from "./folder";

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
  await mkdir(join(folder, "scripts"));
  for (const name of ["build-faiss.mjs", "report.mjs"])
    await cp(join(root, "scripts", name), join(folder, "scripts", name));
  await write(folder, files);
  return folder;
}

describe("build-faiss", () => {
  it("says nothing when the addon works", () => {
    expect(run(root)).toEqual({ status: 0, lines: [] });
  });

  it("says in one line that the optional package is missing", async () => {
    expect(run(await project({}))).toEqual({
      status: 0,
      lines: [expect.stringMatching(/faiss-node is not installed.*exact search/)],
    });
  });

  it("goes on when neither compiling nor downloading works, and leaves no broken addon", async () => {
    const folder = await project({
      "node_modules/faiss-node/src/faiss.cc": "this is no C++",
      "node_modules/faiss-node/build/Release/faiss-node.node": "this is no addon",
    });
    const { status, lines } = run(folder);
    expect(status).toBe(0);
    expect(lines.at(-1)).toMatch(/^ {2}No FAISS addon \(.*\): the exact search in TypeScript takes over/);
    expect(existsSync(join(folder, "node_modules/faiss-node/build/Release/faiss-node.node"))).toBe(false);
  });
});
