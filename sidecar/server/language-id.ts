// A language identifier for a file name, where no editor says it.
import { extname } from "node:path";

const byExtension: Readonly<Record<string, string>> = {
  ".py": "python", ".pyi": "python",
  ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "typescriptreact",
  ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascriptreact",
  ".java": "java", ".kt": "kotlin", ".scala": "scala", ".swift": "swift", ".dart": "dart",
  ".go": "go", ".rs": "rust", ".cs": "csharp",
  ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp", ".hh": "cpp",
  ".rb": "ruby", ".php": "php", ".lua": "lua", ".pl": "perl", ".r": "r", ".jl": "julia",
  ".sh": "shellscript", ".bash": "shellscript", ".ps1": "powershell", ".sql": "sql",
  ".html": "html", ".css": "css", ".scss": "scss", ".vue": "vue", ".svelte": "svelte",
  ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".xml": "xml", ".md": "markdown",
};

/** VS Code's identifier for the file's language; `plaintext` for extensions not listed. */
export function languageIdOf(path: string): string {
  return byExtension[extname(path).toLowerCase()] ?? "plaintext";
}
