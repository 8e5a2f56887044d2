// The entry of the inference thread: opens the session, warms it up, and runs one job after another.

import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { errorMessage } from "../../host/errors";
import { cacheType, type Graph, type Guard, openGraph } from "../graph";
import { checkIntegerProducts } from "../integer-products";
import { KvCachePool } from "../kv-cache";
import { ModelRunner } from "../model-runner";
import { loadOnnxRuntime } from "../onnx-runtime";
import { ModelPackageError } from "../package/model-package-error";
import { type Answer, type Job, type Reply, type Request, shared, type ThreadData } from "./messages";
import { warmUp } from "./warm-up";

/**
 * How long the thread polls for the next job after a forward job: a completion requests its next tokens at once, and waking a
 * thread takes 5 % of a decoding step or more.
 */
const lingerMs = 0.3;

async function serve(port: NonNullable<typeof parentPort>, data: ThreadData): Promise<void> {
  const send = (reply: Reply): void => port.postMessage(reply);
  let graph: Graph;
  let runner: ModelRunner;
  try {
    const { model } = data;
    const runtime = await loadOnnxRuntime();
    await checkIntegerProducts(model, runtime);
    graph = await openGraph(runtime, model, data.provider, data.threads, whileRunning(data.shared));
    const { layers, keyValueHeads, headDim } = model.architecture;
    const shape = { layers, keyValueHeads, headDim, type: cacheType(model), needLength: 2 * model.retrieval.rank };
    runner = new ModelRunner(graph, new KvCachePool(runtime, shape, data.cacheBytes), data.chunkTokens);
  } catch (error) {
    send({ event: "refused", message: errorMessage(error), packageAtFault: error instanceof ModelPackageError });
    port.close();
    return;
  }
  // Jobs arrive one by one, but the thread may be told to end while one runs.
  let working = Promise.resolve();
  const warming = warmUp(graph, data.model.contextLength);
  /** Runs a job, and returns the next one if it arrives at once. */
  const answer = async (request: Request): Promise<Request | undefined> => {
    if (request === "close") {
      await graph.release();
      port.close();
      return undefined;
    }
    const { id, job } = request;
    try {
      send({
        event: "answer",
        id,
        answer: await perform(runner, job, data.logits, () => Atomics.load(data.shared, shared.cancelled) === id),
      });
    } catch (error) {
      send({ event: "failed", id, message: errorMessage(error) });
    }
    // After the answer was sent, so that it does not delay the answer.
    runner.storePending();
    if (job.kind !== "forward" || !askedSince(id, data.shared)) return undefined;
    const next: { readonly message: Request } | undefined = receiveMessageOnPort(port);
    return next?.message;
  };
  port.on("message", (request: Request) => {
    warming.stop();
    working = working.then(async () => {
      for (let next: Request | undefined = request; next !== undefined; ) next = await answer(next);
    });
  });
  send({ event: "ready" });
  working = warming.start();
}

/** Polls for a moment whether a message follows job `id`. It blocks the event loop. */
function askedSince(id: number, memory: ThreadData["shared"]): boolean {
  for (const until = performance.now() + lingerMs; performance.now() < until; )
    if (Atomics.load(memory, shared.asked) !== id) return true;
  return false;
}

/** Tells the main thread while ONNX Runtime runs, and starts no run once the process ends. */
function whileRunning(memory: ThreadData["shared"]): Guard {
  return async (run) => {
    Atomics.store(memory, shared.running, 1);
    try {
      if (Atomics.load(memory, shared.ending) === 1) throw new Error("expected a running process, but it is ending");
      return await run();
    } finally {
      Atomics.store(memory, shared.running, 0);
      Atomics.notify(memory, shared.running);
    }
  };
}

async function perform(
  runner: ModelRunner,
  job: Job,
  logits: ThreadData["logits"],
  cancelled: () => boolean,
): Promise<Answer> {
  if (job.kind === "forward") {
    const result = await runner.forward(job, cancelled);
    if (result === undefined) return { kind: "cancelled" };
    logits.set(result.logits);
    return { kind: "forward", ...result, logits: result.logits.length };
  }
  if (cancelled()) return { kind: "cancelled" };
  if (job.kind === "attention") return { kind: "attention", weights: await runner.attentionWeights(job.tokens) };
  const start = performance.now();
  const expressions = await runner.embed(job.rows);
  return { kind: "embed", expressions, ms: performance.now() - start };
}

if (parentPort === null)
  throw new Error("expected to be a worker thread of the sidecar, found the main thread: start sidecar.js or cli.js");
void serve(parentPort, workerData);
