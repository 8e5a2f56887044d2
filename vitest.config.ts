// The three test projects: unit (in process), sidecar (the real process on stdio), vscode (a real VS Code).
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 60_000,
          maxWorkers: 2,
          minWorkers: 1,
        },
      },
      {
        test: {
          name: "sidecar",
          include: ["test/sidecar/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "vscode",
          include: ["test/vscode/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
