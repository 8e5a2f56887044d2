// Takes a prompt apart for people: special tokens, paths, fragments, and the code before and after the cursor.
import type { ModelPackage } from "../inference/package/model-package";
import type { Tokenizer } from "../inference/tokenizer";
import type { PromptPiece, PromptPieceKind } from "../protocol";
import type { Prompt } from "./prompt";

/** A run of tokens of one kind. */
interface Run {
  readonly kind: PromptPieceKind;
  readonly tokens: readonly number[];
}

const kindOfSlot: Readonly<Record<string, PromptPieceKind>> = {
  "{path}": "path",
  "{text}": "fragment",
  "{prefix}": "prefix",
  "{imports}": "prefix",
  "{suffix}": "suffix",
};

/**
 * The pieces of a prompt in its own order; their tokens add up to the prompt's. They are found by the templates of the
 * package, as the prompt was made. Code in a layout that no template has is one piece of `prefix`.
 * @param path of the document around the cursor
 */
export function piecesOf(
  model: Pick<ModelPackage, "prompt">,
  tokenizer: Tokenizer,
  prompt: Prompt,
  path: string,
): PromptPiece[] {
  const { fragment, fillInMiddle, leftToRight, maxPathTokens } = model.prompt;
  const pathTokens = (of: string): number => Math.min(tokenizer.encode(of).length, maxPathTokens);
  const pieceOf = ({ kind, tokens }: Run): PromptPiece => ({
    kind,
    text: tokenizer.decode(tokens),
    tokens: tokens.length,
  });
  const pieces: PromptPiece[] = [];
  let at = 0;
  for (const [place, { reference, tokens }] of prompt.fragments.entries()) {
    const runs = splitByTemplate(fragment, tokenizer, tokens, pathTokens(reference.path)) ?? [
      { kind: "fragment", tokens },
    ];
    pieces.push(...runs.map((run) => ({ ...pieceOf(run), fragment: place })));
    at += tokens.length;
  }
  const code = prompt.tokens.slice(at);
  for (const template of [fillInMiddle, leftToRight]) {
    const runs = template && splitByTemplate(template, tokenizer, code, pathTokens(path));
    if (runs !== undefined) return [...pieces, ...runs.map(pieceOf)];
  }
  return [...pieces, pieceOf({ kind: "prefix", tokens: code })];
}

/**
 * The runs that filled the places of `template`, without the empty ones; undefined where `tokens` do not fit it. A place
 * whose length is not known ends where the next fixed piece begins, and that is a special token, which no text holds, or
 * the template's end.
 */
function splitByTemplate(
  template: readonly string[],
  tokenizer: Tokenizer,
  tokens: readonly number[],
  pathTokens: number,
): Run[] | undefined {
  const fixed = (piece: string): readonly number[] | undefined =>
    piece in kindOfSlot ? undefined : tokenizer.isSpecial(piece) ? [tokenizer.tokenOf(piece)] : tokenizer.encode(piece);
  const runs: Run[] = [];
  let at = 0;
  for (const [place, piece] of template.entries()) {
    const ids = fixed(piece);
    let end = at + (ids?.length ?? pathTokens);
    if (ids === undefined && piece !== "{path}") {
      const rest = template.slice(place + 1);
      const mark = rest.find((next) => tokenizer.isSpecial(next));
      const before = mark === undefined ? rest : rest.slice(0, rest.indexOf(mark));
      const until = mark === undefined ? tokens.length : tokens.indexOf(tokenizer.tokenOf(mark), at);
      end = until - before.reduce((sum, next) => sum + (fixed(next)?.length ?? 0), 0);
    }
    const run = tokens.slice(at, end);
    if (end < at || end > tokens.length || ids?.some((id, n) => run[n] !== id)) return undefined;
    if (run.length > 0) runs.push({ kind: kindOfSlot[piece] ?? "special", tokens: run });
    at = end;
  }
  return at === tokens.length ? runs : undefined;
}
