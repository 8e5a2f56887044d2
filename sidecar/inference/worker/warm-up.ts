// Warms the graph up: the first run of each kind takes longer than all later ones, so it is done in advance.
import type { Graph, GraphRun } from "../graph";

/** A chunk of a prompt, its end with a need, a step, a draft to verify, a batch of fragments. */
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

/** The first runs of a graph, one at a time, until there is real work. */
export function warmUp(graph: Graph, contextLength: number): { start(): Promise<void>; stop(): void } {
  let stopped = false;
  return {
    start: async () => {
      for (const run of firstRuns(contextLength)) {
        // Lets messages in.
        await new Promise((resolve) => setImmediate(resolve));
        if (stopped) return;
        // The first real run reports what is wrong.
        await graph.run(run).catch(() => {});
      }
    },
    stop: () => (stopped = true),
  };
}
