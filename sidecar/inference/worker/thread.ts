// The inference thread as seen from the main thread: starts it, sends and cancels jobs, and restarts it after a crash.

import { Worker } from "node:worker_threads";
import { errorMessage } from "../../host/errors";
import { workerPath } from "../../host/worker-path";
import { maxDecodedTokens } from "../backbone";
import { prepareEnvironment } from "../onnx-runtime";
import { ModelPackageError } from "../package/model-package-error";
import { type Job, type Reply, type Request, type Result, shared, type ThreadData } from "./messages";

interface Waiting {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

const bundle = "inference-worker.js";
const maxId = 0x7fffffff;
/** Maximum milliseconds that the exit of the process waits for a run to end. */
const maxExitMs = 5000;

/** At most one thread, which owns the session and the KV cache. When it crashes, only its cache is lost. */
export class InferenceThread {
  private readonly shared = new Int32Array(
    new SharedArrayBuffer(Object.keys(shared).length * Int32Array.BYTES_PER_ELEMENT),
  );
  private readonly waiting = new Map<number, Waiting>();
  private running: Promise<Worker> | undefined;
  private lastId = 0;

  private readonly atExit = (): void => {
    Atomics.store(this.shared, shared.ending, 1);
    Atomics.wait(this.shared, shared.running, 1, maxExitMs);
  };

  private readonly logits: ThreadData["logits"];

  constructor(private readonly data: Omit<ThreadData, "shared" | "logits">) {
    const numbers = maxDecodedTokens * data.model.architecture.vocabularySize;
    this.logits = new Float32Array(new SharedArrayBuffer(numbers * Float32Array.BYTES_PER_ELEMENT));
    process.on("exit", this.atExit);
  }

  /**
   * Starts the thread unless one runs.
   * @throws ModelPackageError when the package is at fault; Error when the graph cannot run on this provider.
   */
  async start(): Promise<void> {
    await this.thread();
  }

  /**
   * Runs one job; only one may run at a time. When `signal` is aborted, the job ends at its next check for cancellation, with
   * the result `cancelled` unless it was already done.
   * @throws Error of the thread; when the thread ended, the next call starts a new one.
   */
  async perform(job: Job, signal: AbortSignal | undefined): Promise<Result> {
    const worker = await this.thread();
    if (this.waiting.size > 0)
      throw new Error("expected one job at a time, found another one running: wait for its result");
    const id = (this.lastId % maxId) + 1;
    this.lastId = id;
    const cancel = (): void => void Atomics.store(this.shared, shared.cancelled, id);
    const result = new Promise<Result>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    if (signal?.aborted === true) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    // The thread keeps the process alive only while a job runs.
    worker.ref();
    worker.postMessage({ id, job } satisfies Request);
    Atomics.store(this.shared, shared.asked, id);
    try {
      return await result;
    } finally {
      signal?.removeEventListener("abort", cancel);
      if (this.waiting.size === 0) worker.unref();
    }
  }

  /** Ends the thread after its current job. */
  async close(): Promise<void> {
    process.off("exit", this.atExit);
    const worker = await this.running?.catch(() => undefined);
    if (worker === undefined) return;
    this.running = undefined;
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.ref();
    worker.postMessage("close" satisfies Request);
    await ended;
  }

  private thread(): Promise<Worker> {
    this.running ??= this.launch();
    return this.running;
  }

  private launch(): Promise<Worker> {
    prepareEnvironment();
    return new Promise((resolve, reject) => {
      const data: ThreadData = { ...this.data, shared: this.shared, logits: this.logits };
      const worker = new Worker(workerPath(bundle), { workerData: data });
      const lost = (reason: string): void => {
        const error = new Error(
          `expected the inference thread to keep running, but it ended (${reason}): the next request starts a new one`,
        );
        reject(error);
        this.abandon(error);
      };
      worker.on("message", (reply: Reply) => {
        if (reply.event === "ready") {
          worker.unref();
          resolve(worker);
        } else if (reply.event === "refused") {
          reject(reply.packageAtFault ? new ModelPackageError(reply.message) : new Error(reply.message));
          this.running = undefined;
        } else this.settle(reply);
      });
      worker.once("error", (error) => lost(errorMessage(error)));
      worker.once("exit", (code) => lost(`exit code ${code}`));
    });
  }

  private settle(reply: Extract<Reply, { id: number }>): void {
    const waiting = this.waiting.get(reply.id);
    this.waiting.delete(reply.id);
    if (reply.event === "failed") {
      waiting?.reject(new Error(reply.message));
      return;
    }
    const { answer } = reply;
    waiting?.resolve(answer.kind === "forward" ? { ...answer, logits: this.logits.slice(0, answer.logits) } : answer);
  }

  private abandon(error: Error): void {
    this.running = undefined;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
