// The messages between the sidecar and its inference thread.
import type { Provider } from "../backbone";
import type { ForwardRequest, ForwardResult } from "../model-runner";
import type { ModelPackage } from "../package/model-package";

/** The data that the thread is started with. */
export interface ThreadData {
  readonly model: ModelPackage;
  readonly provider: Provider["name"];
  readonly threads: number;
  /** See {@link ModelRunner}; 0: adapted to the measured speed. */
  readonly chunkTokens: number;
  /** Maximum memory of the KV cache. */
  readonly cacheBytes: number;
  /** Four numbers in shared memory, at the indexes of {@link shared}. */
  readonly shared: Int32Array<SharedArrayBuffer>;
  /**
   * The logits of the last job, with room for the rows of any job. Sending memory of ONNX Runtime in a message takes 10 % of a
   * decoding step or more.
   */
  readonly logits: Float32Array<SharedArrayBuffer>;
}

/**
 * Indexes of the numbers in shared memory: the id of the cancelled job; 1 while ONNX Runtime runs; 1 once the process ends; the
 * id of the last message. ONNX Runtime's binding aborts the whole process when its thread ends during a run, so the end of the
 * process waits for `running` to be 0.
 */
export const shared = { cancelled: 0, running: 1, ending: 2, asked: 3 } as const;

export type Job =
  | ({ readonly kind: "forward" } & ForwardRequest)
  | { readonly kind: "attention"; readonly tokens: Int32Array }
  | { readonly kind: "embed"; readonly rows: readonly Int32Array[] };

/** To the thread: a job with its id, or the request to end. */
export type Request = { readonly id: number; readonly job: Job } | "close";

/** The result of a job; `cancelled` when it was cancelled. */
export type Result = ({ readonly kind: "forward" } & ForwardResult) | Exclude<Answer, { kind: "forward" }>;

/** The result as the thread sends it: its logits are in shared memory. */
export type Answer =
  | ({
      readonly kind: "forward";
      /** Number of values in {@link ThreadData.logits}. */
      readonly logits: number;
    } & Omit<ForwardResult, "logits">)
  | {
      readonly kind: "attention";
      /** Layers x tokens. */
      readonly weights: Float32Array;
    }
  | {
      readonly kind: "embed";
      /** Rows x dimension. */
      readonly expressions: Float32Array;
      /** Duration of the run. */
      readonly ms: number;
    }
  | { readonly kind: "cancelled" };

/** From the thread: ready after a first run, or the error; then one reply per job. */
export type Reply =
  | { readonly event: "ready" }
  | {
      readonly event: "refused";
      readonly message: string;
      /** Whether the model package is at fault. */
      readonly packageAtFault: boolean;
    }
  | { readonly event: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly event: "failed"; readonly id: number; readonly message: string };
