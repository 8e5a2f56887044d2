// The sidecar's index, queries and suggestions with different weights of the boosts.
import { join } from "node:path";
import { Completer } from "../../../sidecar/completion/completer";
import { quietLog } from "../../../sidecar/host/log";
import { allImportStatements } from "../../../sidecar/languages/import-statements";
import { Imports } from "../../../sidecar/languages/imports";
import { languageIdOf } from "../../../sidecar/languages/languages";
import { defaultSettings } from "../../../sidecar/protocol";
import { defaultBoosts } from "../../../sidecar/retrieval/boosts";
import { expressNeed } from "../../../sidecar/retrieval/query";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import type { Place } from "../../eval/input";
import { placeKey, relevantTo } from "../../eval/relevance";
import { score } from "../../eval/scoring";
import { disposeTaskModel, openTaskModel, type TaskModel } from "../task-input";
import { type Case, maxCandidates, maxRecent, trials, type Weights } from "./cases";

export class RankingEngine {
  private constructor(
    readonly model: TaskModel,
    readonly index: WorkspaceIndex,
  ) {}

  /** @param work folder of the index, whose embeddings a later run reuses */
  static async open(modelPath: string, grammarPath: string, work: string): Promise<RankingEngine> {
    const model = await openTaskModel(modelPath, grammarPath);
    const index = new WorkspaceIndex({
      ...model,
      storagePath: join(work, "index"),
      limits: { maxFileKilobytes: defaultSettings.maxFileKilobytes },
      log: quietLog,
    });
    return new RankingEngine(model, index);
  }

  /**
   * The case at the cursor; undefined when no fragment of another file, or more than `max` of them, define the name that follows.
   * @param written the real text at the cursor, with which suggestions are compared
   * @param edited files that were edited before, the last one first
   */
  async caseOf(
    { task, prefix, suffix }: Place,
    uri: string,
    written: string,
    edited: readonly string[] = [],
    max = Infinity,
  ): Promise<Case | undefined> {
    const { backbone, promptFormat } = this.model;
    const context: CursorContext = { uri, path: task.file, languageId: languageIdOf(task.file), prefix, suffix };
    const others = (need: Float32Array) =>
      this.index.search(need, this.index.fragmentCount).filter(({ fragment }) => fragment.path !== task.file);
    const anyNeed = new Float32Array(backbone.model.retrieval.dimension);
    const fragments = others(anyNeed).map(({ fragment }) => fragment);
    const needed = relevantTo(task, fragments);
    if (needed.size === 0 || needed.size > max) return undefined;
    const imported = new Imports(task.file, allImportStatements(prefix));
    const found = others(await expressNeed(backbone, promptFormat, context));
    return {
      repository: task.repository,
      language: task.language,
      file: task.file,
      candidates: found.slice(0, maxCandidates).map(({ fragment, score }) => ({
        score,
        ...(needed.has(placeKey(fragment)) && { needed: true as const }),
        ...(imported.has(fragment.path) && { imported: true as const }),
        ...(edited.includes(fragment.path) && { edited: edited.indexOf(fragment.path) }),
      })),
      similarities: await this.suggest(context, edited, task.language, written),
    };
  }

  /** Edit similarity of suggestions, even unsure ones, to the `written` text, for each of {@link trials}. */
  private async suggest(
    context: CursorContext,
    edited: readonly string[],
    language: string,
    written: string,
  ): Promise<number[]> {
    const line = context.prefix.slice(context.prefix.lastIndexOf("\n") + 1);
    const position = { line: context.prefix.split("\n").length - 1, character: line.length };
    /** Results by weights and by the fragments in the prompt, because few weights change the fragments. */
    const known = new Map<string, number>();
    const similarity = async (weights: Weights): Promise<number> => {
      const completer = this.completerWith(weights, edited);
      const { selected } = await completer.search(context, defaultSettings);
      const fragments = selected.map(({ fragment }) => placeKey(fragment)).join("\n");
      const before = known.get(fragments);
      if (before !== undefined) return before;
      const options = { invoked: true };
      const start = performance.now();
      const { suggestion } = await completer.complete(context, defaultSettings, position, undefined, start, options);
      const es = Math.round(10 * score(language, line, suggestion, written).es) / 10;
      known.set(fragments, es);
      return es;
    };
    const similarities: number[] = [];
    for (const trial of trials) {
      const weights = edited.length === 0 ? { ...trial, edited: 0 } : trial;
      const given = JSON.stringify(weights);
      const value = known.get(given) ?? (await similarity(weights));
      known.set(given, value);
      similarities.push(value);
    }
    return similarities;
  }

  private completerWith(weights: Weights, edited: readonly string[]): Completer {
    const recent = edited.slice(0, maxRecent);
    return new Completer({
      ...this.model,
      source: () => this.index,
      boosts: defaultBoosts((uri) => recent.some((path) => uri.endsWith(`/${path}`)), weights),
      log: () => {},
    });
  }

  async dispose(): Promise<void> {
    await this.index.dispose();
    await disposeTaskModel(this.model);
  }
}
