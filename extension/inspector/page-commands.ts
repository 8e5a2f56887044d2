// The commands that the inspector's page may run.

/** By their names in the page. */
export const pageCommands = {
  toggle: "selfracg.toggle",
  restart: "selfracg.restartSidecar",
  log: "selfracg.showLog",
  reindex: "selfracg.reindex",
} as const;
