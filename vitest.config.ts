// The three test projects: unit (in process), sidecar (the real process on stdio), vscode (a real VS Code).
import { defineConfig } from "vitest/config";

/** One file at a time: such tests start processes that want the machine to themselves. */
const oneAtATime = { pool: "forks" as const, poolOptions: { forks: { singleFork: true, isolate: true } } };

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
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "sidecar",
          include: ["test/sidecar/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...oneAtATime,
        },
      },
      {
        test: {
          name: "vscode",
          include: ["test/vscode/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          ...oneAtATime,
        },
      },
    ],
  },
});
