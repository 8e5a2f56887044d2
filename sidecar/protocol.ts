// Everything that the sidecar and its clients share: messages and commands with their types, and the settings.

export * from "./protocol/initialization";
export * from "./protocol/inspection";
export * from "./protocol/messages";
export * from "./protocol/models";
export * from "./protocol/status";
export * from "./protocol/suggestions";
export * from "./protocol/trace";
export * from "./settings";
