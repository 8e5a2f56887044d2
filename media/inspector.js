// The inspector's page: shows the HTML that the extension renders and sends clicks back.

(() => {
  const vscode = acquireVsCodeApi();
  const root = document.getElementById("inspector");

  /** Opened sections and the focused button outlive an update. */
  function replace(html) {
    const open = [...root.querySelectorAll("details[open]")].map((element) => element.id);
    const focused = document.activeElement?.closest?.("[data-open], [data-command]");
    const key = focused && { open: focused.dataset.open, command: focused.dataset.command };
    root.innerHTML = html;
    for (const id of open) {
      document.getElementById(id)?.setAttribute("open", "");
    }
    if (key) {
      const again = key.open
        ? root.querySelector(`[data-open="${CSS.escape(key.open)}"]`)
        : root.querySelector(`[data-command="${CSS.escape(key.command)}"]`);
      again?.focus();
    }
  }

  window.addEventListener("message", ({ data }) => {
    if (typeof data?.html === "string") {
      replace(data.html);
    }
  });

  root.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-open], [data-command]");
    if (button?.dataset.open) {
      vscode.postMessage({ open: button.dataset.open });
    } else if (button?.dataset.command) {
      vscode.postMessage({ command: button.dataset.command });
    }
  });

  vscode.postMessage({ ready: true });
})();
