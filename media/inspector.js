// The inspector's page: shows the HTML that the extension renders, keeps what the user opened and typed, and sends what the buttons ask for.

(() => {
  const vscode = acquireVsCodeApi();
  const root = document.getElementById("inspector");
  const notice = document.getElementById("notice");
  const searchText = document.getElementById("search-text");
  /** How long a message stays, in milliseconds. */
  const noticeMs = 8000;
  let noticeTimer;

  /** The data attributes that hold what a button asks for. */
  const keys = ["open", "command", "do", "rule"];

  /**
   * Makes the children of `now` those of `wanted`. An element of the same kind is changed and not replaced, so that
   * it keeps the focus, its scrolling and whether it is open.
   */
  function morph(now, wanted) {
    let at = now.firstChild;
    for (const next of [...wanted.childNodes]) {
      if (at?.nodeName === next.nodeName && at.id === next.id) {
        if (next instanceof Element) {
          copyAttributes(at, next);
          morph(at, next);
        } else if (at.data !== next.data) {
          at.data = next.data;
        }
        at = at.nextSibling;
      } else if (at && !at.id && !next.id) {
        const gone = at;
        at = at.nextSibling;
        gone.replaceWith(next);
      } else {
        now.insertBefore(next, at);
      }
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  function copyAttributes(now, wanted) {
    for (const { name } of [...now.attributes]) {
      // Only the user opens and closes it.
      if (!wanted.hasAttribute(name) && name !== "open") {
        now.removeAttribute(name);
      }
    }
    for (const { name, value } of wanted.attributes) {
      if (now.getAttribute(name) !== value) {
        now.setAttribute(name, value);
      }
    }
    if (now instanceof HTMLOptionElement) {
      now.selected = wanted.hasAttribute("selected");
    }
  }

  function replace(id, html) {
    const made = document.createElement("template");
    made.innerHTML = html;
    morph(document.getElementById(id), made.content);
  }

  function showNotice(text) {
    notice.textContent = text;
    clearTimeout(noticeTimer);
    noticeTimer = setTimeout(() => (notice.textContent = ""), noticeMs);
  }

  function saveState() {
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
    if (typeof data?.notice === "string") {
      showNotice(data.notice);
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
      moveInList(event, [...list.children]);
    } else if (event.target === searchText && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      searchText.form.requestSubmit();
    }
  });

  /** The keys of a list: arrows, pages and ends choose another option; Enter and the space bar stay with the one shown. */
  function moveInList(event, options) {
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: options.length - 1,
      PageDown: at + 5,
      PageUp: at - 5,
      Enter: at,
      " ": at,
    }[event.key];
    if (to === undefined) {
      return;
    }
    event.preventDefault();
    const stays = event.key === "Enter" || event.key === " ";
    const option = options[Math.max(0, Math.min(options.length - 1, to))];
    if (option && (stays ? at >= 0 : option !== options[at])) {
      choose(option);
    }
  }

  root.addEventListener("change", ({ target }) => {
    if (target.id === "layer") {
      vscode.postMessage({ layer: target.value });
    }
  });

  searchText.form.addEventListener("submit", (event) => {
    event.preventDefault();
    vscode.postMessage({ search: searchText.value });
  });
  searchText.addEventListener("input", saveState);

  // This event does not bubble, so it is caught on its way down.
  root.addEventListener(
    "toggle",
    ({ target }) => {
      if (target.dataset.section) {
        vscode.postMessage({ section: target.dataset.section, opened: target.open });
        saveState();
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
