// Suggestions of the model under test at places where text follows the cursor, or where a wrong one would break the file.
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { InlineCompletionTriggerKind } from "vscode-languageserver/node";
import { damageOf, type ErrorCounter, errorCounter } from "../bench/replay/damage";
import { cleanUp, dist, type Sidecar, start } from "./client";

/** Language and text of each place; ║ is the cursor. */
const places: readonly (readonly [languageId: string, text: string])[] = [
  // Before a word.
  ["typescript", "const total = 10 + ║items.length;\n"],
  ["typescript", "async function load(url: string) {\n  const answer = ║fetch(url);\n  return answer;\n}\n"],
  ["typescript", "export ║function add(a: number, b: number): number {\n  return a + b;\n}\n"],
  ["java", "class A {\n  public static ║void main(String[] args) {\n    run(args);\n  }\n}\n"],
  ["cpp", "int area(int w, int h) {\n  return ║w * h;\n}\n"],
  ["python", "total = ║price * count\nprint(total)\n"],
  ["rust", "fn main() {\n    let x = ║vec![1, 2, 3];\n}\n"],
  // Before closing brackets: in code, in comments, in strings.
  ["typescript", "const a = [1, 2, ║];\n"],
  ["typescript", "console.log(JSON.stringify(║));\n"],
  ["typescript", "async function f() {\n  const stat = await files.stat(this.base║);\n  return stat;\n}\n"],
  ["python", 'value = data["key"][║]\n'],
  ["python", "x = {\n    'a': foo(║),\n    'b': 2,\n}\n"],
  ["java", "class A {\n  void f() {\n    list.add(map.get(║));\n  }\n}\n"],
  ["go", 'func main() {\n\tfmt.Println(strings.Join(parts║, ", "))\n}\n'],
  ["rust", "fn f(d: &D) -> Option<D> {\n    d.part.map(Into:║)\n}\n"],
  ["cpp", "int main() {\n  std::cout << std::max(a║, b) << std::endl;\n}\n"],
  ["typescript", "/* see the list (below║) */\nconst a = 1;\n"],
  ["typescript", "const message = `Hello (${name║})`;\n"],
  ["python", "# a list (or tuple║) of names\nnames = []\n"],
  // At the end of a line.
  ["python", "def add(a, b):\n    return ║\n"],
  ["python", "class Point:\n    def __init__(self, x, y):\n        self.x = ║\n"],
  ["python", "import json\n\ndef read_json(path):\n    with open(path) as file:\n        return ║\n"],
  ["java", "class A {\n  private final int count;\n\n  A(int count) {\n    this.count = ║\n  }\n}\n"],
  ["typescript", "export function add(a: number, b: number): number {\n  return ║\n}\n"],
  // On a line of its own.
  ["typescript", "function f(items: string[]) {\n  ║\n  return items;\n}\n"],
  ["go", "package main\n\nfunc read(path string) ([]byte, error) {\n\t║\n\treturn data, nil\n}\n"],
  ["python", 'def mul(a, b):\n    """Multiplies."""\n    return a * b\n\n\ndef add(a, b):\n    ║\n    return a + b\n'],
  [
    "java",
    "class A {\n  /**\n   * Adds.\n   * @param a one\n   */\n  int add(int a) {\n    return a;\n  }\n\n  ║\n  int sub(int a) {\n    return -a;\n  }\n\n  /** Negates. */\n  int neg() {\n    return 1;\n  }\n}\n",
  ],
  ["javascript", "const a = `<ul>\n  <li>one</li>\n</ul>`;\nconst b = ║\nconst c = `<ul>\n</ul>`;\n"],
  // Where models repeat themselves.
  ["dockerfile", "RUN pip install numpy \\\n && pip install scipy \\\n && pip install torch \\\n && pip║\n"],
  ["sql", "select first_name, last_name, first_name, last_name, first_na║\n"],
  ["python", "x = first_name + last_name + first_name + last_name + first_na║\n"],
];

/** Places behind a decorator whose definition stands below it: a suggestion may well have to be empty there. */
const behindDecorators: typeof places = [
  ["python", "class A:\n    @property║\n    def last(self):\n        return self.items[-1]\n"],
  ["python", "class A:\n    @staticmethod\n    ║\n    def build(name):\n        return A(name)\n"],
  ["java", "class A {\n\t@Override\n\tpublic void a() {\n\t\tb();\n\t}\n\n\t@Override║\n\tpublic void c() {\n\t}\n}\n"],
  ["rust", "#[test]\nfn a() {\n    assert!(b());\n}\n\n#[test]║\nfn c() {\n    assert!(d());\n}\n"],
  ["typescript", "class A {\n  @Input() a: string;\n  @Input()║\n  name: string;\n}\n"],
];

let sidecar: Sidecar;
let count: ErrorCounter;
beforeAll(async () => {
  sidecar = await start({ settings: { retrieval: false } });
  await sidecar.reaches("ready");
  count = await errorCounter(join(dist, "grammars"), [
    "typescript",
    "javascript",
    "python",
    "java",
    "cpp",
    "rust",
    "go",
  ]);
});
afterAll(cleanUp);

interface Suggested {
  readonly languageId: string;
  readonly prefix: string;
  readonly suffix: string;
  readonly suggestion: string;
}

/** The suggestion that typing gets at a place; empty for none. */
async function suggestionAt([languageId, text]: (typeof places)[number]): Promise<Suggested> {
  const [prefix = "", suffix = ""] = text.split("║");
  const lines = prefix.split("\n");
  const position = { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
  const uri = `file:///places/${Math.random().toString(36).slice(2)}`;
  await sidecar.open(uri, prefix + suffix, languageId);
  const { items } = await sidecar.request(uri, position, undefined, InlineCompletionTriggerKind.Automatic);
  const [item] = items;
  if (item !== undefined) expect(item.range).toEqual({ start: position, end: position });
  return { languageId, prefix, suffix, suggestion: item === undefined ? "" : String(item.insertText) };
}

/** Opening less closing brackets of each kind, in strings and comments too. */
const balance = (text: string) =>
  ["()", "[]", "{}"].map(([open = "", close = ""]) => text.split(open).length - text.split(close).length);

function expectFit({ languageId, prefix, suffix, suggestion }: Suggested): void {
  const shown = `${prefix}├${suggestion}┤${suffix}`;
  const damage = damageOf({ uri: "", path: "", languageId, prefix, suffix }, suggestion, count);
  expect(damage, shown).toEqual({ parsesWorse: false, gluesWords: false, repeatsLine: false });
  if (balance(prefix + suffix).every((number) => number === 0))
    expect(balance(prefix + suggestion + suffix), shown).toEqual([0, 0, 0]);
  for (const mark of ['"""', "'''", "`"]) expect((suggestion.split(mark).length - 1) % 2, shown).toBe(0);
  // Of the words that the places above repeat, no half is left.
  expect(suggestion, shown).not.toMatch(/(?:first_|last_|\bpi|&& p|\binsta)$/);
}

it("suggestions leave the file as whole as it is, and there is one at half of the places or more", async () => {
  const suggested: Suggested[] = [];
  for (const place of places) suggested.push(await suggestionAt(place));
  for (const each of suggested) expectFit(each);
  const shown = suggested.filter(({ suggestion }) => suggestion !== "");
  expect(shown.length / places.length, JSON.stringify(suggested, undefined, 1)).toBeGreaterThanOrEqual(0.5);
});

it("what was just accepted is not suggested again", async () => {
  for (const place of places) {
    const { languageId, prefix, suffix, suggestion } = await suggestionAt(place);
    if (suggestion === "") continue;
    const next = await suggestionAt([languageId, `${prefix}${suggestion}║${suffix}`]);
    expect(next.suggestion.trim(), JSON.stringify(next)).not.toBe(suggestion.trim());
    expectFit(next);
  }
});

it("no definition is suggested between a decorator and what it decorates", async () => {
  for (const place of behindDecorators) {
    const suggested = await suggestionAt(place);
    expectFit(suggested);
    expect(suggested.suggestion, JSON.stringify(suggested)).not.toMatch(/\n[^@]*[:{]\s*\}?$/);
  }
});
