// Reads the message, stack and code of errors of unknown type, and makes the error of cancelled work.

/** The message of an error; any other thrown value as text. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error itself; any other thrown value as an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The first line of the message: libraries append stack traces and addresses. */
export function firstLine(error: unknown): string {
  const message = errorMessage(error).trim();
  return message.split("\n", 1)[0] ?? message;
}

/** The first sentence of the message, without its full stop. */
export function firstSentence(error: unknown): string {
  const message = errorMessage(error);
  return message.split(". ", 1)[0] ?? message;
}

/** The stack trace where there is one, else the message. */
export function errorStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The `code` of errors of Node.js and libraries, such as "ENOENT"; undefined when there is none. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Whether a file or folder does not exist. */
export function isNotFound(error: unknown): boolean {
  return errorCode(error) === "ENOENT";
}

/** The message of the innermost cause: libraries wrap it in errors that say only "fetch failed". Without its full stop. */
export function causeMessage(error: unknown): string {
  let message = "";
  for (let each = error; each !== undefined; each = each instanceof Error ? each.cause : undefined)
    message = errorMessage(each) || errorCode(each) || message;
  return message.replace(/\.$/, "");
}

/** The error of cancelled work, named `AbortError` as the platform's own. */
export function abortError(): Error {
  return new DOMException("The work was cancelled.", "AbortError");
}
