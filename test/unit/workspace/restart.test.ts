// A restart reads and embeds only what has changed, also across branch switches.
import { execFileSync } from "node:child_process";
import { rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { emptyFolder, folderWith, write } from "./folder";
import { alpha, best, beta, contents, gamma, indexed, manyFiles } from "./toy-index";
import { toyNeed } from "./toy-model";

describe("a second start", () => {
  it("reads and embeds nothing, and finds the same fragments", async () => {
    const root = await folderWith({
      ...manyFiles(30),
      "logo.ts": Uint8Array.of(1, 0, 2),
      "large.py": "x = 1\n".repeat(200_000),
    });
    const storagePath = await emptyFolder();
    const first = await indexed(root, storagePath);
    expect(first.seen.length).toBe(60);
    const before = contents(first.index);
    await first.index.dispose();
    const second = await indexed(root, storagePath);
    expect(second.seen).toEqual([]);
    expect(second.read).toEqual([]);
    expect(second.warnings).toEqual([]);
    expect(contents(second.index)).toEqual(before);
    expect(second.index.counts()).toMatchObject({
      files: 30,
      fragments: 60,
      embedded: 0,
      excluded: { binary: 1, "too large": 1 },
    });
  });

  it("finds the same among many fragments as before, and as a new index finds", async () => {
    const text = (i: number): string =>
      Array.from({ length: 200 }, (_, line) => `value_${i}_${line} = compute(${i * line})`).join("\n");
    const root = await folderWith(
      Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`part${i % 13}/file${i}.py`, text(i)])),
    );
    const storagePath = await emptyFolder();
    const { index: first } = await indexed(root, storagePath);
    const before = contents(first);
    await first.dispose();
    const { index: second, seen, read } = await indexed(root, storagePath);
    expect([seen, read]).toEqual([[], []]);
    expect(contents(second)).toEqual(before);
    const { index: anew } = await indexed(root, await emptyFolder(), { preferredIndex: "flat" });
    for (const lines of ["value_3_7 = compute(21)", "compute(5000)", "def other(): pass"]) {
      const [hits, right] = [second, anew].map((index) => index.search(toyNeed("part3/file3.py", lines), 20));
      expect(hits).toHaveLength(20);
      for (const [at, { score }] of (hits ?? []).entries())
        expect(Math.abs(score - (right?.[at]?.score ?? NaN))).toBeLessThan(3e-5);
    }
  });

  it("reads only changed files, and embeds only their new fragments", async () => {
    const root = await folderWith({ "a.py": `${alpha}\n\n${beta}`, "b.py": gamma, "c.py": alpha });
    const storagePath = await emptyFolder();
    await (await indexed(root, storagePath)).index.dispose();
    await write(root, { "a.py": `# moved down\n\n\n${alpha}\n\n${gamma}` });
    await rm(join(root, "b.py"));
    await utimes(join(root, "c.py"), new Date(), new Date(Date.now() + 5000));
    const { index, seen, read } = await indexed(root, storagePath);
    expect(read.sort()).toEqual(["a.py", "c.py"]);
    expect(best(index, "a.py", gamma.trimEnd())).toBe("a.py:9-11");
    expect(seen.length).toBeLessThanOrEqual(2);
    expect(best(index, "b.py", gamma.trimEnd())).toBeUndefined();
    expect(best(index, "a.py", beta.trimEnd())).toBeUndefined();
    expect(best(index, "c.py", alpha.trimEnd())).toBe("c.py:1-3");
  });

  it("reads texts from the files, and a file again if its text differs at the same size and time", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    const storagePath = await emptyFolder();
    const time = new Date("2024-01-01T10:00:00.123Z");
    await utimes(join(root, "a.py"), time, time);
    const { index: running } = await indexed(root, storagePath);
    const change = async (name: string): Promise<void> => {
      await write(root, { "a.py": alpha.replace("alpha", name) });
      await utimes(join(root, "a.py"), time, time);
    };
    await change("alphb");
    await running.reindex();
    expect(best(running, "a.py", alpha.replace("alpha", "alphb").trimEnd())).toBe("a.py:1-3");
    await running.dispose();
    await change("alphc");
    const { index, read } = await indexed(root, storagePath);
    expect(read).toEqual(["a.py"]);
    expect(contents(index)).toHaveLength(2);
    expect(best(index, "a.py", alpha.replace("alpha", "alphc").trimEnd())).toBe("a.py:1-3");
  });

  it("with another model embeds everything, and the first model's index is unchanged", async () => {
    const root = await folderWith(manyFiles(5));
    const storagePath = await emptyFolder();
    await (await indexed(root, storagePath)).index.dispose();
    const other = await indexed(root, storagePath, { hash: "b".repeat(64) });
    expect(other.seen).toHaveLength(10);
    await other.index.dispose();
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });

  it("follows the current ignore files", async () => {
    const root = await folderWith({ ".gitignore": "", "a.py": alpha, "gen/b.py": beta });
    const storagePath = await emptyFolder();
    const { index } = await indexed(root, storagePath);
    expect(index.counts().files).toBe(2);
    await write(root, { ".selfracgignore": "gen/\n" });
    await index.reindex();
    expect(best(index, "gen/b.py", beta.trimEnd())).toBeUndefined();
    await rm(join(root, ".selfracgignore"));
    await index.reindex();
    expect(best(index, "gen/b.py", beta.trimEnd())).toBe("gen/b.py:1-3");
  });
});

describe("git", () => {
  it("switching branches and stashing embeds only new fragments, and switching back none", async () => {
    const root = await folderWith(manyFiles(30));
    const git = (...args: string[]): void =>
      void execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], {
        cwd: root,
        stdio: "ignore",
      });
    git("init", "--initial-branch=one");
    git("add", ".");
    git("commit", "-m", "one");
    const { index, seen } = await indexed(root, await emptyFolder());
    const first = contents(index);
    git("checkout", "-b", "two");
    await write(root, { "src/part0/file0.py": gamma, "new.py": beta });
    await rm(join(root, "src/part1/file1.py"));
    git("add", "--all");
    git("commit", "-m", "two");
    await index.reindex();
    const second = contents(index);
    expect(seen).toHaveLength(62);
    for (const branch of ["one", "two", "one"]) {
      git("checkout", branch);
      await index.reindex();
      expect(contents(index)).toEqual(branch === "one" ? first : second);
    }
    await write(root, { "src/part2/file2.py": gamma });
    await index.reindex();
    expect(seen).toHaveLength(63);
    git("stash");
    await index.reindex();
    expect(contents(index)).toEqual(first);
    git("stash", "pop");
    await index.reindex();
    expect(seen).toHaveLength(63);
  });
});
