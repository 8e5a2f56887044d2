// What can stand in for the sidecar's search: nothing, chance, lexical retrieval, and one that knows the answer.
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
/** Those that rank by what the model expresses and therefore need an index. */
export const usesIndex = (name: RetrieverName): boolean => name === "selfracg" || name === "selfracg-always";

/** Best fragments whose successors are looked at. */
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
   * The fragments, best first, equals in the order given. They are in file order; a method with `-next` gives, for each
   * of the best, the fragment that follows it in its file (its own last one for itself).
   */
  rank({ task, prefix }: Place, fragments: readonly Fragment[]): Fragment[] {
    if (this.name === "none") return [];
    if (this.name === "random")
      return ordered(
        fragments,
        fragments.map((fragment) => chance(`${task.id} ${fragment.path} ${fragment.startLine}`)),
      );
    // The oracle's query holds the answer.
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

/** A ranking as something to search. What is searched for has been decided: any need finds it. */
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

/** A number from 0 to 1 that depends on nothing but the text (FNV-1a, mixed once more). */
export function chance(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
