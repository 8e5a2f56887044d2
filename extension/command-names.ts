// The names of the extension's commands, as package.json declares them.

export const command = {
  showMenu: "selfracg.showMenu",
  toggle: "selfracg.toggle",
  snooze: "selfracg.snooze",
  endSnooze: "selfracg.endSnooze",
  toggleLanguage: "selfracg.toggleLanguage",
  showInspector: "selfracg.showInspector",
  reindex: "selfracg.reindex",
  pauseIndexing: "selfracg.pauseIndexing",
  resumeIndexing: "selfracg.resumeIndexing",
  clearIndex: "selfracg.clearIndex",
  why: "selfracg.why",
  chooseModel: "selfracg.chooseModel",
  restart: "selfracg.restartSidecar",
  showLog: "selfracg.showLog",
  collectDiagnostics: "selfracg.collectDiagnostics",
  openSettings: "selfracg.openSettings",
  getStarted: "selfracg.getStarted",
} as const;
