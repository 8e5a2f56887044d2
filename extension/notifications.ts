// Notifications with buttons. Every notification goes through here, so that its text is escaped.
import { window } from "vscode";
import { escapeNotification } from "./escape";

/** Resolves to the button that was pressed. */
export async function showInformation(message: string, ...buttons: string[]): Promise<string | undefined> {
  return window.showInformationMessage(escapeNotification(message), ...buttons);
}

/** Resolves to the button that was pressed. */
export async function showWarning(message: string, ...buttons: string[]): Promise<string | undefined> {
  return window.showWarningMessage(escapeNotification(message), ...buttons);
}

export async function showError(message: string): Promise<void> {
  await window.showErrorMessage(escapeNotification(message));
}

/** A dialog that must be answered. Whether `button` was pressed. */
export async function confirm(question: string, detail: string, button: string): Promise<boolean> {
  return (await window.showWarningMessage(question, { modal: true, detail }, button)) === button;
}
