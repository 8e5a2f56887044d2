// Shows code that the inspector points at, beside the panel, and gives it the keyboard.

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

/** How late, at most, the focus of a click in the panel is noticed, in milliseconds. */
const lateFocusMs = 500;

export class CodeOpener {
  /** The code last shown, and when (`performance.now()`). */
  private shown: { readonly document: TextDocument; readonly viewColumn: ViewColumn; readonly at: number } | undefined;

  /** @param panel that stays in sight */
  async show(uri: string, range: Range, panel: WebviewPanel): Promise<void> {
    try {
      const document = await workspace.openTextDocument(Uri.parse(uri));
      const viewColumn = codeColumn(panel);
      const editor = await window.showTextDocument(document, { viewColumn });
      this.shown = { document, viewColumn, at: performance.now() };
      const { start, end } = document.validateRange(range);
      // The cursor goes to the first line, where reading begins.
      editor.selection = new Selection(end, start);
      editor.revealRange(range, TextEditorRevealType.InCenterIfOutsideViewport);
    } catch (error) {
      const reason = errorMessage(error);
      void showWarning(`SelfRACG: the code cannot be opened: ${reason}`);
    }
  }

  /** VS Code may learn of the click's own focus only when the code is shown already, and take the focus from it again. */
  panelGotFocus(): void {
    if (this.shown === undefined || performance.now() - this.shown.at >= lateFocusMs) {
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
