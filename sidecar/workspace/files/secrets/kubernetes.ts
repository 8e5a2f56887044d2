// Finds values in manifests of Kubernetes secrets.
import type { SecretRule, Span } from "./rule";
import { isPlaceholder, isReference } from "./value";

const manifest = /^[ \t]*["']?kind["']?[ \t]*:[ \t]*["']?Secret["']?[ \t]*,?[ \t\r]*$/m;
const data = /^([ \t]*)["']?(?:data|stringData)["']?[ \t]*:[ \t]*\{?[ \t\r]*$/;
const entry = /^([ \t]*)["']?[\w.-]+["']?[ \t]*:[ \t]*(.*)$/;

export const kubernetesRule: SecretRule = {
  what: "the data of a Kubernetes secret",
  keywords: ["stringdata", "data"],
  *find(text) {
    let start = 0;
    for (const document of text.split(/^---/m)) {
      if (manifest.test(document)) yield* valuesOf(document, start);
      start += document.length + 3;
    }
  },
};

/** The values below `data` and `stringData`. */
function* valuesOf(document: string, offset: number): Generator<Span> {
  let at = offset;
  /** Columns before `data`, while its entries are read. */
  let depth: number | undefined;
  for (const line of document.split("\n")) {
    const begins = data.exec(line);
    const found = entry.exec(line);
    if (begins !== null) depth = begins[1]?.length ?? 0;
    else if (depth !== undefined && line.trim() !== "" && (/^[ \t]*/.exec(line)?.[0].length ?? 0) <= depth)
      depth = undefined;
    else if (depth !== undefined) {
      const value = (found?.[2] ?? line).trim().replace(/^["']|["'],?$/g, "");
      const isFilled = value.length >= 4 && !/^[|>][-+]?$/.test(value) && !isPlaceholder(value) && !isReference(value);
      const column = line.lastIndexOf(value);
      if (isFilled && !value.startsWith("#")) yield { start: at + column, end: at + column + value.length };
    }
    at += line.length + 1;
  }
}
