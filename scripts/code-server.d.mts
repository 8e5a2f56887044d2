// Types of code-server.mjs for the tests that use it.
import type { ChildProcess } from "node:child_process";

export function ensureCodeServer(): Promise<{ serverMain: string }>;
export function freePort(): Promise<number>;
export function installExtension(options: { dataDir: string; vsix: string }): Promise<void>;
export function serve(options: {
  folder?: string;
  port?: number;
  dataDir: string;
  vsix?: string;
  settings?: Record<string, unknown>;
  env?: NodeJS.ProcessEnv;
}): Promise<{ url: string; process: ChildProcess; stop: () => Promise<void> }>;
