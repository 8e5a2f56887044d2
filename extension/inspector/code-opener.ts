// Shows code that the inspector refers to, beside the panel, and gives it the keyboard focus.
import {
  type Range,
  Selection,
  type TextDocument,
  TextEditorRevealType,
  Uri,
  ViewColumn,
  type WebviewPanel,
  window,
  workspace,
} from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { showWarning } from "../notifications";

/** Maximum delay, in milliseconds, with which VS Code reports that a click gave the panel the focus. */
const maxFocusDelayMs = 500;

export class CodeOpener {
  /** The code last shown, and when (`performance.now()`). */
  private shown: { readonly document: TextDocument; readonly viewColumn: ViewColumn; readonly at: number } | undefined;

  /** @param panel stays visible */
  async show(uri: string, range: Range, panel: WebviewPanel): Promise<void> {
    try {
      const document = await workspace.openTextDocument(Uri.parse(uri));
      const viewColumn = codeColumn(panel);
      const editor = await window.showTextDocument(document, { viewColumn });
      this.shown = { document, viewColumn, at: performance.now() };
      const { start, end } = document.validateRange(range);
      // The cursor goes to the first line.
      editor.selection = new Selection(end, start);
      editor.revealRange(range, TextEditorRevealType.InCenterIfOutsideViewport);
    } catch (error) {
      const reason = errorMessage(error);
      void showWarning(`SelfRACG: the code cannot be opened: ${reason}`);
    }
  }

  /** VS Code may report the focus of the click only after the code is shown, and so take the focus from it. */
  panelGotFocus(): void {
    if (this.shown === undefined || performance.now() - this.shown.at >= maxFocusDelayMs) {
      return;
    }
    const { document, viewColumn } = this.shown;
    this.shown = undefined;
    void window.showTextDocument(document, { viewColumn });
  }
}

/** The column next to the panel where code is already shown. */
function codeColumn({ viewColumn: own }: WebviewPanel): ViewColumn {
  const editor = window.visibleTextEditors.find(({ viewColumn }) => viewColumn !== undefined && viewColumn !== own);
  return editor?.viewColumn ?? (own === ViewColumn.One ? ViewColumn.Beside : ViewColumn.One);
}
