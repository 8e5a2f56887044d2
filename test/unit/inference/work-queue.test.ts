// The work queue: one job at a time, completions first, cancellable while waiting.
import { describe, expect, it } from "vitest";
import { WorkQueue } from "../../../sidecar/inference/work-queue";

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

describe("WorkQueue", () => {
  it("never runs two jobs at once", async () => {
    const queue = new WorkQueue();
    let running = 0;
    let max = 0;
    const work = async (): Promise<void> => {
      max = Math.max(max, ++running);
      await pause();
      running--;
    };
    await Promise.all([
      queue.run("index", undefined, work),
      queue.run("completion", undefined, work),
      queue.run("index", undefined, work),
    ]);
    expect(max).toBe(1);
  });

  it("runs a completion before index work that has waited longer", async () => {
    const queue = new WorkQueue();
    const order: string[] = [];
    const add = (name: string) => async (): Promise<void> => {
      await pause();
      order.push(name);
    };
    const first = queue.run("index", undefined, add("index 1"));
    const rest = [queue.run("index", undefined, add("index 2")), queue.run("completion", undefined, add("completion"))];
    await Promise.all([first, ...rest]);
    expect(order.indexOf("completion")).toBeLessThan(order.indexOf("index 2"));
  });

  it("does not start index work between two tokens of a completion", async () => {
    const queue = new WorkQueue();
    const order: string[] = [];
    const completion = (async () => {
      for (let token = 0; token < 5; token++)
        await queue.run("completion", undefined, async () => void order.push("token"));
    })();
    const index = queue.run("index", undefined, async () => void order.push("index"));
    await Promise.all([completion, index]);
    expect(order).toEqual(["token", "token", "token", "token", "token", "index"]);
  });

  it("rejects a job that is aborted while it waits, at once and without running it", async () => {
    const queue = new WorkQueue();
    let release = (): void => {};
    const busy = queue.run(
      "completion",
      undefined,
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const controller = new AbortController();
    let ran = false;
    const waiting = queue.run("completion", controller.signal, async () => {
      ran = true;
    });
    await pause();
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
    release();
    await busy;
    await pause();
    expect(ran).toBe(false);
  });

  it("runs the next job after a failed one", async () => {
    const queue = new WorkQueue();
    await expect(queue.run("index", undefined, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    await expect(queue.run("index", undefined, async () => 1)).resolves.toBe(1);
  });

  it("lets the running job end on close, and rejects waiting and later jobs", async () => {
    const queue = new WorkQueue();
    let ended = false;
    const running = queue.run("index", undefined, async () => {
      await pause();
      ended = true;
    });
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
    const waiting = expect(queue.run("completion", undefined, pause)).rejects.toThrow("closed");
    await queue.close(new Error("closed"));
    expect(ended).toBe(true);
    await running;
    await waiting;
    await expect(queue.run("completion", undefined, pause)).rejects.toThrow("closed");
  });
});
