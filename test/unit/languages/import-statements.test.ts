// What an import statement is, by examples that the training project is tested with too.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importStatements } from "../../../sidecar/languages/import-statements";
import { cpuTime } from "../cpu-time";

const examples: { about: string; prefix: string; imports: string }[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../fixtures/import-statements.json"), "utf8"),
);

describe("import statements", () => {
  it("have many examples", () => expect(examples.length).toBeGreaterThan(10));

  it.each(examples)("$about", ({ prefix, imports }) => expect(importStatements(prefix)).toBe(imports));

  it("are found in time linear in the text, however strange its lines", () => {
    const far = "\n".repeat(12);
    const started = cpuTime();
    for (const line of [
      `using ${" ".repeat(200_000)}`,
      `export ${"from ".repeat(50_000)}`,
      `const ${"require ".repeat(50_000)}`,
      `import (${"\nx".repeat(200_000)}`,
    ]) {
      importStatements(`${line}\n`.repeat(3) + far);
    }
    expect(cpuTime() - started).toBeLessThan(2000);
  });
});
