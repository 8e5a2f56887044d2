// Alternatives to the sidecar's search: none, random, lexical retrieval, and an oracle that knows the answer.
import type { Fragment, ScoredFragment } from "../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../sidecar/workspace/fragment-source";
import type { Place } from "./input";
import { LexicalStatistics, lexicalQuery } from "./lexical";
import type { Repository } from "./repository";

export const retrieverNames = [
  "selfracg",
  "selfracg-always",
  "none",
  "random",
  "bm25",
  "bm25-next",
  "jaccard",
  "jaccard-next",
  "oracle",
] as const;
export type RetrieverName = (typeof retrieverNames)[number];
/** Whether the retriever ranks by the model's expressions, which needs an index. */
export const usesIndex = (name: RetrieverName): boolean => name === "selfracg" || name === "selfracg-always";

/** Number of best fragments whose successors are used. */
const successorsOf = 40;

/** Ranks fragments of one repository without the model. */
export class Ranker {
  private readonly statistics: LexicalStatistics;

  constructor(
    private readonly name: RetrieverName,
    repository: Repository,
  ) {
    this.statistics = new LexicalStatistics(repository.fragments.map(({ text }) => text));
  }

  /**
   * The fragments, best first, equal ones in the given order, which is that of the files. A method with `-next` returns, for each
   * of the best, the next fragment of its file (the last fragment itself at the end).
   */
  rank({ task, prefix }: Place, fragments: readonly Fragment[]): Fragment[] {
    if (this.name === "none") return [];
    if (this.name === "random")
      return ordered(
        fragments,
        fragments.map((fragment) => chance(`${task.id} ${fragment.path} ${fragment.startLine}`)),
      );
    // The oracle's query contains the answer.
    const query = lexicalQuery(this.name === "oracle" ? prefix + task.groundtruth : prefix);
    const method = this.name.startsWith("jaccard") ? "jaccard" : "bm25";
    const ranked = ordered(
      fragments,
      this.statistics.scores(
        method,
        query,
        fragments.map(({ text }) => text),
      ),
    );
    if (!this.name.endsWith("-next")) return ranked;
    const next = new Map(fragments.map((fragment, at) => [fragment, fragments[at + 1]]));
    const following = ranked.slice(0, successorsOf).map((fragment) => {
      const after = next.get(fragment);
      return after?.path === fragment.path ? after : fragment;
    });
    return [...new Set(following)];
  }
}

/** A ranking as a fragment source: a search returns it for any need. */
export function rankedSource(ranking: readonly Fragment[]): FragmentSource {
  return {
    fragmentCount: ranking.length,
    revision: 0,
    vectorIndex: { name: "flat", reason: "ranked beforehand" },
    search: (_need, k) =>
      ranking.slice(0, k).map((fragment, at): ScoredFragment => ({ fragment, score: 1 / (at + 1) })),
  };
}

function ordered(fragments: readonly Fragment[], scores: readonly number[]): Fragment[] {
  const order = fragments.map((fragment, at) => ({ fragment, score: scores[at] ?? 0 }));
  return order.sort((a, b) => b.score - a.score).map(({ fragment }) => fragment);
}

/** A pseudo-random number from 0 to 1 that depends only on the text (FNV-1a with a final mix). */
export function chance(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
