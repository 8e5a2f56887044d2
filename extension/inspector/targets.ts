// Places of the code that the page names by number, never by address: only what the sidecar sent can be opened.
import type { FragmentReference } from "../../sidecar/protocol";
import type { InspectorState } from "./inspector-state";
import type { FragmentTarget, OpenTarget } from "./page-message";

/** 0-based lines and UTF-16 characters, as in LSP. */
export interface CodeRange {
  readonly uri: string;
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly line: number; readonly character: number };
}

/** Undefined where the page shows no such fragment any more. */
export function fragmentAt({ shown, found }: InspectorState, target: FragmentTarget): FragmentReference | undefined {
  switch (target.kind) {
    case "fragment":
      return shown?.fragments[target.index];
    case "dropped":
      return shown?.dropped[target.index];
    case "found":
      return found?.state === "answered" ? found.value?.fragments[target.index] : undefined;
  }
}

/** What a click opens: whole lines of a fragment, or the place of a token or of the cursor. Undefined as above. */
export function rangeAt(state: InspectorState, target: OpenTarget): CodeRange | undefined {
  if (target.kind !== "cursor" && target.kind !== "token") {
    const fragment = fragmentAt(state, target);
    return (
      fragment && {
        uri: fragment.uri,
        start: { line: fragment.startLine - 1, character: 0 },
        end: { line: fragment.endLine - 1, character: Number.MAX_SAFE_INTEGER },
      }
    );
  }
  const { shown } = state;
  if (shown === undefined) return undefined;
  const { need } = state.answersOf(shown.id);
  const token = target.kind === "token" && need?.state === "answered" ? need.value?.tokens[target.index] : undefined;
  const position = token?.position ?? shown.position;
  return { uri: shown.uri, start: position, end: position };
}
