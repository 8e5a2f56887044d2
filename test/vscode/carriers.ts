// The two kinds of VS Code for the tests: the desktop version if it can be downloaded, else the served one in Chromium.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath } from "@vscode/test-electron";
import { _electron, chromium, type Page } from "playwright-core";
import { installExtension, serve } from "../../scripts/code-server.mjs";
import { descendants, untilEnded } from "../../scripts/processes.mjs";
import { patience, recordStatus } from "./workbench";

/** The options for opening VS Code. */
export interface CarrierOptions {
  /** The folder or .code-workspace file to open; default: an empty window. */
  folder?: string;
  /** An empty folder for VS Code's data. */
  profile: string;
  /** Extensions as .vsix files. */
  extensions: readonly string[];
  settings: Record<string, unknown>;
}

/** A running VS Code, with its window as a Playwright page. */
export interface CarriedVSCode {
  page: Page;
  /** Replaces the window by one on another folder or .code-workspace file, or on none. */
  reopen(folder: string | undefined): Promise<Page>;
  /** Ends VS Code, and waits for its child processes. */
  close(): Promise<void>;
}

const viewport = { width: 1280, height: 800 };
const updateServer = "https://update.code.visualstudio.com/api/releases/stable";

/** `SELFRACG_VSCODE` is desktop or served; default: the desktop version if it can be downloaded and displayed. */
export async function chooseCarrier(): Promise<"desktop" | "served"> {
  const wanted = process.env.SELFRACG_VSCODE;
  if (wanted === "desktop" || wanted === "served") {
    return wanted;
  }
  const hasDisplay = process.platform !== "linux" || Boolean(process.env.DISPLAY ?? process.env.WAYLAND_DISPLAY);
  if (!hasDisplay) {
    return "served";
  }
  try {
    const answer = await fetch(updateServer, { signal: AbortSignal.timeout(5000) });
    return answer.ok ? "desktop" : "served";
  } catch {
    return "served";
  }
}

export async function launch(carrier: "desktop" | "served", options: CarrierOptions): Promise<CarriedVSCode> {
  const before = new Set((await descendants(process.pid)).map(({ pid }) => pid));
  const carried = await (carrier === "desktop" ? launchDesktop(options) : launchServed(options));
  const close = async (): Promise<void> => {
    const started = (await descendants(process.pid)).filter(({ pid }) => !before.has(pid));
    await carried.close();
    await untilEnded(started);
  };
  return { ...carried, close };
}

async function launchServed({ folder, profile, extensions, settings }: CarrierOptions): Promise<CarriedVSCode> {
  const dataDir = join(profile, "server");
  for (const vsix of extensions) await installExtension({ dataDir, vsix });
  const server = await serve({ dataDir, settings });
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--disable-quic",
    ],
  });
  const context = await browser.newContext({
    viewport,
    colorScheme: "dark",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const address = (path: string | undefined): string => {
    const url = new URL(server.url);
    if (path === undefined) {
      url.searchParams.set("ew", "true");
    } else {
      url.searchParams.set(path.endsWith(".code-workspace") ? "workspace" : "folder", path);
    }
    return url.href;
  };
  context.setDefaultTimeout(patience.timeout);
  await context.addInitScript(recordStatus);
  const page = await context.newPage();
  await page.goto(address(folder));
  return {
    page,
    reopen: async (path) => {
      await page.goto(address(path));
      return page;
    },
    close: async () => {
      await browser.close();
      await server.stop();
    },
  };
}

async function launchDesktop({ folder, profile, extensions, settings }: CarrierOptions): Promise<CarriedVSCode> {
  const executablePath = await downloadAndUnzipVSCode();
  const own = [`--user-data-dir=${join(profile, "user")}`, `--extensions-dir=${join(profile, "extensions")}`];
  const [cli, ...cliArguments] = resolveCliArgsFromVSCodeExecutablePath(executablePath, { reuseMachineInstall: true });
  if (cli === undefined) {
    throw new Error(`Expected a command line beside ${executablePath}, found none.`);
  }
  const installed = spawnSync(
    cli,
    [...cliArguments, ...own, ...extensions.flatMap((vsix) => ["--install-extension", vsix]), "--force"],
    {
      encoding: "utf8",
      shell: process.platform === "win32",
    },
  );
  if (installed.status !== 0) {
    throw new Error(`VS Code did not install ${extensions.join(", ")}: ${installed.stdout}${installed.stderr}`);
  }
  await mkdir(join(profile, "user", "User"), { recursive: true });
  await writeFile(join(profile, "user", "User", "settings.json"), JSON.stringify(settings));
  const start = async (path: string | undefined) => {
    const electron = await _electron.launch({
      executablePath,
      args: [
        ...own,
        "--skip-welcome",
        "--skip-release-notes",
        "--disable-updates",
        "--no-sandbox",
        "--force-dark-mode",
        "--new-window",
        ...(path === undefined ? [] : [path]),
      ],
    });
    electron.context().setDefaultTimeout(patience.timeout);
    await electron.context().addInitScript(recordStatus);
    const page = await electron.firstWindow();
    await page.evaluate(recordStatus);
    await electron.evaluate(({ BrowserWindow }, { width, height }) => {
      BrowserWindow.getAllWindows()[0]?.setContentSize(width, height);
    }, viewport);
    return { electron, page };
  };
  let running = await start(folder);
  return {
    page: running.page,
    reopen: async (path) => {
      await running.electron.close();
      running = await start(path);
      return running.page;
    },
    close: () => running.electron.close(),
  };
}

function findChromium(): string {
  const candidates = [
    process.env.SELFRACG_CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ];
  const found = candidates.find((path) => path !== undefined && existsSync(path));
  if (found === undefined) {
    throw new Error(
      "Expected Chromium or Chrome, found none. Install it (Debian: apt-get install chromium) or name it in SELFRACG_CHROMIUM.",
    );
  }
  return found;
}
