// Waiting for the processes that a process started.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { descendants, stillRunning, untilEnded } from "../../../scripts/processes.mjs";

/** A process with a child. Both run for two minutes, and ignore SIGTERM when `stubborn`. */
async function family(stubborn: boolean): Promise<{ root: number; child: number }> {
  const wait = `${stubborn ? 'process.on("SIGTERM", () => {});' : ""} setTimeout(() => {}, 120_000);`;
  const parent = `
    const child = require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(`${wait} console.log("up")`)}]);
    child.stdout.once("data", () => console.log(child.pid));
    ${wait}`;
  const { pid = 0, stdout } = spawn(process.execPath, ["-e", parent], { stdio: ["ignore", "pipe", "inherit"] });
  const [bytes] = await once(stdout, "data");
  return { root: pid, child: Number(bytes) };
}

describe.skipIf(process.platform === "win32")("the descendants of a process", () => {
  it("are found at every depth", async () => {
    const { root, child } = await family(false);
    expect((await descendants(root)).map(({ pid }) => pid)).toEqual([child]);
    expect((await descendants(process.pid)).map(({ pid }) => pid)).toEqual(expect.arrayContaining([root, child]));
    process.kill(child);
    process.kill(root);
  });

  it("are awaited until they end by themselves", async () => {
    const { root, child } = await family(false);
    const started = await descendants(root);
    let ended = false;
    const waiting = untilEnded(started).then(() => {
      ended = true;
    });
    expect(await stillRunning(started)).toEqual(started);
    expect(ended).toBe(false);
    process.kill(child);
    await waiting;
    expect(await stillRunning(started)).toEqual([]);
    process.kill(root);
  });

  it("are killed when they do not end in time", async () => {
    const { root, child } = await family(true);
    const started = (await descendants(process.pid)).filter(({ pid }) => pid === root || pid === child);
    expect(started).toHaveLength(2);
    await untilEnded(started, 200);
    expect(await stillRunning(started)).toEqual([]);
  });
});
