// What a client sets up at the start: initialization options, sections of the configuration, environment variables.
import type { ExecutionProviderSetting } from "../settings";

/** `initializationOptions` of the `initialize` request. Every member is optional. */
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

/** The editor's own setting for files that it hides, read for each workspace folder: they are not indexed either. */
export const filesExcludeSection = "files.exclude";

/**
 * Environment variables that a client should start the sidecar with: glibc's memory allocator otherwise keeps freed
 * memory apart for each thread, a tenth of the sidecar's with a large index. Other allocators ignore them.
 */
export const sidecarEnvironment = { MALLOC_ARENA_MAX: "2" } as const;
