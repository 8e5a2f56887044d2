// The command line's `model` commands as the extension runs them, against a program that prints what it is told to.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ModelCommands } from "../../../../extension/models/model-commands";
import { small } from "./listed-models";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-commands-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** @param body of a program; `args` are its arguments, `say` prints a line */
async function commands(body: string): Promise<ModelCommands> {
  const program = join(folder, "program.js");
  const head = "const args = process.argv.slice(2).join(' '); const say = (text) => console.log(text);";
  await writeFile(program, `${head}\n${body}`);
  return new ModelCommands(program);
}

it("the list is the last line, and anything else is refused", async () => {
  const list = { models: [small], folder: "/models", downloads: "/models/.downloads" };
  const good = await commands(`say("small: ships"); say(JSON.stringify(${JSON.stringify(list)})); process.exit(0);`);
  expect(await good.list()).toEqual(list);
  const bad = await commands('say("{}"); process.exit(0);');
  await expect(bad.list()).rejects.toThrow(/cannot be read; install the extension again/);
});

it("progress is reported, and the name of what was made is returned", async () => {
  const making = await commands(
    `say('{"step":"converting","done":1,"total":2}'); say("text"); say(JSON.stringify({ name: args })); process.exit(0);`,
  );
  const seen: unknown[] = [];
  const onProgress = (progress: unknown): void => void seen.push(progress);
  expect(await making.get("half", "/a b.gguf", { onProgress })).toBe("model get half --from /a b.gguf --json");
  expect(await making.add("/a.gguf", {})).toBe("model add /a.gguf --json");
  expect(seen).toEqual([{ step: "converting", done: 1, total: 2 }]);
});

it("a failure is the command's last sentence", async () => {
  const failing = await commands('console.error("Converting: 3 %\\nExpected this, found that."); process.exit(2);');
  await expect(failing.remove("half")).rejects.toThrow(/^Expected this, found that\.$/);
  const silent = await commands("process.exit(3);");
  await expect(silent.remove("half")).rejects.toThrow("exit code 3");
});

it("an abort interrupts the command and waits for its end", async () => {
  const waiting = await commands(
    'process.once("SIGINT", () => { say("ended"); process.exit(130); }); say(\'{"step":"reading","done":0}\'); setInterval(() => {}, 1000);',
  );
  const aborting = new AbortController();
  const made = waiting.add("/a.gguf", { signal: aborting.signal, onProgress: () => aborting.abort() });
  await expect(made).rejects.toMatchObject({ name: "AbortError" });
});
