// The command that gathers what a bug report needs into a page for the user to look at.

import { arch, cpus, freemem, homedir, release, totalmem } from "node:os";
import { commands, type Disposable, env, type ExtensionContext, UIKind, Uri, version, window, workspace } from "vscode";
import { type CompletionTrace, messages } from "../../sidecar/protocol";
import { command } from "../command-names";
import { type DiagnosticsData, diagnosticsReport, lastLines } from "../diagnostics-report";
import type { Overview } from "../overview";
import type { SidecarSession } from "../session";
import { formatBytes } from "../status-text";

/** Lines of the log, from its end. */
const logLines = 200;
/** Suggestions, from the newest on. */
const mostTraces = 20;

export function register(context: ExtensionContext, session: SidecarSession, overview: Overview): Disposable {
  return commands.registerCommand(command.collectDiagnostics, async () => {
    const [traces, log] = await Promise.all([lastTraces(session), readLog(context, session)]);
    const { status, place, here } = overview.data;
    const document = window.activeTextEditor?.document;
    const data: DiagnosticsData = {
      versions: versions(context),
      place,
      settings: session.settings.all(),
      status,
      traces,
      home: homedir(),
      ...(document === undefined ? {} : { activeFile: { uri: document.uri.toString(), languageId: document.languageId, ...(here === undefined ? {} : { here }) } }),
      ...(log === undefined ? {} : { log }),
    };
    await window.showTextDocument(await workspace.openTextDocument({ language: "markdown", content: diagnosticsReport(data) }));
    void window.showInformationMessage("SelfRACG: look at the diagnostics before you share them: they hold names of files and folders.");
  });
}

function versions(context: ExtensionContext): Record<string, string> {
  const { version: own }: { version?: unknown } = context.extension.packageJSON;
  const processors = cpus();
  return {
    "SelfRACG Code": String(own),
    "VS Code": `${env.appName} ${version}, ${env.uiKind === UIKind.Desktop ? "desktop" : "web"}`,
    // The sidecar is forked from this very runtime.
    "Node of the sidecar": process.versions.node,
    System: `${process.platform} ${release()}, ${arch()}`,
    Processor: `${processors[0]?.model.trim() ?? "unknown"}, ${processors.length} threads`,
    Memory: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`,
  };
}

async function lastTraces(session: SidecarSession): Promise<CompletionTrace[]> {
  try {
    return (await session.request<CompletionTrace[]>(messages.traces)).slice(0, mostTraces);
  } catch (error) {
    session.log.debug(`The last suggestions could not be asked for: ${error instanceof Error ? error.message : String(error)}`);
    // The window's own memory reaches back to the last one.
    return session.trace === undefined ? [] : [session.trace];
  }
}

/** VS Code keeps a log channel in a file of its name. */
async function readLog(context: ExtensionContext, session: SidecarSession): Promise<string | undefined> {
  try {
    const bytes = await workspace.fs.readFile(Uri.joinPath(context.logUri, `${session.log.name}.log`));
    return lastLines(new TextDecoder().decode(bytes), logLines);
  } catch (error) {
    session.log.warn(`The log could not be read: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
