// What a client and the sidecar agree on at the start: options, sections of the configuration, the environment.

import type { ExecutionProviderSetting } from "../settings";

/** `initializationOptions` of the `initialize` request. Every member may be left out. */
export interface InitializationOptions {
  /** As the setting `model`. */
  model?: string;
  /** As the setting `modelPath`. */
  modelPath?: string;
  /** Folder for the on-disk index; default: a folder in the user's cache directory. */
  storagePath?: string;
  executionProvider?: ExecutionProviderSetting;
}

/** Configuration section read through `workspace/configuration`. */
export const configurationSection = "selfracg";

/** The editor's own setting of what it does not show, read for each workspace folder: what it hides is not indexed either. */
export const filesExcludeSection = "files.exclude";

/**
 * Environment variables that a client should start the sidecar with: glibc's memory allocator otherwise keeps freed
 * memory apart for each thread, a tenth of the sidecar's with a large index. Other allocators ignore them.
 */
export const sidecarEnvironment = { MALLOC_ARENA_MAX: "2" } as const;
