// Runs each kind of pass once before anybody waits for one: the first of a kind takes longer than all that follow.
import type { Graph, Pass } from "../graph";

/** A chunk of a prompt, its end with a need, a step, a draft to verify, a batch of fragments. */
function passes(longest: number): readonly Pass[] {
  const row = (length: number): Int32Array => new Int32Array(Math.min(length, longest));
  return [
    { rows: [row(64)], logits: 0, adapter: "none", keep: true },
    { rows: [row(32)], logits: 1, adapter: "query", keep: true },
    { rows: [row(1)], logits: 1, adapter: "none", keep: true },
    { rows: [row(8)], logits: 8, adapter: "none", keep: true },
    { rows: [row(32), row(32)], logits: 0, adapter: "fragment" },
  ];
}

/** The first runs of a graph, one at a time, until there is real work. */
export function warmUp(graph: Graph, contextLength: number): { start(): Promise<void>; stop(): void } {
  let stopped = false;
  return {
    start: async () => {
      for (const pass of passes(contextLength)) {
        // Messages come in between.
        await new Promise((resolve) => setImmediate(resolve));
        if (stopped) return;
        // What is wrong with a pass is said by the first real one.
        await graph.run(pass).catch(() => {});
      }
    },
    stop: () => (stopped = true),
  };
}
