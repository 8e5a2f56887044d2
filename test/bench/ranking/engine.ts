// The sidecar's index and queries, for measuring ranks without prompts.
import { join } from "node:path";
import { Completer } from "../../../sidecar/completion/completer";
import { SyntaxTrees } from "../../../sidecar/completion/syntax/tree";
import { quietLog } from "../../../sidecar/host/log";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { allImportStatements } from "../../../sidecar/languages/import-statements";
import { languageIdOf } from "../../../sidecar/languages/languages";
import { defaultSettings } from "../../../sidecar/protocol";
import { boostEdited, boostImported, sumOfBoosts } from "../../../sidecar/retrieval/boosts";
import { expressNeed, nullScoreOf } from "../../../sidecar/retrieval/query";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import type { Place } from "../../eval/input";
import { placeKey, relevantTo } from "../../eval/relevance";
import { score } from "../../eval/scoring";
import { maxRecent, type StoredCase, trials } from "./cases";

/** Edited files, the last one first. */
export interface Edits {
  /** Files edited in the cursor's commit. */
  readonly edited: readonly string[];
  /** Files edited in earlier commits. */
  readonly before: readonly string[];
}

/** Maximum number of fragments that a search for a prompt finds. */
const maxCandidates = 512;

const noEdits: Edits = { edited: [], before: [] };

export class RankingEngine {
  private constructor(
    private readonly backbone: Backbone,
    private readonly promptFormat: PromptFormat,
    private readonly tokenizer: Tokenizer,
    private readonly trees: SyntaxTrees,
    readonly index: WorkspaceIndex,
  ) {}

  /** @param work folder of the index, whose embeddings a later run reuses */
  static async open(modelPath: string, grammarPath: string, work: string): Promise<RankingEngine> {
    const model = await loadModelPackage(modelPath);
    const tokenizer = await Tokenizer.load(model);
    const promptFormat = new PromptFormat(model, tokenizer);
    const backbone = await createBackbone(model, { provider: "auto", threads: defaultSettings.threads });
    const chunker = await createChunker(grammarPath, () => {});
    const trees = await SyntaxTrees.load(grammarPath, () => {}, Infinity);
    const index = new WorkspaceIndex({
      backbone,
      promptFormat,
      storagePath: join(work, "index"),
      chunker,
      limits: { maxFileKilobytes: defaultSettings.maxFileKilobytes },
      log: quietLog,
    });
    return new RankingEngine(backbone, promptFormat, tokenizer, trees, index);
  }

  get modelHash(): string {
    return this.backbone.model.hash;
  }

  /**
   * The candidates at the cursor; undefined when no fragment of another file, or more than `max` of them, define the name that follows.
   * @param written the real text at the cursor, with which suggestions are compared
   */
  async caseOf(
    { task, prefix, suffix }: Place,
    uri: string,
    written: string,
    edits: Edits = noEdits,
    max = Infinity,
  ): Promise<StoredCase | undefined> {
    const { index, backbone, promptFormat } = this;
    const context: CursorContext = { uri, path: task.file, languageId: languageIdOf(task.file), prefix, suffix };
    const others = (need: Float32Array) =>
      index.search(need, index.fragmentCount).filter(({ fragment }) => fragment.path !== task.file);
    const anyNeed = new Float32Array(backbone.model.retrieval.dimension);
    const needed = relevantTo(
      task,
      others(anyNeed).map(({ fragment }) => fragment),
    );
    if (needed.size === 0 || needed.size > max) return undefined;
    const need = await expressNeed(backbone, promptFormat, context);
    const found = others(need);
    const candidates = found.slice(0, maxCandidates).map(({ fragment, score }) => {
      const edited = edits.edited.indexOf(fragment.path);
      const before = edits.before.indexOf(fragment.path);
      return {
        score: Math.round(score * 1e4) / 1e4,
        path: fragment.path,
        ...(needed.has(placeKey(fragment)) && { needed: true as const }),
        ...(edited >= 0 && { edited }),
        ...(before >= 0 && { before }),
      };
    });
    const imports = allImportStatements(prefix);
    const similarities = await this.suggest(context, edits, task.language, written);
    return {
      repository: task.repository,
      language: task.language,
      nullScore: nullScoreOf(backbone.model.retrieval, need),
      path: task.file,
      imports,
      candidates,
      similarities,
    };
  }

  /** Edit similarity of suggestions, even unsure ones, to the `written` text, for each of {@link trials}. */
  private async suggest(
    context: CursorContext,
    { edited, before }: Edits,
    language: string,
    written: string,
  ): Promise<number[]> {
    const { index, backbone, promptFormat, tokenizer, trees } = this;
    const line = context.prefix.slice(context.prefix.lastIndexOf("\n") + 1);
    const position = { line: context.prefix.split("\n").length - 1, character: line.length };
    /** Results by weights and by the fragments in the prompt, because few weights change the fragments. */
    const known = new Map<string, number>();
    const similarities: number[] = [];
    const isOneOf = (paths: readonly string[], uri: string) =>
      paths.slice(0, maxRecent).some((path) => uri.endsWith(`/${path}`));
    const wasEdited = (uri: string) => isOneOf(edited, uri);
    const wasBefore = (uri: string) => isOneOf(before, uri) && !wasEdited(uri);
    for (const trial of trials) {
      const weights = {
        imported: trial.imported,
        edited: edited.length === 0 ? 0 : trial.edited,
        before: before.length === 0 ? 0 : trial.before,
      };
      const given = JSON.stringify(weights);
      let similarity = known.get(given);
      if (similarity === undefined) {
        const boosts = sumOfBoosts(
          boostImported(weights.imported),
          boostEdited(wasEdited, weights.edited),
          boostEdited(wasBefore, weights.before),
        );
        const completer = new Completer({
          backbone,
          promptFormat,
          tokenizer,
          trees,
          source: () => index,
          boosts,
          log: () => {},
        });
        const { selected } = await completer.search(context, defaultSettings);
        const fragments = selected.map(({ fragment }) => placeKey(fragment)).join("\n");
        similarity = known.get(fragments);
        if (similarity === undefined) {
          const { suggestion } = await completer.complete(
            context,
            defaultSettings,
            position,
            undefined,
            performance.now(),
            { invoked: true },
          );
          similarity = Math.round(10 * score(language, line, suggestion, written).es) / 10;
        }
        known.set(given, similarity).set(fragments, similarity);
      }
      similarities.push(similarity);
    }
    return similarities;
  }

  async dispose(): Promise<void> {
    await this.index.dispose();
    this.trees.dispose();
    await this.backbone.dispose();
  }
}
