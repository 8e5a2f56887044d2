// Warms up the graph: the first run of each kind takes longer than later ones, so it is done in advance.
import type { Graph, GraphRun } from "../graph";

/** A chunk of a prompt, the end of a prompt with a need, a decoding step, a draft to verify, a batch of fragments. */
function firstRuns(maxTokens: number): readonly GraphRun[] {
  const row = (length: number): Int32Array => new Int32Array(Math.min(length, maxTokens));
  return [
    { rows: [row(64)], logits: 0, adapter: "none", cacheRows: true },
    { rows: [row(32)], logits: 1, adapter: "query", cacheRows: true },
    { rows: [row(1)], logits: 1, adapter: "none", cacheRows: true },
    { rows: [row(8)], logits: 8, adapter: "none", cacheRows: true },
    { rows: [row(32), row(32)], logits: 0, adapter: "fragment" },
  ];
}

/** Runs a graph once for each kind of work, until a job arrives. */
export function warmUp(graph: Graph, contextLength: number): { start(): Promise<void>; stop(): void } {
  let stopped = false;
  return {
    start: async () => {
      for (const run of firstRuns(contextLength)) {
        // Lets messages arrive.
        await new Promise((resolve) => setImmediate(resolve));
        if (stopped) return;
        // The first job will report the error.
        await graph.run(run).catch(() => {});
      }
    },
    stop: () => (stopped = true),
  };
}
