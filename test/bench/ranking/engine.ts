// The sidecar's own index and need, for ranking measured away from prompts.
import { join } from "node:path";
import { Completer } from "../../../sidecar/completion/completer";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { loadModelPackage } from "../../../sidecar/inference/model-package";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { defaultSettings } from "../../../sidecar/protocol";
import { importStatements } from "../../../sidecar/inference/import-statements";
import { expressNeed, nullScoreOf } from "../../../sidecar/retrieval/need";
import { type Raising, raisingEdited, type RaisingRule } from "../../../sidecar/retrieval/ranking";
import type { CursorContext } from "../../../sidecar/retrieval/retrieval";
import { languageIdOf } from "../../../sidecar/server/language-id";
import { quietLog } from "../../../sidecar/server/log";
import { createChunker } from "../../../sidecar/workspace/create-chunker";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import type { Place } from "../../eval/input";
import { placeKey, relevantTo } from "../../eval/relevance";
import { score } from "../../eval/scoring";
import { raisingImported } from "./imports";
import { mostRecent, type StoredCase, trials } from "./cases";

/** Places of edited files, the last edited first. */
export interface Edits {
  /** In the piece of work that the cursor is part of. */
  readonly edited: readonly string[];
  /** In earlier ones. */
  readonly before: readonly string[];
}

/** Enough blank lines that every import stands above what {@link importStatements} leaves out. */
const below = "\n".repeat(16);
/** Raises what lies at one of the first of these paths. */
function raisingWhere(paths: readonly string[], by: number): RaisingRule[] {
  return by === 0 ? [] : [raisingEdited((uri) => paths.slice(0, mostRecent).some((path) => uri.endsWith(`/${path}`)), by)];
}

function firstOf(all: readonly Raising[]): Raising {
  return (fragment) => all.map((raising) => raising(fragment)).find((raise) => raise !== undefined);
}

/** No search for a prompt looks further. */
const mostCandidates = 512;

const noEdits: Edits = { edited: [], before: [] };

export class RankingEngine {
  private constructor(
    private readonly backbone: Backbone,
    private readonly promptFormat: PromptFormat,
    private readonly tokenizer: Tokenizer,
    readonly index: WorkspaceIndex,
  ) {}

  /** @param work folder of the index, which a later run takes its embeddings from */
  static async open(modelPath: string, grammarPath: string, work: string): Promise<RankingEngine> {
    const model = await loadModelPackage(modelPath);
    const tokenizer = await Tokenizer.load(model);
    const promptFormat = new PromptFormat(model, tokenizer);
    const backbone = await createBackbone(model, { provider: "auto", threads: defaultSettings.threads });
    const chunker = await createChunker(grammarPath, () => {});
    const index = new WorkspaceIndex({ backbone, promptFormat, storagePath: join(work, "index"), chunker, limits: { maxFileKilobytes: defaultSettings.maxFileKilobytes }, log: quietLog });
    return new RankingEngine(backbone, promptFormat, tokenizer, index);
  }

  get modelHash(): string {
    return this.backbone.model.hash;
  }

  /**
   * What can be ranked at the cursor, in what is indexed now; undefined where no fragment of another file defines what follows, or more than `most` do.
   * @param written what stands at the cursor: suggestions are made and compared with it
   */
  async caseOf({ task, prefix, suffix }: Place, uri: string, edits: Edits = noEdits, most = Infinity, written?: string): Promise<StoredCase | undefined> {
    const { index, backbone, promptFormat } = this;
    const context: CursorContext = { uri, path: task.file, languageId: languageIdOf(task.file), prefix, suffix };
    const others = (need: Float32Array) => index.search(need, index.fragmentCount).filter(({ fragment }) => fragment.path !== task.file);
    const anyNeed = new Float32Array(backbone.model.retrieval.dimension);
    const needed = relevantTo(task, others(anyNeed).map(({ fragment }) => fragment));
    if (needed.size === 0 || needed.size > most) return undefined;
    const need = await expressNeed(backbone, promptFormat, context);
    const found = others(need);
    const candidates = found.slice(0, mostCandidates).map(({ fragment, score }) => {
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
    const imports = importStatements(prefix + below);
    const similarities = written === undefined ? undefined : await this.suggest(context, edits, task.language, written);
    return { repository: task.repository, language: task.language, nullScore: nullScoreOf(backbone.model.retrieval, need), path: task.file, imports, candidates, ...(similarities && { similarities }) };
  }

  /** Edit similarity of the suggestion to what was `written`, under each of {@link trials}. */
  private async suggest(context: CursorContext, { edited, before }: Edits, language: string, written: string): Promise<number[]> {
    const { index, backbone, promptFormat, tokenizer } = this;
    const line = context.prefix.slice(context.prefix.lastIndexOf("\n") + 1);
    const position = { line: context.prefix.split("\n").length - 1, character: line.length };
    const similarities: number[] = [];
    for (const weights of trials) {
      const rules = [raisingImported(weights.imported), ...raisingWhere(edited, weights.edited), ...raisingWhere(before, weights.before)];
      const raising: RaisingRule = (at) => firstOf(rules.map((rule) => rule(at)));
      const completer = new Completer({ backbone, promptFormat, tokenizer, source: () => index, raising, log: () => {} });
      const { suggestion } = await completer.complete(context, defaultSettings, position, undefined, performance.now());
      similarities.push(Math.round(10 * score(language, line, suggestion, written).es) / 10);
    }
    return similarities;
  }

  async dispose(): Promise<void> {
    await this.index.dispose();
    await this.backbone.dispose();
  }
}
