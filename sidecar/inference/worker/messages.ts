// The messages between the sidecar and its inference thread.
import type { Provider } from "../backbone";
import type { ForwardRequest, ForwardResult } from "../model-runner";
import type { ModelPackage } from "../package/model-package";

/** What the thread is started with. */
export interface ThreadData {
  readonly model: ModelPackage;
  readonly provider: Provider["name"];
  readonly threads: number;
  /** As for {@link ModelRunner}: 0 adapts. */
  readonly chunkTokens: number;
  /** Bound of the cache. */
  readonly cacheBytes: number;
  /** Four numbers in shared memory, by the places in {@link shared}. */
  readonly shared: Int32Array<SharedArrayBuffer>;
  /**
   * Where the thread leaves the logits of the job it answers, until the next one: as many rows as a job may want. Handed over
   * in a message, memory of ONNX Runtime takes a tenth of a step and more.
   */
  readonly logits: Float32Array<SharedArrayBuffer>;
}

/**
 * Places in the memory that both threads see while one of them computes: the number of the job that nobody waits for any
 * more; 1 while ONNX Runtime runs; 1 once the process ends; the number of the last message. ONNX Runtime's binding ends the whole process with an abort
 * when its thread is ended within a run, so the end of the process waits for `running` to be 0.
 */
export const shared = { cancelled: 0, running: 1, ending: 2, asked: 3 } as const;

export type Job =
  | ({ readonly kind: "forward" } & ForwardRequest)
  | { readonly kind: "attention"; readonly tokens: Int32Array }
  | { readonly kind: "embed"; readonly rows: readonly Int32Array[] };

/** To the thread: a job with its number, or the request to end. */
export type Request = { readonly id: number; readonly job: Job } | "close";

/** What a job gives; `cancelled` where it was stopped in between. */
export type Result = ({ readonly kind: "forward" } & ForwardResult) | Exclude<Answer, { kind: "forward" }>;

/** The same as the thread says it. */
export type Answer =
  | ({
      readonly kind: "forward" /** How many numbers of {@link ThreadData.logits} are its own. */;
      readonly logits: number;
    } & Omit<ForwardResult, "logits">)
  | { readonly kind: "attention" /** Layers x tokens. */; readonly weights: Float32Array }
  | {
      readonly kind: "embed" /** Rows x dimension. */;
      readonly expressions: Float32Array /** What the run took. */;
      readonly ms: number;
    }
  | { readonly kind: "cancelled" };

/** From the thread: ready after a first run, or why not; then one reply a job. */
export type Reply =
  | { readonly event: "ready" }
  | {
      readonly event: "refused";
      readonly message: string /** Whether the model package is at fault. */;
      readonly packageAtFault: boolean;
    }
  | { readonly event: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly event: "failed"; readonly id: number; readonly message: string };
