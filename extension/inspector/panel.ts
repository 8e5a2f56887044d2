// The retrieval inspector: a panel beside the editor that follows the session.

import { randomBytes } from "node:crypto";
import {
  commands,
  type Disposable,
  Position,
  Range,
  Selection,
  type TextDocument,
  TextEditorRevealType,
  Uri,
  ViewColumn,
  type Webview,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import type { SidecarSession } from "../session";
import { type OpenTarget, parsePageMessage } from "./page-message";
import { renderInspector, renderPage } from "./render";

const viewType = "selfracg.inspector";
/** How late, at most, the focus of a click in the panel is noticed, in milliseconds. */
const lateFocusMs = 500;

/** At most one panel a window; it follows every completion while it is open. */
export class InspectorPanel implements Disposable {
  private panel: WebviewPanel | undefined;
  /** The code last shown from the panel, and when (`performance.now()`). */
  private shown: { readonly document: TextDocument; readonly viewColumn: ViewColumn; readonly at: number } | undefined;
  private readonly listening: Disposable[];

  constructor(
    private readonly extensionUri: Uri,
    private readonly session: SidecarSession,
  ) {
    this.listening = [session.onDidComplete(() => this.update()), session.onDidChangeStatus(() => this.update())];
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
    });
    panel.webview.onDidReceiveMessage((message: unknown) => void this.receive(message));
    // A hidden page is thrown away by VS Code and made again from its first HTML, so bring it up to date.
    panel.onDidChangeViewState(() => {
      this.update();
      // VS Code may learn of the click's own focus only when the code is shown already, and take the focus from it again.
      if (panel.active && this.shown !== undefined && performance.now() - this.shown.at < lateFocusMs) {
        const { document, viewColumn } = this.shown;
        this.shown = undefined;
        void window.showTextDocument(document, { viewColumn });
      }
    });
    panel.webview.html = this.page(panel.webview, media);
    this.panel = panel;
  }

  dispose(): void {
    for (const listener of this.listening) {
      listener.dispose();
    }
    this.panel?.dispose();
  }

  private update(): void {
    if (this.panel?.visible) {
      void this.panel.webview.postMessage({ html: this.body() });
    }
  }

  private body(): string {
    const { status, trace } = this.session;
    return renderInspector(
      trace === undefined ? { status } : { status, trace, file: workspace.asRelativePath(Uri.parse(trace.uri)) },
    );
  }

  private page(webview: Webview, media: Uri): string {
    return renderPage({
      nonce: randomBytes(16).toString("hex"),
      resourceSource: webview.cspSource,
      styleUri: webview.asWebviewUri(Uri.joinPath(media, "inspector.css")).toString(),
      scriptUri: webview.asWebviewUri(Uri.joinPath(media, "inspector.js")).toString(),
      body: this.body(),
    });
  }

  private async receive(message: unknown): Promise<void> {
    const parsed = parsePageMessage(message);
    if (parsed?.type === "open") {
      await this.open(parsed.target);
    } else if (parsed?.type === "command") {
      await commands.executeCommand(parsed.command);
    } else if (isReady(message)) {
      this.update();
    }
  }

  /** The page names what it shows by number, never by address: only what the sidecar sent can be opened. */
  private async open(target: OpenTarget): Promise<void> {
    const { trace } = this.session;
    if (trace === undefined) {
      return;
    }
    if (target.kind === "cursor") {
      const position = new Position(trace.position.line, trace.position.character);
      await this.showCode(trace.uri, new Range(position, position));
      return;
    }
    const fragment = (target.kind === "dropped" ? trace.dropped : trace.fragments)[target.index];
    if (fragment !== undefined) {
      await this.showCode(
        fragment.uri,
        new Range(fragment.startLine - 1, 0, fragment.endLine - 1, Number.MAX_SAFE_INTEGER),
      );
    }
  }

  private async showCode(uri: string, range: Range): Promise<void> {
    try {
      const document = await workspace.openTextDocument(Uri.parse(uri));
      const viewColumn = this.codeColumn();
      const editor = await window.showTextDocument(document, { viewColumn });
      this.shown = { document, viewColumn, at: performance.now() };
      const { start, end } = document.validateRange(range);
      // The cursor goes to the first line, where reading begins.
      editor.selection = new Selection(end, start);
      editor.revealRange(range, TextEditorRevealType.InCenterIfOutsideViewport);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      void window.showWarningMessage(`SelfRACG: the code cannot be opened: ${reason}`);
    }
  }

  /** The column next to the panel where code is already shown, so that the panel itself stays in sight. */
  private codeColumn(): ViewColumn {
    const own = this.panel?.viewColumn;
    const editor = window.visibleTextEditors.find(
      ({ viewColumn }) => viewColumn !== undefined && viewColumn !== own,
    );
    return editor?.viewColumn ?? (own === ViewColumn.One ? ViewColumn.Beside : ViewColumn.One);
  }
}

/** The page says so once its script listens. */
function isReady(message: unknown): boolean {
  return typeof message === "object" && message !== null && "ready" in message;
}
