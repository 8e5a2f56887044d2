// Runs tasks with the sidecar's code: indexes each repository once, completes at every cursor, and scores the suggestions.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Completer } from "../../sidecar/completion/completer";
import { SyntaxTrees } from "../../sidecar/completion/syntax/tree";
import type { Log } from "../../sidecar/host/log";
import { plainLineBreaks } from "../../sidecar/host/plain-text";
import type { Backbone } from "../../sidecar/inference/backbone";
import { createBackbone } from "../../sidecar/inference/onnx-backbone";
import { loadModelPackage, type ModelPackage } from "../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../sidecar/languages/languages";
import { defaultSettings, type ExecutionProviderSetting, type Settings } from "../../sidecar/protocol";
import { type BoostOf, type BoostRule, defaultBoosts, rankFragments } from "../../sidecar/retrieval/boosts";
import type { CursorContext } from "../../sidecar/retrieval/types";
import type { Chunker } from "../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../sidecar/workspace/chunking/create-chunker";
import type { Fragment } from "../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../sidecar/workspace/fragment-source";
import { WorkspaceIndex } from "../../sidecar/workspace/workspace-index";
import { type Files, type Place, placeOf, type Task } from "./input";
import { completePlainly } from "./plain";
import { placeKey, relevantTo } from "./relevance";
import { Repository } from "./repository";
import type { Result, ResultFile } from "./results";
import { Ranker, type RetrieverName, rankedSource, usesIndex } from "./retrievers";
import { score, statement } from "./scoring";
import { WindowChunker } from "./windows";

export interface EvaluationOptions {
  readonly modelPath: string;
  readonly grammarPath: string;
  /** Folder for the index and, while it is in use, a repository. */
  readonly work: string;
  readonly retriever: RetrieverName;
  /** `product`: fragments as the sidecar cuts them; `windows`: as the benchmark's script does. */
  readonly fragments: "product" | "windows";
  /** As the training project measures: no n-gram lookup, no stops, no filters, no fragments of the cursor's own file. */
  readonly plain: boolean;
  /** Boost of fragments of imported files; only for `selfracg` without `plain`. */
  readonly imported: number;
  readonly provider: ExecutionProviderSetting;
  readonly threads: number;
  readonly log: Log;
}

const settings: Settings = defaultSettings;
const maxBytes = settings.maxFileKilobytes * 1024;
/** Number of ranks that count. */
const depth = 10;

export class Evaluation {
  private constructor(
    private readonly options: EvaluationOptions,
    readonly backbone: Backbone,
    private readonly promptFormat: PromptFormat,
    private readonly tokenizer: Tokenizer,
    private readonly chunker: Chunker,
    private readonly trees: SyntaxTrees,
    private readonly index: WorkspaceIndex | undefined,
  ) {}

  /** Loads the model. @throws Error for a model package that cannot be used */
  static async open(options: EvaluationOptions): Promise<Evaluation> {
    const { log, retriever } = options;
    const model = await loadModelPackage(options.modelPath);
    const tokenizer = await Tokenizer.load(model);
    const promptFormat = new PromptFormat(model, tokenizer);
    const backbone = await createBackbone(model, {
      provider: options.provider,
      threads: options.threads,
      log: (line) => log.info(line),
      warn: (line) => log.warn(line),
    });
    const chunker =
      options.fragments === "windows"
        ? new WindowChunker()
        : await createChunker(options.grammarPath, (message) => log.warn(message));
    const trees = await SyntaxTrees.load(options.grammarPath, (message) => log.warn(message), Infinity);
    const limits = { maxFileKilobytes: settings.maxFileKilobytes };
    const index = usesIndex(retriever)
      ? new WorkspaceIndex({ backbone, promptFormat, storagePath: join(options.work, "index"), chunker, limits, log })
      : undefined;
    return new Evaluation(
      options,
      retriever === "selfracg" ? backbone : unconditional(backbone, retriever),
      promptFormat,
      tokenizer,
      chunker,
      trees,
      index,
    );
  }

  private get boosts(): BoostRule {
    const { retriever, plain, imported } = this.options;
    return defaultBoosts(undefined, { imported: retriever === "selfracg" && !plain ? imported : 0, edited: 0 });
  }

  get model(): ModelPackage {
    return this.backbone.model;
  }

  /** A fingerprint of all that a result depends on, 16 hexadecimal digits. @param code fingerprint of the program */
  key(code: string): string {
    const { retriever, fragments, plain, imported } = this.options;
    const { hash, retrieval } = this.model;
    return createHash("sha256")
      .update(JSON.stringify([code, hash, retrieval, retriever, fragments, plain, imported, settings]))
      .digest("hex")
      .slice(0, 16);
  }

  /** Does the tasks of one repository that `results` lacks. @param onProgress called with the current activity */
  async run(
    name: string,
    files: Files,
    tasks: readonly Task[],
    results: ResultFile,
    onProgress: (detail: string) => void,
  ): Promise<void> {
    const left = tasks.filter((task) => results.resultOf(task) === undefined).map((task) => placeOf(task, files));
    if (left.length === 0) return;
    onProgress(`${name}: reading`);
    const indexable = this.options.fragments === "product" ? { maxBytes } : undefined;
    const folder = createHash("sha256").update(name).digest("hex").slice(0, 16);
    const repository = await Repository.open(
      name,
      join(this.options.work, "repositories", folder),
      files,
      this.chunker,
      indexable,
    );
    try {
      const search =
        this.index === undefined
          ? new RankerSearch(new Ranker(this.options.retriever, repository), repository, !this.options.plain)
          : await IndexSearch.open(this.index, repository, !this.options.plain, onProgress);
      for (const place of left) {
        onProgress(`${name}: completing`);
        results.add(await this.complete(place, repository, search));
      }
      await search.close();
    } finally {
      await repository.remove();
    }
  }

  async dispose(): Promise<void> {
    await this.index?.dispose();
    await this.backbone.dispose();
  }

  private async complete(place: Place, repository: Repository, search: Search): Promise<Result> {
    const { task, prefix, suffix } = place;
    const others = repository.fragments.filter(({ path }) => path !== task.file);
    const needed = relevantTo(task, others);
    const context: CursorContext = {
      uri: repository.uriOf(task.file),
      path: task.file,
      languageId: languageIdOf(task.file),
      prefix: plainLineBreaks(prefix),
      suffix: plainLineBreaks(suffix),
    };
    const boostOf = this.boosts(context);
    const { source, best } = await search.at(place, others, boostOf);
    const line = prefix.slice(prefix.lastIndexOf("\n") + 1);
    const { backbone, promptFormat, tokenizer, trees } = this;
    const completer = new Completer({
      backbone,
      promptFormat,
      tokenizer,
      trees,
      source: () => source,
      boosts: this.boosts,
      log: () => {},
    });
    const chosen: Settings = { ...settings, retrieval: this.options.retriever !== "none" };
    const started = performance.now();
    let prediction: string;
    let suppressed: string | undefined;
    let used: readonly string[];
    if (this.options.plain) {
      const { selected } = await completer.search(context, chosen);
      const isEnough = (text: string) =>
        text.trim() !== "" && statement(task.language, line, text).length < text.trimEnd().length;
      const plain = await completePlainly(context, selected, {
        backbone,
        promptFormat,
        tokenizer,
        maxTokens: settings.maxTokens,
        isEnough,
      });
      prediction = plain.text;
      used = plain.used.map(({ fragment }) => placeKey(fragment));
    } else {
      const position = { line: prefix.split("\n").length - 1, character: line.length };
      const trace = await completer.complete(context, chosen, position, undefined, started, { invoked: true });
      prediction = trace.suggestion;
      suppressed = trace.suppressed;
      used = trace.fragments.map((fragment) => placeKey({ ...fragment, text: "" }));
    }
    const ms = performance.now() - started;
    const rank = best()
      .slice(0, depth)
      .findIndex((fragment) => needed.has(placeKey(fragment)));
    const { id, language, file, offset, groundtruth } = task;
    return {
      id,
      language,
      repository: task.repository,
      file,
      offset,
      groundtruth,
      prediction,
      ...(suppressed !== undefined && { suppressed }),
      statement: statement(language, line, prediction).trim(),
      ...score(language, line, prediction, groundtruth),
      needs: needed.size > 0,
      rank: rank < 0 ? null : rank,
      inPrompt: used.some((key) => needed.has(key)),
      fragments: used.length,
      ms,
    };
  }
}

/** A model that accepts all fragments found, and computes no need when it is not used. */
function unconditional(backbone: Backbone, retriever: RetrieverName): Backbone {
  const { nullVector: _, ...retrieval } = backbone.model.retrieval;
  return {
    model: { ...backbone.model, retrieval: { ...retrieval, nullScore: -Infinity } },
    provider: backbone.provider,
    prefill: (tokens, options) => backbone.prefill(tokens, options),
    decode: (...given) => backbone.decode(...given),
    rewind: (cache, length) => backbone.rewind(cache, length),
    express: (tokens, signal) =>
      usesIndex(retriever) ? backbone.express(tokens, signal) : Promise.resolve(new Float32Array(retrieval.dimension)),
    needWeights: (...given) => backbone.needWeights(...given),
    embed: (fragments, signal) => backbone.embed(fragments, signal),
    dispose: () => backbone.dispose(),
  };
}

/** The fragments that can be found at a cursor. */
interface Search {
  /**
   * `others` are the fragments of the other files, `boostOf` what is added to their scores. `source` is searched for
   * the prompt; `best` says, after the completion, how the other files' fragments rank.
   */
  at(
    place: Place,
    others: readonly Fragment[],
    boostOf: BoostOf,
  ): Promise<{ source: FragmentSource; best: () => readonly Fragment[] }>;
  close(): Promise<void>;
}

class RankerSearch implements Search {
  constructor(
    private readonly ranker: Ranker,
    private readonly repository: Repository,
    /** Whether fragments of the cursor's file before the cursor may be used. */
    private readonly ownFile: boolean,
  ) {}

  async at(
    place: Place,
    others: readonly Fragment[],
  ): Promise<{ source: FragmentSource; best: () => readonly Fragment[] }> {
    const own = this.ownFile ? await this.repository.cut(place.task.file, place.prefix) : [];
    return {
      source: rankedSource(this.ranker.rank(place, [...others, ...own])),
      best: () => this.ranker.rank(place, others),
    };
  }

  async close(): Promise<void> {}
}

/** The sidecar's index of the repository's folder. The cursor's file is on disk only up to the cursor. */
class IndexSearch implements Search {
  private cut: string | undefined;

  private constructor(
    private readonly index: WorkspaceIndex,
    private readonly repository: Repository,
    private readonly ownFile: boolean,
  ) {}

  static async open(
    index: WorkspaceIndex,
    repository: Repository,
    ownFile: boolean,
    onProgress: (detail: string) => void,
  ): Promise<IndexSearch> {
    await index.setFolders([{ uri: repository.uri, name: repository.name }]);
    await index.reindex({
      onProgress: (done, total) => onProgress(`${repository.name}: indexing, ${done}/${total} files`),
    });
    return new IndexSearch(index, repository, ownFile);
  }

  async at(
    { task, prefix }: Place,
    _others: readonly Fragment[],
    boostOf: BoostOf,
  ): Promise<{ source: FragmentSource; best: () => readonly Fragment[] }> {
    const { index, repository } = this;
    if (this.cut !== undefined && this.cut !== task.file) {
      await repository.write(this.cut);
      await index.updateFile(repository.uriOf(this.cut));
    }
    this.cut = task.file;
    await repository.write(task.file, prefix);
    await index.updateFile(repository.uriOf(task.file));
    let asked: Float32Array | undefined;
    const among = (need: Float32Array) =>
      index.search(need, index.fragmentCount).filter(({ fragment }) => fragment.path !== task.file);
    const source: FragmentSource = {
      fragmentCount: index.fragmentCount,
      revision: index.revision,
      vectorIndex: index.vectorIndex,
      search: (need, k) => {
        asked = need;
        return this.ownFile ? index.search(need, k) : among(need).slice(0, k);
      },
    };
    return {
      source,
      best: () => (asked === undefined ? [] : rankFragments(among(asked), boostOf).map(({ fragment }) => fragment)),
    };
  }

  async close(): Promise<void> {
    await this.index.setFolders([]);
  }
}
