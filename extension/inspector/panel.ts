// The retrieval inspector: a panel beside the editor that follows the session, and does what its page asks for.

import { randomBytes } from "node:crypto";
import {
  commands,
  type Disposable,
  env,
  Position,
  Range,
  Uri,
  ViewColumn,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import {
  type CompletionTrace,
  configurationSection,
  type FragmentReference,
  messages,
  serverCommands,
} from "../../sidecar/protocol";
import { confirm } from "../notifications";
import type { SidecarSession } from "../session";
import { CodeOpener } from "./code-opener";
import { marksOf, press } from "./file-rule-settings";
import type { FileRule } from "./file-rules";
import type { Answer } from "./html";
import { InspectorState } from "./inspector-state";
import {
  type FragmentTarget,
  type OpenTarget,
  type PageMessage,
  parsePageMessage,
  type SectionName,
} from "./page-message";
import { type InspectorModel, renderPage, renderParts } from "./render";
import { traceReport } from "./trace-report";

const viewType = "selfracg.inspector";
/** Pause in typing, in milliseconds, after which the need is read anew: that takes the model, which typing needs. */
const needPauseMs = 400;

/** At most one panel a window; it follows every completion while it is open. */
export class InspectorPanel implements Disposable {
  private panel: WebviewPanel | undefined;
  private readonly state = new InspectorState();
  private readonly opener = new CodeOpener();
  private readonly listening: Disposable[];
  /** Sections that the page has open. */
  private readonly opened = new Set<SectionName>();
  /** What the page shows, by part. */
  private sent = new Map<string, string>();
  private needTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly extensionUri: Uri,
    private readonly version: string,
    private readonly session: SidecarSession,
  ) {
    this.listening = [
      session.onDidComplete((trace) => {
        this.state.put(trace, new Date());
        this.refresh();
      }),
      session.onDidChangeStatus(({ state }) => {
        if (state === "starting") {
          this.state.reset();
        }
        this.refresh();
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration(configurationSection)) {
          this.update();
        }
      }),
    ];
  }

  /** Opens the panel beside the editor, which keeps the keyboard; shows it again when it is open already. */
  show(): void {
    if (this.panel !== undefined) {
      this.panel.reveal(undefined, true);
      return;
    }
    const media = Uri.joinPath(this.extensionUri, "media");
    const panel = window.createWebviewPanel(
      viewType,
      "Retrieval Inspector",
      { viewColumn: ViewColumn.Beside, preserveFocus: true },
      { enableScripts: true, localResourceRoots: [media] },
    );
    panel.iconPath = Uri.joinPath(media, "inspector.svg");
    panel.onDidDispose(() => {
      this.panel = undefined;
      this.opened.clear();
    });
    panel.webview.onDidReceiveMessage((message: unknown) => void this.receive(message));
    // A hidden page is thrown away by VS Code and made again from its first HTML, which then says that it is ready.
    panel.onDidChangeViewState(() => {
      this.refresh();
      if (panel.active) {
        this.opener.panelGotFocus();
      }
    });
    const { webview } = panel;
    webview.html = renderPage({
      nonce: randomBytes(16).toString("hex"),
      resourceSource: webview.cspSource,
      styleUri: webview.asWebviewUri(Uri.joinPath(media, "inspector.css")).toString(),
      scriptUri: webview.asWebviewUri(Uri.joinPath(media, "inspector.js")).toString(),
      parts: renderParts(this.model()),
      empty: this.state.shown === undefined,
    });
    this.panel = panel;
    void this.fill();
  }

  dispose(): void {
    clearTimeout(this.needTimer);
    for (const listener of this.listening) {
      listener.dispose();
    }
    this.panel?.dispose();
  }

  /** Takes in the suggestions of before the panel was open. */
  private async fill(): Promise<void> {
    try {
      this.state.fill(await this.session.requestPlain(messages.traces));
    } catch {
      // There is no sidecar to ask yet, and the page says so. What comes is taken in as it comes.
    }
    this.refresh();
  }

  /** Shows what there is, and asks for what the open sections lack. */
  private refresh(): void {
    if (this.panel?.visible !== true) {
      return;
    }
    const { shown } = this.state;
    if (shown !== undefined) {
      const answers = this.state.answersOf(shown.id);
      const params = { id: shown.id };
      if (this.opened.has("prompt") && answers.prompt === undefined) {
        void this.ask(this.session.request(messages.prompt, params), (answer) => (answers.prompt = answer));
      }
      clearTimeout(this.needTimer);
      if (this.opened.has("need") && answers.need === undefined) {
        this.needTimer = setTimeout(
          () => void this.ask(this.session.request(messages.need, params), (answer) => (answers.need = answer)),
          needPauseMs,
        );
      }
    }
    if (this.opened.has("counts")) {
      void this.ask(this.session.requestPlain(messages.counts), (answer) => {
        // The figures of before stay until the new ones are there.
        if (answer.state !== "asked" || this.state.counts === undefined) {
          this.state.counts = answer;
        }
      });
    }
    this.update();
  }

  /** Sends the parts of the page that have changed. */
  private update(): void {
    if (this.panel?.visible !== true) {
      return;
    }
    const parts = Object.entries(renderParts(this.model())).filter(([id, html]) => this.sent.get(id) !== html);
    for (const [id, html] of parts) {
      this.sent.set(id, html);
    }
    void this.panel.webview.postMessage({ parts: Object.fromEntries(parts), empty: this.state.shown === undefined });
  }

  private model(): InspectorModel {
    const { traces, shown, following, layer, found, counts } = this.state;
    const listed = traces.map((trace) => {
      const time = this.state.timeOf(trace.id)?.toLocaleTimeString();
      return { trace, file: fileOf(trace), ...(time !== undefined && { time }) };
    });
    return {
      status: this.session.status,
      list: { traces: listed, shown: shown?.id, following },
      ...(shown !== undefined && {
        shown: { trace: shown, file: fileOf(shown), answers: this.state.answersOf(shown.id) },
      }),
      layer,
      found,
      counts,
      marksOf,
    };
  }

  /** Asks the sidecar, and shows that it was asked and what it answered. */
  private async ask<Value>(request: Promise<Value | null>, take: (answer: Answer<Value>) => void): Promise<void> {
    take({ state: "asked" });
    this.update();
    try {
      take({ state: "answered", value: await request });
    } catch (error) {
      take({ state: "failed", reason: errorMessage(error) });
    }
    this.update();
  }

  private async receive(message: unknown): Promise<void> {
    const parsed = parsePageMessage(message);
    if (parsed === undefined) {
      return;
    }
    try {
      await this.act(parsed);
    } catch (error) {
      this.say(errorMessage(error));
    }
  }

  private async act(message: PageMessage): Promise<void> {
    switch (message.type) {
      case "ready":
        this.sent.clear();
        this.opened.clear();
        return this.refresh();
      case "open":
        return this.open(message.target);
      case "command":
        await commands.executeCommand(message.command);
        return;
      case "choose":
        this.state.choose(message.id);
        return this.refresh();
      case "follow":
        this.state.toggleFollowing();
        return this.refresh();
      case "section":
        return this.fold(message.section, message.open);
      case "layer":
        this.state.layer = message.layer;
        return this.update();
      case "compare":
        return this.compare();
      case "search":
        return this.search(message.text);
      case "rule":
        return this.setRule(message.rule, message.target);
      case "copy":
        return this.copy(message.code);
      case "clear-counts":
        return this.clearCounts();
    }
  }

  private fold(section: SectionName, open: boolean): void {
    const { shown } = this.state;
    if (!open) {
      this.opened.delete(section);
      return;
    }
    this.opened.add(section);
    // What failed is asked for again.
    const answers = shown === undefined ? undefined : this.state.answersOf(shown.id);
    if ((section === "prompt" || section === "need") && answers?.[section]?.state === "failed") {
      delete answers[section];
    }
    this.refresh();
  }

  private async compare(): Promise<void> {
    const { shown } = this.state;
    if (shown === undefined) {
      return;
    }
    const answers = this.state.answersOf(shown.id);
    if (answers.comparison?.state !== "asked") {
      const request = this.session.request(messages.compare, { id: shown.id });
      await this.ask(request, (answer) => (answers.comparison = answer));
    }
  }

  private async search(text: string): Promise<void> {
    const uri = this.state.shown?.uri;
    const request = this.session.request(messages.search, { text, ...(uri !== undefined && { uri }) });
    await this.ask(request, (answer) => (this.state.found = answer));
  }

  private async setRule(rule: FileRule, target: FragmentTarget): Promise<void> {
    const fragment = this.fragmentAt(target);
    if (fragment !== undefined) {
      this.say(await press(fragment, rule));
      this.update();
    }
  }

  private async copy(withCode: boolean): Promise<void> {
    const { shown } = this.state;
    if (shown === undefined) {
      return;
    }
    const code = withCode ? { prompt: await this.session.request(messages.prompt, { id: shown.id }) } : undefined;
    await env.clipboard.writeText(
      traceReport({ version: this.version, status: this.session.status, trace: shown, file: fileOf(shown) }, code),
    );
    this.say(withCode ? "Copied the trace, with your code in it." : "Copied the trace: paths and numbers, no code.");
  }

  private async clearCounts(): Promise<void> {
    const detail = "They are kept on this machine alone and cannot be brought back. Counting begins anew.";
    if (await confirm("Delete the counts of suggestions?", detail, "Delete")) {
      this.state.counts = {
        state: "answered",
        value: await this.session.execute(serverCommands.clearCounts),
      };
      this.update();
      this.say("The counts are deleted.");
    }
  }

  /** The page names what it shows by number, never by address: only what the sidecar sent can be opened. */
  private async open(target: OpenTarget): Promise<void> {
    const { shown } = this.state;
    if (target.kind === "cursor" || target.kind === "token") {
      if (shown !== undefined) {
        const need = this.state.answersOf(shown.id).need;
        const token =
          target.kind === "token" && need?.state === "answered" ? need.value?.tokens[target.index] : undefined;
        const { line, character } = token?.position ?? shown.position;
        await this.openRange(shown.uri, new Range(line, character, line, character));
      }
      return;
    }
    const fragment = this.fragmentAt(target);
    if (fragment !== undefined) {
      await this.openRange(
        fragment.uri,
        new Range(new Position(fragment.startLine - 1, 0), new Position(fragment.endLine - 1, Number.MAX_SAFE_INTEGER)),
      );
    }
  }

  private async openRange(uri: string, range: Range): Promise<void> {
    if (this.panel !== undefined) {
      await this.opener.show(uri, range, this.panel);
    }
  }

  private fragmentAt({ kind, index }: FragmentTarget): FragmentReference | undefined {
    const { shown, found } = this.state;
    switch (kind) {
      case "fragment":
        return shown?.fragments[index];
      case "dropped":
        return shown?.dropped[index];
      case "found":
        return found?.state === "answered" ? found.value?.fragments[index] : undefined;
    }
  }

  /** Says what was done, or why it was not. */
  private say(text: string): void {
    void this.panel?.webview.postMessage({ said: text });
  }
}

function fileOf({ uri }: CompletionTrace): string {
  return workspace.asRelativePath(Uri.parse(uri));
}
