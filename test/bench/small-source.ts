// A small fragment source: fragments of a repository's other files, embedded for a few cursors in one file.
import { similarityOf } from "../../sidecar/retrieval/query";
import type { Fragment } from "../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../sidecar/workspace/fragment-source";
import type { Files } from "../eval/input";
import { fragmentsIn, type TaskModel } from "./task-input";

/** Maximum number of fragments, which are embedded for each completed file. */
const maxFragments = 150;

/** Fragments of all files except `file`; if there are too many, those of the first files by name. */
export async function smallSource(
  file: string,
  files: Files,
  { backbone, promptFormat, chunker }: TaskModel,
): Promise<FragmentSource> {
  const fragments: Fragment[] = [];
  for (const [path, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (path === file || fragments.length >= maxFragments) continue;
    fragments.push(...(await fragmentsIn(path, text, chunker)));
  }
  const vectors = await backbone.embed(
    fragments.slice(0, maxFragments).map(({ path, text }) => promptFormat.fragmentEmbedding(path, text)),
  );
  return {
    fragmentCount: vectors.length,
    revision: 0,
    vectorIndex: { name: "flat", reason: "a few fragments of one repository" },
    search: (need, k) =>
      vectors
        .flatMap((vector, at) =>
          fragments[at] === undefined ? [] : [{ fragment: fragments[at], score: similarityOf(vector, need) }],
        )
        .sort((a, b) => b.score - a.score)
        .slice(0, k),
  };
}
