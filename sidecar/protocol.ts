// Everything that the sidecar and its clients share: messages and commands with their types, and the settings.

export * from "./protocol/inspection";
export * from "./protocol/messages";
export * from "./protocol/settings";
export * from "./protocol/status";
export * from "./protocol/suggestions";
export * from "./protocol/trace";

/** Configuration section read through `workspace/configuration`. */
export const configurationSection = "selfracg";

/** The editor's own setting of what it does not show, read for each workspace folder: what it hides is not indexed either. */
export const filesExcludeSection = "files.exclude";

/**
 * Environment variables that a client should start the sidecar with: glibc's memory allocator otherwise keeps freed
 * memory apart for each thread, a tenth of the sidecar's with a large index. Other allocators ignore them.
 */
export const sidecarEnvironment = { MALLOC_ARENA_MAX: "2" } as const;
