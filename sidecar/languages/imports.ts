// Which files of the workspace an open file imports, told from its import statements and the files' paths alone.

/**
 * Modules are matched to paths from the end: `shop.money` is `src/shop/money.py` wherever the sources begin. A module of
 * somebody else's that has a namesake here counts too; without the language's own resolution they cannot be told apart.
 */
export class Imports {
  /** Paths without what {@link stemOf} takes off, from the workspace folder. */
  private readonly files = new Set<string>();
  /** Ends of such paths. */
  private readonly fileEnds = new Set<string>();
  /** Ends of folders all of whose files are imported. */
  private readonly folderEnds = new Set<string>();

  /** What was asked before. */
  private readonly known = new Map<string, boolean>();

  /** @param statements import statements of the document at `path`, those above its cursor */
  constructor(path: string, statements: string) {
    if (statements === "") return;
    const folder = folderOf(path);
    const extension = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
    if (/^pyi?$/.test(extension)) this.readPython(statements, folder);
    else if (/^(?:[cm]?[jt]sx?|vue|svelte)$/.test(extension)) this.readScript(statements, folder);
    else if (/^(?:java|kts?|scala|groovy)$/.test(extension)) this.readJvm(statements);
    else if (/^(?:[ch]|cc|cpp|cxx|hh|hpp|m|mm)$/.test(extension)) this.readIncludes(statements, folder);
    else if (extension === "go") this.readPackages(statements);
    else this.readNames(statements);
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
      // What stands in front of an alias's slash is a folder that only the build's settings know.
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

  /** Languages whose modules are named by parts: the last part is a file, or what a file of the parts before it declares. */
  private readNames(statements: string): void {
    for (const [, module = ""] of statements.matchAll(/^(?:import|using|use)[ \t]+(?:static[ \t]+)?([\w.:\\]+)/gm)) {
      const parts = module.split(/[.:\\]+/).filter((part) => !/^(?:crate|self|super|)$/.test(part));
      if (parts.length > 1)
        for (const path of [parts, parts.slice(0, -1), parts.slice(1)])
          if (path.length > 1) this.fileEnds.add(path.join("/"));
    }
  }

  /** Packages are folders, named from a host on: their last two parts tell them well enough. */
  private readPackages(statements: string): void {
    for (const [, module = ""] of statements.matchAll(/"([^"\n]+)"/g))
      if (module.includes("/")) this.folderEnds.add(module.split("/").slice(-2).join("/"));
  }
}

/** A path without its extensions, and without the name of a file that stands for its folder. */
function stemOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const stem =
    path.slice(0, path.length - name.length) +
    name.replace(
      /(?<=.)(?:\.d)?\.(?:[cm]?[jt]sx?|pyi?|vue|svelte|java|kts?|scala|groovy|[ch]|cc|cpp|cxx|hh|hpp|m|mm|cs|rs|php|go)$/i,
      "",
    );
  return stem.replace(/\/(?:__init__|index|mod)$/, "");
}

/** Whether `path`, or what is left of it behind one of its slashes, is among `ends`. */
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
