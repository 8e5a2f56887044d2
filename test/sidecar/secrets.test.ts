// Secrets by LSP: they are not indexed, searched or read by the model, and get no suggestions.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Availability, messages } from "../../sidecar/protocol";
import { type CorpusFile, harmless, planted } from "../secrets/corpus";
import { Values } from "../secrets/random";
import { cleanUp, copyOfFixture, cursorOf, type Sidecar, start, temporaryFolder, uriOf } from "./client";

afterEach(cleanUp);

const password = new Values(91).password();

async function write(folder: string, files: readonly Pick<CorpusFile, "path" | "text">[]): Promise<void> {
  for (const { path, text } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

const availability = (sidecar: Sidecar, path: string): Promise<Availability> =>
  sidecar.connection.sendRequest(messages.availability, { uri: uriOf(path) });

/** Repeats a request until it has the expected answer, or until a timeout; returns the last answer. */
async function becomes<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 240_000;
  for (;;) {
    const answer = await ask();
    if (wanted(answer) || Date.now() > deadline) return answer;
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

describe("indexing", () => {
  it("excludes and counts every file with a secret in its name or text", async () => {
    const folder = await temporaryFolder();
    const all = [...planted.names, ...planted.tokens, ...planted.texts];
    await write(folder, [...all, { path: "plain.py", text: "def add(a, b):\n    return a + b\n" }]);
    const sidecar = await start({ folders: [folder] });
    const { index } = await sidecar.reaches("ready");
    expect(index?.files).toBe(1);
    expect([...(await sidecar.searchable())]).toEqual(["plain.py"]);
  });

  it("includes every file that only resembles a secret", async () => {
    const folder = await temporaryFolder();
    await write(folder, harmless);
    const sidecar = await start({ folders: [folder] });
    const { index } = await sidecar.reaches("ready");
    expect(index?.excluded.secret).toBeUndefined();
    expect(index?.files).toBeGreaterThan(harmless.length / 2);
  });

  it("drops a file while it contains a secret, saved or not", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder], settings: { maxFragments: 16 } });
    await sidecar.reaches("ready");
    const path = join(folder, "shop", "money.py");
    const isFound = async (): Promise<boolean> => (await sidecar.searchable()).has("shop/money.py");
    expect(await isFound()).toBe(true);
    await sidecar.open(uriOf(path), "def rate(order):\n    return order.total * 2\n");
    const line = `PASSWORD = "${password}"\n`;
    await sidecar.insert(uriOf(path), { line: 0, character: 0 }, line);
    expect(await becomes(isFound, (found) => !found)).toBe(false);
    await sidecar.replace(uriOf(path), { line: 0, character: 0 }, { line: 1, character: 0 }, "");
    expect(await becomes(isFound, (found) => found)).toBe(true);
  });
});

describe("a file that is secret by its name", () => {
  it("has no suggestions, with the reason, until the user includes it; it can still be searched by", async () => {
    const folder = await copyOfFixture();
    const env = join(folder, ".env");
    await writeFile(env, "PORT=3000\n");
    const sidecar = await start({ folders: [folder] });
    await sidecar.reaches("ready");
    await sidecar.open(uriOf(env), "PORT=3000\nHOST=\n", "properties");
    expect((await sidecar.request(uriOf(env), { line: 1, character: 5 })).items).toEqual([]);
    expect(await sidecar.trace()).toBeNull();
    expect(await availability(sidecar, env)).toEqual({
      available: false,
      reason:
        'Off for this file, which no model reads: ".env" is a name of files with keys or credentials; the line !.env in .selfracgignore includes it.',
    });

    const ignoreFile = join(folder, ".selfracgignore");
    await writeFile(ignoreFile, "!.env\n");
    await sidecar.watched(ignoreFile, 1);
    const isAvailable = (): Promise<Availability> => availability(sidecar, env);
    expect(await becomes(isAvailable, ({ available }) => available)).toEqual({ available: true });
    expect(await sidecar.why(env)).toMatchObject({ state: "indexed" });

    await rm(ignoreFile);
    await sidecar.watched(ignoreFile, 3);
    expect(await becomes(isAvailable, ({ available }) => !available)).toMatchObject({ available: false });
  });

  it.each([".ssh/config", ".aws/credentials", "id_rsa"])(
    "has no suggestions outside the workspace either: %s",
    async (name) => {
      const sidecar = await start({ folders: [await copyOfFixture()] });
      await sidecar.reaches("ready");
      expect(await availability(sidecar, join(await temporaryFolder(), name))).toMatchObject({ available: false });
    },
  );
});

describe("a document with a secret in its text", () => {
  const text = `import shop\n\nURL = "postgres://shop:${password}@db.internal/shop"\n\n\ndef add(a, b):\n    return |\n`;

  it("has suggestions that are made without the secret", async () => {
    const folder = await copyOfFixture();
    const sidecar = await start({ folders: [folder] });
    await sidecar.reaches("ready");
    const { trace } = await sidecar.complete(uriOf(join(folder, "shop", "probe.py")), text);
    expect(trace.promptTokens).toBeGreaterThan(0);
    const prompt = await sidecar.connection.sendRequest(messages.prompt, {});
    const read = prompt?.pieces.map((piece) => piece.text).join("");
    expect(read).toContain('URL = "postgres://shop:****');
    expect(read).not.toContain(password);
  });

  it("has no suggestion inside the secret, with the reason in the trace", async () => {
    const sidecar = await start({ folders: [await copyOfFixture()] });
    await sidecar.reaches("ready");
    const inside = `PASSWORD = "${password.slice(0, 8)}|${password.slice(8)}"\n`;
    const { list, trace } = await sidecar.complete("untitled:a", inside);
    expect(list.items).toEqual([]);
    expect(trace.suppressed).toBe("the cursor is in what looks like a password or key given to its name");
    expect((await sidecar.request("untitled:a", cursorOf(inside))).items).toEqual([]);
  });
});
