// The import graph of the project's sources, type imports and packages included.
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, sep } from "node:path";
import { init, parse } from "es-module-lexer";

/** The imports of each file, by path from the root with `/`. */
export type ImportGraph = ReadonlyMap<string, Imports>;

export interface Imports {
  /** Imported files of the project, as paths from the root with `/`. */
  readonly files: readonly string[];
  /** Imported packages, with subpaths (`vitest/config`); Node's own are omitted. */
  readonly packages: readonly string[];
}

const source = /\.(?:ts|mts|mjs)$/;
/** Finds packages that are loaded by `require`, because their binaries are not bundled. */
const required = /\brequire(?:\.resolve)?\("([^".][^"]*)"\)/g;

/** The named files, and all sources in the named folders. @param skip excluded folders */
export function sourcesIn(root: string, names: readonly string[], skip: readonly string[] = []): string[] {
  return names
    .flatMap((name) =>
      source.test(name)
        ? [name]
        : readdirSync(join(root, name), { recursive: true, encoding: "utf8" })
            .filter((path) => source.test(path))
            .map((path) => posix.join(name, path.split(sep).join("/"))),
    )
    .filter((path) => !skip.some((folder) => path.startsWith(`${folder}/`)))
    .sort();
}

/** Reads the imports of `files`. @throws Error for an import of a file that is not among `files` */
export async function importGraph(root: string, files: readonly string[]): Promise<ImportGraph> {
  await init;
  const known = new Set(files);
  return new Map(files.map((file) => [file, importsOf(file, readFileSync(join(root, file), "utf8"), known)]));
}

function importsOf(file: string, text: string, known: ReadonlySet<string>): Imports {
  const [imports] = parse(text, file);
  const names = [
    ...imports.flatMap(({ n }) => n ?? []),
    ...[...text.matchAll(required)].flatMap(([, name]) => name ?? []),
  ];
  const own = names.filter((name) => name.startsWith(".") && !name.endsWith(".json"));
  const packages = names.filter((name) => !name.startsWith(".") && !name.startsWith("node:"));
  return { files: [...new Set(own.map((name) => resolved(file, name, known)))], packages: [...new Set(packages)] };
}

function resolved(file: string, name: string, known: ReadonlySet<string>): string {
  const path = posix.join(posix.dirname(file), name);
  const found = [path, `${path}.ts`].find((candidate) => known.has(candidate));
  if (found === undefined) throw new Error(`${file}: expected a source at ${path}, found none. Correct the import.`);
  return found;
}

/** Import cycles, each once (strongly connected components, Tarjan 1972). */
export function circlesOf(graph: ReadonlyMap<string, Pick<Imports, "files">>): string[][] {
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): number => {
    const number = order.size;
    order.set(file, number);
    stack.push(file);
    let low = number;
    const imports = graph.get(file)?.files ?? [];
    for (const next of imports) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, lowest.get(next) ?? order.get(next) ?? low);
      lowest.set(file, low);
    }
    if (low === number) {
      const circle = stack.splice(stack.indexOf(file));
      if (circle.length > 1 || imports.includes(file)) circles.push(circle.reverse());
    }
    return low;
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return circles;
}
