// The retrieval inspector: a panel beside the editor that follows the session, and does what its page asks for.
import { randomBytes } from "node:crypto";
import { commands, type Disposable, env, Range, Uri, ViewColumn, type WebviewPanel, window, workspace } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { type CompletionTrace, configurationSection, messages } from "../../sidecar/protocol";
import { confirm } from "../notifications";
import type { SidecarSession } from "../session";
import { CodeOpener } from "./code-opener";
import { marksOf, toggleRule } from "./file-rule-settings";
import type { FileRule } from "./file-rules";
import { InspectorState } from "./inspector-state";
import {
  type FragmentTarget,
  type OpenTarget,
  type PageMessage,
  parsePageMessage,
  type SectionName,
} from "./page-message";
import { type InspectorModel, renderPage, renderParts } from "./render";
import { InspectorRequests } from "./requests";
import { fragmentAt, rangeAt } from "./targets";
import { traceReport } from "./trace-report";

const viewType = "selfracg.inspector";

/** At most one panel a window; it follows every completion while it is open. */
export class InspectorPanel implements Disposable {
  private panel: WebviewPanel | undefined;
  private readonly state = new InspectorState();
  private readonly opener = new CodeOpener();
  private readonly requests: InspectorRequests;
  private readonly listening: Disposable[];
  /** Sections that the page has open. */
  private readonly opened = new Set<SectionName>();
  /** What the page shows, by part. */
  private sent = new Map<string, string>();

  constructor(
    private readonly extensionUri: Uri,
    private readonly version: string,
    private readonly session: SidecarSession,
  ) {
    this.requests = new InspectorRequests(session, this.state, () => this.update());
    this.listening = [
      session.onDidComplete((trace) => {
        this.state.add(trace, new Date());
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
    void this.requests.loadTraces().then(() => this.refresh());
  }

  dispose(): void {
    this.requests.dispose();
    for (const listener of this.listening) {
      listener.dispose();
    }
    this.panel?.dispose();
  }

  /** Shows what there is, and asks for what the open sections lack. */
  private refresh(again?: SectionName): void {
    if (this.panel?.visible !== true) {
      return;
    }
    this.requests.loadSections(this.opened, again);
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

  private async receive(message: unknown): Promise<void> {
    const parsed = parsePageMessage(message);
    if (parsed === undefined) {
      return;
    }
    try {
      await this.act(parsed);
    } catch (error) {
      this.notify(errorMessage(error));
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
        return this.requests.compare();
      case "search":
        return this.requests.search(message.text);
      case "rule":
        return this.setRule(message.rule, message.target);
      case "copy":
        return this.copy(message.code);
      case "clear-counts":
        return this.clearCounts();
    }
  }

  private fold(section: SectionName, open: boolean): void {
    if (open) {
      this.opened.add(section);
      this.refresh(section);
    } else this.opened.delete(section);
  }

  private async setRule(rule: FileRule, target: FragmentTarget): Promise<void> {
    const fragment = fragmentAt(this.state, target);
    if (fragment !== undefined) {
      this.notify(await toggleRule(fragment, rule));
      this.update();
    }
  }

  private async copy(withCode: boolean): Promise<void> {
    const { shown } = this.state;
    if (shown === undefined) {
      return;
    }
    const code = withCode
      ? { prompt: await this.session.client().sendRequest(messages.prompt, { id: shown.id }) }
      : undefined;
    await env.clipboard.writeText(
      traceReport({ version: this.version, status: this.session.status, trace: shown, file: fileOf(shown) }, code),
    );
    this.notify(withCode ? "Copied the trace, with your code in it." : "Copied the trace: paths and numbers, no code.");
  }

  private async clearCounts(): Promise<void> {
    const detail = "They are kept on this machine alone and cannot be brought back. Counting begins anew.";
    if (await confirm("Delete the counts of suggestions?", detail, "Delete")) {
      await this.requests.clearCounts();
      this.notify("The counts are deleted.");
    }
  }

  private async open(target: OpenTarget): Promise<void> {
    const place = rangeAt(this.state, target);
    if (place !== undefined && this.panel !== undefined) {
      const { uri, start, end } = place;
      const range = new Range(start.line, start.character, end.line, end.character);
      await this.opener.show(uri, range, this.panel);
    }
  }

  /** Tells in the page what was done, or why it was not. */
  private notify(text: string): void {
    void this.panel?.webview.postMessage({ notice: text });
  }
}

function fileOf({ uri }: CompletionTrace): string {
  return workspace.asRelativePath(Uri.parse(uri));
}
