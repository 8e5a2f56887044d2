// What the tests do in the retrieval inspector: focus by keyboard, pictures, weights of the need, and accessibility.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import type { Frame, Locator } from "playwright-core";
import { renderNeed } from "../../extension/inspector/sections/need";
import type { NeedToken } from "../../sidecar/protocol";
import { pictures } from "./bookshop";
import type { Workbench } from "./workbench";

/** Read as a text, because the page's content security policy allows no other scripts. */
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Pictures of the whole inspector at its width in the window, in several pieces. */
export async function longPicture({ page }: Workbench, inspector: Frame, name: string): Promise<void> {
  if (pictures === undefined) {
    return;
  }
  const size = page.viewportSize() ?? { width: 1280, height: 800 };
  const [width, height] = await inspector.evaluate<[number, number]>(
    "[innerWidth, document.documentElement.scrollHeight]",
  );
  await page.setViewportSize({ width: size.width, height: height + 120 });
  await page.waitForTimeout(500);
  const piece = 1000;
  for (let y = 0; y < height; y += piece) {
    const clip = { x: size.width - width, y, width, height: Math.min(piece, height + 120 - y) };
    await page.screenshot({ path: join(pictures, `inspector-${name}-${y / piece}.png`), clip });
  }
  await page.setViewportSize(size);
}

/** Adds weights over code of `file`, as of a model package with an attention output if the packaged model has none, so that all shades are checked. */
export async function showNeed(inspector: Frame, file: string): Promise<void> {
  if ((await inspector.locator("pre.need").count()) > 0) {
    return;
  }
  const words = "for book in books :\n    catalog . add_book ( book )".split(/(?<= )/);
  const tokens: NeedToken[] = [
    { text: "<|path|>" },
    { text: `${file}\n` },
    ...words.map((text, character) => ({ text, position: { line: 7, character } })),
  ];
  const weights = tokens.map((_, at) => ((at * 7) % 11) ** 2);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const need = renderNeed(
    { state: "answered", value: { tokens, layers: [weights.map((weight) => weight / sum)] } },
    "all",
  );
  await inspector.evaluate(`window.postMessage(${JSON.stringify({ parts: { need } })}, "*")`);
  await inspector.locator("pre.need").waitFor();
}

/** Presses `key` until `wanted` has the focus. */
export async function pressUntilFocused({ page }: Workbench, wanted: Locator, key = "Tab"): Promise<void> {
  for (let presses = 0; presses < 120; presses += 1) {
    if (await wanted.evaluate((element) => element === element.ownerDocument.activeElement)) {
      return;
    }
    await page.keyboard.press(key);
  }
  throw new Error("Expected to reach it by Tab, and did not within 120 presses.");
}

export interface Accessibility {
  /** Rules of axe-core that are violated, with the elements. */
  readonly violations: string[];
  /** Elements whose contrast axe-core could not determine. */
  readonly contrast: string[];
  /** Ids of the rules that passed. */
  readonly passes: string[];
}

/** Checks the inspector by axe-core. */
export async function checkAccessibility(inspector: Frame): Promise<Accessibility> {
  await inspector.evaluate(axe);
  const results = await inspector.evaluate<AxeResults>(
    "axe.run(document, { resultTypes: ['violations', 'incomplete'] })",
  );
  const tell = (rules: AxeResults["violations"]) =>
    rules.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`),
    );
  return {
    violations: tell(results.violations),
    contrast: tell(results.incomplete.filter(({ id }) => id === "color-contrast")),
    passes: results.passes.map(({ id }) => id),
  };
}
