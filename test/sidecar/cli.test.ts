// The commands of the command line: the real process, its output and its exit codes.
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { modelPath, temporaryFolder } from "./client";
import { cli, common, folder } from "./command-line";

describe("complete", () => {
  it("prints the suggestion, fragments and times; --json prints one object on the last line", async () => {
    const { code, stdout, json } = await cli([
      "complete",
      `${join(folder, "shop", "orders.py")}:27:1`,
      "--workspace",
      folder,
      "--json",
      ...common,
    ]);
    expect(code).toBe(0);
    const result = json();
    expect(result).toMatchObject({
      suggestion: expect.any(String),
      fragments: expect.any(Array),
      timings: {
        totalMs: expect.any(Number),
        expressMs: expect.any(Number),
        prefillMs: expect.any(Number),
        loadMs: expect.any(Number),
      },
      provider: "cpu",
      stopReason: expect.any(String),
    });
    expect(result.timings.totalMs).toBeGreaterThan(0);
    for (const fragment of result.fragments) {
      expect(fragment).toMatchObject({
        path: expect.stringMatching(/^[^/].*\w/),
        startLine: expect.any(Number),
        endLine: expect.any(Number),
        score: expect.any(Number),
        tokens: expect.any(Number),
      });
      expect(stdout).toContain(`${fragment.path}:${fragment.startLine}-${fragment.endLine}`);
    }
    expect(result.index.files).toBeGreaterThan(8);
    expect(stdout).toMatch(/Times in ms: total \d+/);
    if (result.suggestion === "") expect(stdout).toContain(`No suggestion: ${result.suppressed}`);
    else expect(stdout).toContain(result.suggestion.split("\n")[0]);
  });

  it("embeds nothing the second time", async () => {
    const { code, json } = await cli([
      "complete",
      `${join(folder, "shop", "money.py")}:21:9`,
      "--workspace",
      folder,
      "--json",
      ...common,
    ]);
    expect(code).toBe(0);
    expect(json().index.embedded).toBe(0);
  });

  it("works from the file alone with --no-retrieval", async () => {
    const { code, json } = await cli(["complete", "orders.py:27:1", "--no-retrieval", "--json", ...common], {
      cwd: join(folder, "shop"),
    });
    expect(code).toBe(0);
    expect(json().fragments).toEqual([]);
    expect(json().nothingRetrieved).toMatch(/retrieval/);
    expect(json().index).toBeUndefined();
  });

  it("uses the file's git repository as the workspace, else the file's folder", async () => {
    const repository = join(await temporaryFolder(), "repository");
    await cp(folder, repository, { recursive: true });
    const lone = await cli(["complete", join(repository, "shop", "orders.py:1:1"), "--json", ...common]);
    expect(lone.json().workspace).toBe(join(repository, "shop"));
    await writeFile(join(repository, ".git"), "gitdir: elsewhere\n");
    const found = await cli(["complete", join(repository, "shop", "orders.py:1:1"), "--json", ...common]);
    expect(found.json().workspace).toBe(repository);
  });
});

describe("search", () => {
  it("ranks the fragments, best first", async () => {
    const { code, stdout, json } = await cli([
      "search",
      `${join(folder, "shop", "orders.py")}:27:1`,
      "--workspace",
      folder,
      "--json",
      ...common,
    ]);
    expect(code).toBe(0);
    const { fragments, dropped } = json();
    expect(fragments.length + dropped.length).toBeGreaterThan(8);
    const ranks = fragments.map(
      ({ score, boost }: { score: number; boost?: { by: number } }) => score + (boost?.by ?? 0),
    );
    expect(ranks).toEqual([...ranks].sort((a, b) => b - a));
    expect(stdout).toMatch(
      / shop\/money\.py:\d+-\d+ +score -?\d\.\d{3} +\d+ tokens.* boosted by 0\.\d{3}: imported here/,
    );
    if (fragments.length > 0)
      expect(stdout).toMatch(/Fragments, best first:\n {2}\S+:\d+-\d+ +score -?\d\.\d{3} +\d+ tokens/);
  });
});

describe("index", () => {
  it("prints counts, and what was excluded", async () => {
    const storage = ["--model", modelPath, "--provider", "cpu", "--storage", await temporaryFolder()];
    const first = await cli(["index", folder, "--json", ...storage]);
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(/^\d+ files, \d+ fragments, \d+ of them embedded now, \d+ kB on disk\n/);
    expect(first.json()).toMatchObject({
      files: expect.any(Number),
      fragments: expect.any(Number),
      vectorIndex: { name: "faiss" },
      provider: "cpu",
    });
    expect(first.json().embedded).toBe(first.json().fragments);
    const second = await cli(["index", folder, "--json", ...storage]);
    expect(second.json()).toMatchObject({ files: first.json().files, fragments: first.json().fragments, embedded: 0 });
  });

  it.runIf(process.platform === "linux")("works when the storage folder cannot be created", async () => {
    const { code, stdout } = await cli(["index", folder, "--model", modelPath, "--storage", "/proc/selfracg/a"]);
    expect(stdout).toMatch(/^\d+ files, \d+ fragments/);
    expect(code).toBe(0);
  });

  it("prints plain progress lines without a terminal, and keeps its work when interrupted", async () => {
    const many = await temporaryFolder();
    for (let file = 0; file < 600; file += 1) {
      const functions = Array.from(
        { length: 8 },
        (_, index) => `def compute_${file}_${index}(value):\n    return value * ${file} + ${index}\n`,
      );
      await writeFile(join(many, `module_${file}.py`), functions.join("\n\n"));
    }
    const storage = ["--model", modelPath, "--provider", "cpu", "--storage", await temporaryFolder()];
    const cut = await cli(["index", many, ...storage], { interruptAfter: /\d+\/600 files\n/ });
    expect(cut.code).toBe(130);
    expect(cut.stderr).toMatch(/^Indexing .*: \d+\/600 files$/m);
    expect(cut.stderr).not.toContain("\r");
    const whole = await cli(["index", many, "--json", ...storage]);
    expect(whole.json().files).toBe(600);
    expect(whole.json().embedded).toBeLessThan(whole.json().fragments);
  });
});

describe("a file that is secret by its name", () => {
  it.each(["complete", "search"])("%s refuses it, unless the user included it again", async (command) => {
    const workspace = await temporaryFolder();
    await writeFile(join(workspace, ".env"), "PORT=3000\nHOST=\n");
    const run = () => cli([command, `${join(workspace, ".env")}:2:6`, "--workspace", workspace, ...common]);
    expect(await run()).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `Expected a file that is no secret, found ${join(workspace, ".env")}: ".env" is a name of files with keys or credentials; the line !.env in .selfracgignore includes it.\n`,
    });
    await writeFile(join(workspace, ".selfracgignore"), "!.env\n");
    expect((await run()).code).toBe(0);
  });
});

describe("why", () => {
  let root: string;

  beforeAll(async () => {
    root = await temporaryFolder();
    await mkdir(join(root, "src"));
    await mkdir(join(root, "out"));
    await mkdir(join(root, ".git"));
    await writeFile(join(root, ".gitignore"), "# results\nout/\n*.log\n");
    await writeFile(join(root, "out", "a.py"), "a = 1\n");
    await writeFile(join(root, "src", "line\nbreak.log"), "x\n");
    await writeFile(
      join(root, "src", "two parts.py"),
      `class Sum:\n    def total(self):\n${Array.from({ length: 30 }, (_, i) => `        self.add(value_${i})\n`).join("")}`,
    );
  });

  it("names the file, line and pattern of the rule without loading a model", async () => {
    const { code, stdout, stderr, json } = await cli(["why", "out/a.py", "--json", "--model", "/no/such/model"], {
      cwd: root,
    });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n")[0]).toBe(
      `out/a.py is not indexed, since the folder out above it is excluded (ignored): ${join(root, ".gitignore")}:2 has the pattern out/.`,
    );
    expect(json()).toEqual({
      path: "out/a.py",
      state: "left-out",
      message: stdout.split("\n")[0],
      reason: "ignored",
      at: "out",
      rule: { source: join(root, ".gitignore"), line: 2, pattern: "out/" },
      fragments: [],
      workspace: root,
    });
    expect((await cli(["why", join(root, "src", "line\nbreak.log")])).stdout).toBe(
      `"src/line\\nbreak.log" is not indexed (ignored): ${join(root, ".gitignore")}:3 has the pattern *.log.\n`,
    );
  });

  it("lists the fragments of an indexed file with their scopes", async () => {
    const { code, stdout, json } = await cli(["why", join(root, "src", "two parts.py"), "--json"]);
    expect(code).toBe(0);
    const { fragments, state, workspace } = json();
    expect({ state, workspace }).toEqual({ state: "indexed", workspace: root });
    expect(fragments.length).toBeGreaterThan(1);
    expect(stdout).toMatch(
      /^src\/two parts\.py is indexed as \d fragments: lines 1-\d+, .*\n {2}1-\d+\n {2}\d+-\d+ {2}in class Sum › def total\(self\)\n/,
    );
  });

  it("uses --workspace, else the current folder, else the repository", async () => {
    const workspaceOf = async (args: string[], cwd?: string) =>
      (await cli(["why", "--json", ...args], cwd === undefined ? {} : { cwd })).json().workspace;
    expect(await workspaceOf([join(root, "src")])).toBe(root);
    expect(await workspaceOf(["two parts.py"], join(root, "src"))).toBe(join(root, "src"));
    expect(await workspaceOf(["two parts.py", "--workspace", ".."], join(root, "src"))).toBe(root);
    expect((await cli(["why", join(root, "src"), "--workspace", join(root, "out")])).stdout).toMatch(
      /is in none of the open folders/,
    );
  });
});
