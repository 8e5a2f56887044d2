// Commands that the inspector's page may ask for.

/** By the name used in the page. */
export const pageCommands = {
  toggle: "selfracg.toggle",
  restart: "selfracg.restartSidecar",
  log: "selfracg.showLog",
  reindex: "selfracg.reindex",
} as const;
