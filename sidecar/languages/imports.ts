// Which files of the workspace an open file imports, judged by its import statements and the files' paths alone.
import type { ImportStyle } from "./language";
import { languageOfFile, languages } from "./languages";

/**
 * Modules are matched to the ends of paths: `shop.money` is `src/shop/money.py` wherever the sources begin. A module of
 * another project with the same name as one here matches too: only the language's own resolution could tell them apart.
 */
export class Imports {
  /** Paths without what {@link stemOf} takes off, from the workspace folder. */
  private readonly files = new Set<string>();
  /** Ends of such paths. */
  private readonly fileEnds = new Set<string>();
  /** Ends of folders all of whose files are imported. */
  private readonly folderEnds = new Set<string>();

  /** Earlier results of {@link has}. */
  private readonly known = new Map<string, boolean>();

  /** @param statements import statements of the document at `path`, those above its cursor */
  constructor(path: string, statements: string) {
    if (statements === "") return;
    const readers: Readonly<Record<ImportStyle, (statements: string, folder: string) => void>> = {
      python: this.readPython,
      script: this.readScript,
      jvm: this.readJvm,
      includes: this.readIncludes,
      packages: this.readPackages,
      names: this.readNames,
    };
    readers[languageOfFile(path)?.imports ?? "names"].call(this, statements, folderOf(path));
  }

  /** Whether the file is imported. @param path from its workspace folder, with `/` */
  has(path: string): boolean {
    let imported = this.known.get(path);
    if (imported === undefined) {
      const stem = stemOf(path);
      imported = this.files.has(stem) || hasEnd(this.fileEnds, stem) || hasEnd(this.folderEnds, folderOf(path));
      this.known.set(path, imported);
    }
    return imported;
  }

  private readPython(statements: string, folder: string): void {
    const from = /^from[ \t]+(\.*)[ \t]*([\w.]*)[ \t]+import\b[ \t]*(\([^)]*\)?|.*)/gm;
    for (const [, dots = "", module = "", names = ""] of statements.matchAll(from)) {
      const inside = module.replaceAll(".", "/");
      const above = dots === "" ? undefined : climb(folder, dots.length - 1);
      const add = (stem: string) =>
        above === undefined ? this.fileEnds.add(stem) : this.files.add(joined(above, stem));
      if (inside !== "") add(inside);
      for (const [name] of names.replace(/\bas[ \t]+\w+|#.*/g, "").matchAll(/\w+/g)) add(joined(inside, name));
    }
    for (const [, modules = ""] of statements.matchAll(/^import[ \t]+(.+)/gm)) {
      for (const [module] of modules.replace(/\bas[ \t]+\w+|#.*/g, "").matchAll(/[\w.]+/g))
        this.fileEnds.add(module.replaceAll(".", "/"));
    }
  }

  private readScript(statements: string, folder: string): void {
    for (const [, module = ""] of statements.matchAll(
      /(?:\bfrom|\bimport|\brequire\()[ \t]*\(?[ \t]*["']([^"'\n]+)["']/g,
    )) {
      if (module.startsWith(".")) this.files.add(stemOf(resolved(folder, module)));
      // Only the build's settings know which folder an alias stands for.
      else if (/^[@~#]?\//.test(module)) this.fileEnds.add(stemOf(module.replace(/^[@~#]?\//, "")));
      else if (module.includes("/") && !module.startsWith("@")) this.fileEnds.add(stemOf(module));
    }
  }

  private readJvm(statements: string): void {
    for (const [, isStatic, module = "", all] of statements.matchAll(
      /^import[ \t]+(static[ \t]+)?([\w.]+?)(\.[*_])?[ \t]*(?:;|$|\bas\b)/gm,
    )) {
      const path = module.replaceAll(".", "/");
      if (isStatic !== undefined) this.fileEnds.add(all === undefined ? folderOf(path) : path);
      else if (all === undefined) this.fileEnds.add(path);
      else this.folderEnds.add(path);
    }
  }

  private readIncludes(statements: string, folder: string): void {
    for (const [, mark, module = ""] of statements.matchAll(/^#[ \t]*(?:include|import)[ \t]*(["<])([^">\n]+)/gm)) {
      if (mark === '"') this.files.add(stemOf(resolved(folder, module)));
      if (mark === '"' || module.includes("/")) this.fileEnds.add(stemOf(module.replace(/^(?:\.\.?\/)+/, "")));
    }
  }

  /** The last part of a module's name is a file, or something that the file named by the parts before declares. */
  private readNames(statements: string): void {
    for (const [, module = ""] of statements.matchAll(/^(?:import|using|use)[ \t]+(?:static[ \t]+)?([\w.:\\]+)/gm)) {
      const parts = module.split(/[.:\\]+/).filter((part) => !/^(?:crate|self|super|)$/.test(part));
      if (parts.length > 1)
        for (const path of [parts, parts.slice(0, -1), parts.slice(1)])
          if (path.length > 1) this.fileEnds.add(path.join("/"));
    }
  }

  /** Packages are folders whose names begin with a host: the last two parts are enough to find them. */
  private readPackages(statements: string): void {
    for (const [, module = ""] of statements.matchAll(/"([^"\n]+)"/g))
      if (module.includes("/")) this.folderEnds.add(module.split("/").slice(-2).join("/"));
  }
}

const importable = languages.filter(({ imports }) => imports !== undefined);
const importableExtensions = importable.flatMap(({ extensions }) => extensions.map(escapeRegExp)).join("|");
const extension = new RegExp(`(?<=.)(?:\\.d)?\\.(?:${importableExtensions})$`, "i");
const folderFiles = importable.flatMap(({ folderFile = [] }) => folderFile).join("|");
const folderFile = new RegExp(`/(?:${folderFiles})$`);

function escapeRegExp(text: string): string {
  return text.replace(/[^\w]/g, "\\$&");
}

/** A path without its extensions, and without the name of a file that stands for its folder. */
function stemOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return (path.slice(0, path.length - name.length) + name.replace(extension, "")).replace(folderFile, "");
}

/** Whether `path`, or the part of it after one of its slashes, is among `ends`. */
function hasEnd(ends: ReadonlySet<string>, path: string): boolean {
  if (ends.size === 0) return false;
  for (let at = 0; ; ) {
    if (ends.has(path.slice(at))) return true;
    const slash = path.indexOf("/", at);
    if (slash < 0) return false;
    at = slash + 1;
  }
}

/** Empty for a file in the workspace folder itself. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function climb(folder: string, levels: number): string {
  return levels === 0 ? folder : folder.split("/").slice(0, -levels).join("/");
}

function joined(folder: string, name: string): string {
  return folder === "" || name === "" ? folder + name : `${folder}/${name}`;
}

function resolved(folder: string, module: string): string {
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of module.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}
