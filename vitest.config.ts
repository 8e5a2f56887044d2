// The three test projects: unit (in process), sidecar (the real process on stdio), vscode (a real VS Code).
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// No test takes the model that the user of this machine chose.
process.env.SELFRACG_MODELS = join(tmpdir(), "selfracg-test-models");

/** One file at a time: such tests start processes that want the machine to themselves. */
const oneAtATime = { pool: "forks" as const, poolOptions: { forks: { singleFork: true, isolate: true } } };

/** Only what hangs takes so long: a busy machine is no reason to fail. */
const patience = { testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 120_000, interval: 50 } } };

export default defineConfig({
  test: {
    maxWorkers: 2,
    minWorkers: 1,
    globalSetup: "test/global-setup.mjs",
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/*.test.ts"],
          ...patience,
        },
      },
      {
        test: {
          name: "sidecar",
          include: ["test/sidecar/**/*.test.ts"],
          ...patience,
          ...oneAtATime,
        },
      },
      {
        test: {
          name: "vscode",
          include: ["test/vscode/**/*.test.ts"],
          ...patience,
          ...oneAtATime,
        },
      },
    ],
  },
});
