// Starts the store's thread, and sends it requests.
import { Worker } from "node:worker_threads";
import { errorMessage } from "../../host/errors";
import { workerPath } from "../../host/worker-path";
import type { Answer, Reply, Request, StoreOptions } from "./messages";

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class StoreThread {
  /** Requests are answered in this order. */
  private readonly waiting: Waiting[] = [];
  private ended: Error | undefined;

  private constructor(
    private readonly worker: Worker,
    private readonly warn: (message: string) => void,
  ) {}

  /** @throws Error when the database can neither be opened nor made */
  static start(options: StoreOptions, warn: (message: string) => void): Promise<StoreThread> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(workerPath("store-worker.js"), { workerData: options });
      const thread = new StoreThread(worker, warn);
      worker.on("message", (reply: Reply) => {
        if (reply.event === "opened") {
          worker.unref();
          resolve(thread);
        } else if (reply.event === "refused") reject(new Error(reply.message));
        else thread.receive(reply);
      });
      const lost = (reason: string): void => {
        const error = new Error(`expected the store's thread to run, found it ended (${reason})`);
        reject(error);
        thread.abandon(error);
      };
      worker.once("error", (error) => lost(errorMessage(error)));
      worker.once("exit", (code) => lost(`exit code ${code}`));
    });
  }

  /** @throws Error with the message of the error in the thread */
  ask(request: Request): Promise<Answer> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      // The process stays alive only while a request is not answered.
      this.worker.ref();
      this.waiting.push({ resolve, reject });
      this.worker.postMessage(request, request.kind === "write" ? [request.vectors.rows.buffer] : []);
    });
  }

  /** Ends the thread after all requests are answered. */
  async close(): Promise<void> {
    if (this.ended !== undefined) return;
    const exit = new Promise((resolve) => this.worker.once("exit", resolve));
    await this.ask({ kind: "close" });
    this.worker.ref();
    await exit;
  }

  private receive(reply: Exclude<Reply, { event: "opened" | "refused" }>): void {
    if (reply.event === "warning") {
      this.warn(reply.message);
      return;
    }
    const first = this.waiting.shift();
    if (this.waiting.length === 0) this.worker.unref();
    if (reply.event === "failed") first?.reject(new Error(reply.message));
    else first?.resolve(reply.answer);
  }

  private abandon(error: Error): void {
    this.ended = error;
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}
