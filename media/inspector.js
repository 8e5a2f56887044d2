// The inspector's page: shows the HTML that the extension renders, keeps what a person did with it, and sends wishes back.

(() => {
  const vscode = acquireVsCodeApi();
  const root = document.getElementById("inspector");
  const said = document.getElementById("said");
  const searchText = document.getElementById("search-text");
  /** How long a message stays, in milliseconds. */
  const saidMs = 8000;
  let forget;

  /** What identifies an element that is made anew. */
  const keys = ["open", "command", "do", "rule"];

  function selectorOf(element) {
    if (element.id) {
      return `#${CSS.escape(element.id)}`;
    }
    const key = keys.find((each) => element.dataset[each]);
    return key && `[data-${key}="${CSS.escape(element.dataset[key])}"]`;
  }

  /** Opened details, the focus and the list's scrolling outlive an update. */
  function replace(id, html) {
    const part = document.getElementById(id);
    const open = [...part.querySelectorAll("details[open]")].map((element) => element.id);
    const focused = part.contains(document.activeElement) ? selectorOf(document.activeElement) : undefined;
    const scrolled = part.querySelector("#traces")?.scrollTop;
    part.innerHTML = html;
    for (const each of open) {
      document.getElementById(each)?.setAttribute("open", "");
    }
    const list = part.querySelector("#traces");
    if (list && scrolled !== undefined) {
      list.scrollTop = scrolled;
    }
    if (focused) {
      part.querySelector(focused)?.focus({ preventScroll: true });
    }
  }

  function say(text) {
    said.textContent = text;
    clearTimeout(forget);
    forget = setTimeout(() => (said.textContent = ""), saidMs);
  }

  function keep() {
    vscode.setState({
      open: [...document.querySelectorAll("details[data-section][open]")].map((element) => element.dataset.section),
      search: searchText.value,
    });
  }

  window.addEventListener("message", ({ data }) => {
    for (const [id, html] of Object.entries(data?.parts ?? {})) {
      replace(id, html);
    }
    if (typeof data?.empty === "boolean") {
      root.classList.toggle("nothing-yet", data.empty);
    }
    if (typeof data?.said === "string") {
      say(data.said);
    }
  });

  /** Marks the chosen suggestion at once; the extension's answer brings the rest. */
  function choose(option) {
    const list = option.parentElement;
    list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    option.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
    vscode.postMessage({ choose: Number(option.dataset.choose) });
  }

  function ask(button) {
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    const key = keys.find((each) => button.dataset[each]);
    vscode.postMessage({ [key]: button.dataset[key] });
  }

  root.addEventListener("click", ({ target }) => {
    const option = target.closest("[data-choose]");
    const button = target.closest("[data-open], [data-command], [data-do], [data-rule]");
    if (option) {
      choose(option);
    } else if (button) {
      ask(button);
    }
  });

  root.addEventListener("keydown", (event) => {
    const list = event.target.closest("#traces");
    if (list && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const options = [...list.children];
      const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: options.length - 1, PageDown: at + 5, PageUp: at - 5 }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        const option = options[Math.max(0, Math.min(options.length - 1, to))];
        if (option && option !== options[at]) {
          choose(option);
        }
      } else if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        // Stays with the one that is shown.
        if (options[at]) {
          choose(options[at]);
        }
      }
    } else if (event.target === searchText && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      searchText.form.requestSubmit();
    }
  });

  root.addEventListener("change", ({ target }) => {
    if (target.id === "layer") {
      vscode.postMessage({ layer: target.value });
    }
  });

  searchText.form.addEventListener("submit", (event) => {
    event.preventDefault();
    vscode.postMessage({ search: searchText.value });
  });
  searchText.addEventListener("input", keep);

  // This event does not bubble, so it is caught on its way down.
  root.addEventListener(
    "toggle",
    ({ target }) => {
      if (target.dataset.section) {
        vscode.postMessage({ section: target.dataset.section, opened: target.open });
        keep();
      }
    },
    true,
  );

  vscode.postMessage({ ready: true });
  const before = vscode.getState();
  searchText.value = before?.search ?? "";
  for (const section of before?.open ?? []) {
    document.querySelector(`details[data-section="${section}"]`)?.setAttribute("open", "");
  }
})();
