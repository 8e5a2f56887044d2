// Downloads from a local server that misbehaves: what arrives is the file or a clear error, and what was received is not lost.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type DownloadOptions, download } from "../../../sidecar/models/download/download";
import { deleteInterrupted, downloadKey } from "../../../sidecar/models/download/download-folder";
import { PartFile } from "../../../sidecar/models/download/part-file";
import { bundledProgram } from "../../bundled-program";
import { cutAfter, type MisbehavingServer, misbehavingServer, stallAfter, status, whole } from "./misbehaving-server";

const content = Buffer.concat([
  Buffer.from("GGUF"),
  Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7919) % 251)),
]);
const expected = { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
/** The same size, other bytes. */
const other = Buffer.from(content).fill(1, 2_000_000);

let folder = "";
let server: MisbehavingServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-download-"));
  server = await misbehavingServer(content);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Disks can be mounted by the administrator, on Linux, and not in every container. */
const canMount = ((): boolean => {
  const place = mkdtempSync(join(tmpdir(), "selfracg-mount-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "tmpfs", place]).status === 0;
  if (mounted) execFileSync("umount", [place]);
  rmdirSync(place);
  return mounted;
})();

/** @param mountOptions of the disk, which is in memory */
async function onDisk(mountOptions: string, work: (disk: string) => Promise<void>): Promise<void> {
  const disk = await mkdtemp(join(tmpdir(), "selfracg-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", mountOptions, "tmpfs", disk]);
  try {
    await work(disk);
  } finally {
    execFileSync("umount", [disk]);
    await rm(disk, { recursive: true });
  }
}

function options(more: Partial<DownloadOptions> = {}): DownloadOptions {
  return {
    url: server.url,
    file: "model.gguf",
    expected,
    folder: join(folder, "downloads"),
    alsoNeeded: 0,
    fetch,
    limits: { firstWaitMs: 1, stallMs: 20_000 },
    ...more,
  };
}

/** Files in all folders of downloads. */
async function left(): Promise<string[]> {
  const names = await readdir(join(folder, "downloads"), { recursive: true }).catch(() => []);
  return names.filter((name) => name.includes("/") || name.includes("\\")).map((name) => name.replace(/^.*[\\/]/, ""));
}

async function expectFile(downloaded: { path: string; sha256: string }): Promise<void> {
  expect(downloaded.sha256).toBe(expected.sha256);
  expect((await readFile(downloaded.path)).equals(content)).toBe(true);
}

/** A request for all but the beginning. How much of it arrived before a cut differs: a client may drop what it has not read yet. */
const resumed = /^bytes=[1-9]\d*-$/;

describe("a download", () => {
  it("gives the file its name once it is complete, reports progress, and leaves nothing behind once deleted", async () => {
    const seen: number[] = [];
    const downloaded = await download(options({ onProgress: ({ done }) => seen.push(done) }));
    await expectFile(downloaded);
    expect(await left()).toEqual(["model.gguf"]);
    expect(seen.at(-1)).toBe(content.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    await downloaded.delete();
    expect(await readdir(folder)).toEqual([]);
  });

  it("continues where a connection was cut, several times", async () => {
    server.next(cutAfter(content, 900_000), cutAfter(content, 600_000), status(503));
    await expectFile(await download(options()));
    expect(server.ranges).toHaveLength(4);
    const [first, second, third, fourth] = server.ranges.map((range) => Number(/\d+/.exec(range)?.[0] ?? 0));
    expect(first).toBe(0);
    expect(second).toBeGreaterThan(0);
    expect(second).toBeLessThanOrEqual(900_000);
    expect(third).toBeGreaterThan(second ?? Number.NaN);
    expect(third).toBeLessThanOrEqual((second ?? Number.NaN) + 600_000);
    expect(fourth).toBe(third);
  });

  it("begins again when the server ignores the range, or gives another one", async () => {
    const ignores = (_: unknown, response: Parameters<ReturnType<typeof whole>>[1]): void => {
      response.writeHead(200, { "content-length": content.length });
      response.end(content);
    };
    server.next(cutAfter(content, 900_000), ignores);
    await expectFile(await download(options()));
    const otherRange = status(206, "xxx", { "content-range": `bytes 5-7/${content.length}` });
    server.next(cutAfter(content, 900_000), otherRange);
    await expectFile(await download(options({ folder: join(folder, "second") })));
    server.next(cutAfter(content, 900_000), status(416));
    await expectFile(await download(options({ folder: join(folder, "third") })));
  });

  it("follows a redirect", async () => {
    server.next(status(302, "", { location: "/elsewhere/model.gguf" }));
    await expectFile(await download(options()));
  });

  it("counts a connection that brings nothing as cut", async () => {
    server.next(stallAfter(content, 500_000));
    await expectFile(await download(options({ limits: { firstWaitMs: 1, stallMs: 300 } })));
    expect(server.ranges).toEqual(["", "bytes=500000-"]);
  });

  it("gives up after attempts that bring nothing, and the next download continues", async () => {
    server.next(cutAfter(content, 900_000), ...Array.from({ length: 4 }, () => status(503)));
    await expect(download(options())).rejects.toThrow(
      /expected the file, found no connection \(HTTP status 503\).*the download continues where it stopped/s,
    );
    expect(await left()).toEqual(["model.gguf.part"]);
    await expectFile(await download(options()));
    expect(server.ranges.at(-1)).toMatch(resumed);
  });

  it("stops at once when it is aborted, and the next download continues", async () => {
    const aborting = new AbortController();
    server.next(stallAfter(content, 800_000));
    const stopped = download(
      options({
        signal: aborting.signal,
        onProgress: ({ done }) => {
          if (done === 800_000) aborting.abort();
        },
      }),
    );
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await expectFile(await download(options()));
    expect(server.ranges).toEqual(["", "bytes=800000-"]);
  });

  it("checks a complete file again that an earlier process downloaded and did not use", async () => {
    await (await download(options())).giveBack();
    const [key = ""] = await readdir(join(folder, "downloads"));
    const again = await download(options());
    await expectFile(again);
    expect(server.ranges).toHaveLength(1);
    await again.giveBack();
    await writeFile(join(folder, "downloads", key, "model.gguf"), other);
    await expectFile(await download(options()));
    expect(server.ranges).toHaveLength(2);
  });

  it("begins once more when bytes of an earlier attempt belong to another file", async () => {
    server.next(cutAfter(other, 2_500_000), ...Array.from({ length: 4 }, () => status(503)));
    await expect(download(options())).rejects.toThrow(/no connection/);
    await expectFile(await download(options()));
    expect(server.ranges.slice(-2)).toEqual([expect.stringMatching(resumed), ""]);
  });

  it("of an unknown file continues only the version that it began with", async () => {
    await server.close();
    server = await misbehavingServer(content, '"two"');
    const unknown = options({ expected: undefined });
    server.next(cutAfter(other, 900_000, '"one"'));
    await expectFile(await download(unknown));
    expect(server.ranges).toEqual(["", expect.stringMatching(resumed)]);
    server.next(cutAfter(content, 900_000));
    await expectFile(await download(options({ expected: undefined, folder: join(folder, "second") })));
    expect(server.ranges.slice(2)).toEqual(["", ""]);
  });
});

describe("a download is refused with a sentence that says what to do", () => {
  it.each([
    [
      "a page for people",
      status(200, "<!DOCTYPE html>", { "content-type": "text/html; charset=utf-8" }),
      /a web page: a proxy or a login page/,
    ],
    ["a file that does not exist", status(404), /HTTP status 404: there is no such file\. Check the address/],
    ["a file behind a login", status(403), /HTTP status 403: .*Download it in a browser/],
    [
      "a file of another size",
      whole(content.subarray(0, 1000)),
      /expected a file of 3,000,004 bytes \(4 MB\), found one of 1,000/,
    ],
    [
      "another file of the same size",
      whole(other),
      /expected a file with SHA-256 \w+, found \w+: .* It was deleted\. Try again/,
    ],
    [
      "a file in another format",
      whole(Buffer.alloc(content.length)),
      /expected a file in the format GGUF, found one that begins with/,
    ],
    ["a page without a type", whole(Buffer.alloc(content.length, "<html>")), /found a web page/],
  ])("%s", async (_, answer, message) => {
    server.next(answer, answer);
    await expect(download(options())).rejects.toThrow(message);
    for (const name of await left())
      expect(await readFile(join(folder, "downloads", downloadKey(expected.sha256), name), "utf8")).toBe("");
  });

  it("a server that sends more than the file has", async () => {
    server.next((_, response) => {
      response.writeHead(200);
      response.write(content);
      response.end("more");
    });
    await expect(download(options())).rejects.toThrow(/expected 3,000,004 bytes, found more/);
  });

  it("an address without a server, at once", async () => {
    const socket = createServer();
    await new Promise<void>((done) => socket.listen(0, "127.0.0.1", done));
    const address = socket.address();
    const port = typeof address === "object" ? address?.port : 0;
    await new Promise((done) => socket.close(done));
    const url = `http://127.0.0.1:${port}/model.gguf`;
    await expect(download(options({ url, limits: {} }))).rejects.toThrow(
      /found no connection \(.*ECONNREFUSED.*\)\. Check the network, or the proxy/,
    );
  });

  it("a proxy that wants a password", async () => {
    // The fetch of Node.js takes this status for a failed connection; that of VS Code gives it.
    const refusing = async (): Promise<Response> => new Response(null, { status: 407 });
    await expect(download(options({ fetch: refusing }))).rejects.toThrow(
      /HTTP status 407: the proxy wants a name and a password\. Set them where the proxy is set/,
    );
  });

  it("an address that is none", async () => {
    await expect(download(options({ url: "ftp://example.org/x" }))).rejects.toThrow(/begins with https:\/\//);
  });

  it("a disk without room, before anything is asked of the server", async () => {
    const freeBytes = async (): Promise<number> => 100e6;
    await expect(download(options({ alsoNeeded: 500e6, freeBytes }))).rejects.toThrow(
      /expected 571 MB of free disk space, found 100 MB\. Make room and try again/,
    );
    expect(server.ranges).toEqual([]);
  });

  it("a disk that becomes full on the way, and the next download continues", async () => {
    // What a write to a full disk throws, as soon as there are bytes to write.
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    const append = vi.spyOn(PartFile.prototype, "append");
    append.mockImplementationOnce(async function (this: PartFile, bytes) {
      await this.append(bytes);
      throw full;
    });
    await expect(download(options())).rejects.toThrow(
      /found the disk full\. Make room and try again; the download continues/,
    );
    append.mockRestore();
    await expectFile(await download(options()));
    expect(server.ranges.at(-1)).toMatch(/^bytes=\d+-$/);
  });

  it.skipIf(!canMount)("a real disk that becomes full on the way", async () => {
    await onDisk("size=1m", async (disk) => {
      // As where another program fills the disk after the question.
      const freeBytes = async (): Promise<number> => 1e12;
      await expect(download(options({ folder: join(disk, "downloads"), freeBytes }))).rejects.toThrow(
        /found the disk full\. Make room/,
      );
      await expect(download(options({ folder: join(disk, "downloads") }))).rejects.toThrow(
        /expected \d+ MB of free disk space, found 0 MB/,
      );
    });
  });

  it.skipIf(!canMount)("a disk that cannot be written", async () => {
    await onDisk("ro", async (disk) => {
      await expect(download(options({ folder: join(disk, "downloads") }))).rejects.toThrow(
        /expected a folder that can be written, found EROFS\. Make it writable, or name another folder/,
      );
    });
  });

  it("a folder that is a file", async () => {
    await writeFile(join(folder, "downloads"), "");
    await expect(download(options())).rejects.toThrow(/expected a folder that can be written, found EEXIST/);
  });

  it.skipIf(process.getuid?.() === 0)("a folder that cannot be written", async () => {
    await chmod(folder, 0o500);
    await expect(download(options())).rejects.toThrow(/expected a folder that can be written, found EACCES/);
    await chmod(folder, 0o700);
  });

  it("a second download of the same file, while the first goes on", async () => {
    const aborting = new AbortController();
    server.next(stallAfter(content, 800_000));
    let refused: Promise<unknown> | undefined;
    const first = download(
      options({
        signal: aborting.signal,
        onProgress: () => {
          refused ??= download(options()).then(
            () => aborting.abort(),
            (error: unknown) => {
              aborting.abort();
              return error;
            },
          );
        },
      }),
    );
    await expect(first).rejects.toMatchObject({ name: "AbortError" });
    expect(await refused).toMatchObject({
      message: expect.stringMatching(/found process \d+ at it\. Wait until it is done/),
    });
  });
});

describe("interrupted downloads", () => {
  it("are continued by the next process after a kill, where the killed one stopped", async () => {
    const program = await bundledProgram(join(import.meta.dirname, "download-process.ts"));
    server.next(stallAfter(content, 1_200_000));
    const args = [program, server.url, join(folder, "downloads"), String(expected.bytes), expected.sha256];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    child.stdout.on("data", (printed) => {
      if (String(printed).includes("1200000\n")) child.kill("SIGKILL");
    });
    await ended;
    expect(child.signalCode).toBe("SIGKILL");
    expect(await left()).toEqual(["model.gguf.part"]);
    await expectFile(await download(options()));
    expect(server.ranges).toEqual(["", "bytes=1200000-"]);
    expect(await left()).toEqual(["model.gguf"]);
  });

  it("are deleted with what they left, unless a process is at them", async () => {
    const root = join(folder, "downloads");
    const key = downloadKey(expected.sha256);
    await (await download(options())).giveBack();
    const going = await download(options());
    expect(await deleteInterrupted(root, key)).toBe(false);
    await going.giveBack();
    await mkdir(join(root, `${key}~elsewhere~7`));
    expect(await deleteInterrupted(root, key)).toBe(true);
    expect(await readdir(root)).toEqual([`${key}~elsewhere~7`]);
  });
});
