// Completers of the real model and of scripted ones, over two fragments of a workspace.
import { afterAll } from "vitest";
import { Completer } from "../../../sidecar/completion/completer";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { defaultSettings, type Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { modelPath } from "../../model";
import { scriptedBackbone } from "./scripted-backbone";

export const model = await loadModelPackage(modelPath);
export const tokenizer = await Tokenizer.load(model);
export const promptFormat = new PromptFormat(model, tokenizer);
export const real = await createBackbone(model, { provider: "cpu", threads: 1 });
afterAll(() => real.dispose());

/** What completers logged. */
export const logged: string[] = [];

export const context: CursorContext = {
  uri: "file:///w/web/cart.ts",
  path: "web/cart.ts",
  languageId: "typescript",
  prefix: "import { addMoney } from './money';\n\nexport function total(a: Money, b: Money): Money {\n  return ",
  suffix: "\n}\n",
};
const hits: ScoredFragment[] = ["money", "tax"].map((name, at) => ({
  fragment: {
    uri: `file:///w/web/${name}.ts`,
    path: `web/${name}.ts`,
    startLine: 4,
    endLine: 6,
    text: `export function ${name}Of(a: Money): Money {\n  return a;\n}`,
  },
  score: 0.99 - at / 100,
}));
export const source: FragmentSource = {
  fragmentCount: 2,
  revision: 1,
  vectorIndex: { name: "flat", reason: "test" },
  search: (_, k) => hits.slice(0, k),
};

export const completer = (backbone: Backbone, from: () => FragmentSource | undefined = () => source) =>
  new Completer({ backbone, promptFormat, tokenizer, source: from, log: (line) => logged.push(line) });
export const complete = (using: Completer, settings: Partial<Settings> = {}, signal?: AbortSignal, at = context) =>
  using.complete(at, { ...defaultSettings, ...settings }, { line: 3, character: 9 }, signal, performance.now());
/** A model that generates `text` after the last token of the prefix, which token healing makes it generate again. */
export const saying = (text: string) =>
  scriptedBackbone(model, {
    tokens: [...tokenizer.encode(context.prefix).slice(-1), ...tokenizer.encode(text)],
    last: tokenizer.tokenOf(model.specialTokens.endOfText),
  });
