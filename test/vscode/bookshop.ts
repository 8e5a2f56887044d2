// A VS Code window on a copy of the bookshop fixture, with the set-up and clean-up of every suite.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { modelPath } from "../model";
import { type CarriedVSCode, chooseCarrier, launch } from "./carriers";
import { Workbench } from "./workbench";

const root = resolve(import.meta.dirname, "../..");
const vsix = process.env.SELFRACG_VSIX ?? join(root, "dist", "selfracg-code.vsix");
const failures = join(root, ".cache", "test-results", "vscode");

/** The fixture of the bookshop in the repository. */
export const fixture = join(root, "test", "fixtures", "workspace");

/** If set, pictures are written to this folder: those of the README and the walkthrough, and others for review. */
export const pictures = process.env.SELFRACG_PICTURES;

const settings: Readonly<Record<string, unknown>> = {
  "workbench.startupEditor": "none",
  "window.restoreWindows": "none",
  "workbench.tips.enabled": false,
  "chat.commandCenter.enabled": false,
  "workbench.colorTheme": "Default Dark Modern",
  "editor.minimap.enabled": false,
  "files.autoSave": "off",
  // The tests are about showing suggestions, not about the confidence of so small a model.
  "selfracg.frequency": "more",
  ...(process.env.SELFRACG_MODEL === undefined ? {} : { "selfracg.modelPath": modelPath }),
};

export interface BookshopOptions {
  /** The name of the suite, used for its files. */
  name: string;
  /** Settings in addition to those of every suite. */
  settings?: Readonly<Record<string, unknown>>;
  /** Other extensions to install: their folders in test/fixtures. */
  others?: readonly string[];
}

/** A part of the window, in pixels. */
export interface Clip {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** To be created in the suite's `describe`: registers hooks that open and close the window, and take a picture when a test fails. */
export class Bookshop {
  /** A temporary folder of the suite. */
  scratch = "";
  private carried: CarriedVSCode | undefined;
  private opened: Workbench | undefined;

  constructor({ name, settings: own = {}, others = [] }: BookshopOptions) {
    beforeAll(async () => {
      this.scratch = realpathSync(mkdtempSync(join(tmpdir(), `selfracg-${name}-`)));
      mkdirSync(this.profile);
      cpSync(fixture, this.workspace, { recursive: true });
      const carrier = await chooseCarrier();
      console.log(`VS Code: ${carrier}`);
      const extensions = [vsix, ...others.map((folder) => this.pack(folder))];
      this.carried = await launch(carrier, {
        folder: this.workspace,
        profile: this.profile,
        extensions,
        settings: { ...settings, ...own },
      });
      this.opened = new Workbench(this.carried.page);
      await this.opened.ready();
    });
    afterAll(async () => {
      await this.carried?.close();
      rmSync(this.scratch, { recursive: true, force: true, maxRetries: 5 });
    });
    // A picture of a failure helps more than its message.
    beforeEach(({ task, onTestFailed }) => {
      onTestFailed(async () => {
        mkdirSync(failures, { recursive: true });
        await this.opened?.page.screenshot({ path: join(failures, `${name}-${task.name.replace(/\W+/g, "-")}.png`) });
      });
    });
  }

  /** @returns path of the packed extension */
  private pack(folder: string): string {
    const packed = join(this.scratch, `${folder}.vsix`);
    const options = ["package", "--no-dependencies", "--allow-missing-repository", "--skip-license", "--out", packed];
    execFileSync(process.execPath, [join(root, "node_modules", "@vscode", "vsce", "vsce"), ...options], {
      cwd: join(root, "test", "fixtures", folder),
      stdio: "pipe",
    });
    return packed;
  }

  get workspace(): string {
    return join(this.scratch, "bookshop");
  }

  get profile(): string {
    return join(this.scratch, "profile");
  }

  get window(): Workbench {
    if (this.opened === undefined)
      throw new Error("Expected a window, found none: it opens before the suite's first test.");
    return this.opened;
  }

  /** Replaces the window by one on a folder, a .code-workspace file or nothing, and waits until it is ready. */
  async reopen(path: string | undefined, trusted = true): Promise<Workbench> {
    if (this.carried === undefined)
      throw new Error("Expected a VS Code that runs, found none: it is started before the suite's first test.");
    for (let left = 2; ; left -= 1) {
      this.opened = new Workbench(await this.carried.reopen(path));
      await this.opened.ready(trusted);
      // A served VS Code may try to open a workspace file too early, and then has no folders.
      if (left === 0 || path?.endsWith(".code-workspace") !== true || (await this.opened.showsFiles()))
        return this.opened;
    }
  }

  /** Writes a picture of the window or a part of it, if pictures are requested. `pointer` keeps the mouse where a tooltip is shown. */
  async picture(
    name: string,
    { clip, pointer = "away" }: { clip?: Clip; pointer?: "away" | "stays" } = {},
  ): Promise<void> {
    if (pictures === undefined) return;
    mkdirSync(pictures, { recursive: true });
    const { page } = this.window;
    if (pointer === "away") await page.mouse.move(200, 15);
    // Waits until animations have ended.
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(pictures, `${name}.png`), ...(clip === undefined ? {} : { clip }) });
  }
}

/** The 1-based last line of a file of the fixture: the empty one after its last line break. */
export function lastLine(path: string): number {
  return readFileSync(join(fixture, path), "utf8").split("\n").length;
}
