// Collects what a bug report needs into a page for the user to review.
import { arch, cpus, freemem, homedir, release, totalmem } from "node:os";
import { type ExtensionContext, env, UIKind, Uri, version, window, workspace } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { type CompletionTrace, messages } from "../../sidecar/protocol";
import { showInformation } from "../notifications";
import type { SidecarSession } from "../session";
import type { StatusModel } from "../status/status-model";
import { formatBytes } from "../status/status-text";
import { type DiagnosticsData, diagnosticsReport } from "./report";

/** Maximum number of suggestions in the report, the newest first. */
const maxTraces = 20;

export async function collectDiagnostics(
  context: ExtensionContext,
  session: SidecarSession,
  statusModel: StatusModel,
): Promise<void> {
  const traces = (await lastTraces(session)).map((trace) => ({
    trace,
    file: workspace.asRelativePath(Uri.parse(trace.uri)),
  }));
  const { status, place, here } = statusModel.data;
  const document = window.activeTextEditor?.document;
  const data: DiagnosticsData = {
    versions: versions(context),
    place,
    settings: session.settings.all(),
    status,
    traces,
    log: session.logMessages,
    home: homedir(),
    ...(document === undefined
      ? {}
      : {
          activeFile: {
            uri: document.uri.toString(),
            languageId: document.languageId,
            ...(here === undefined ? {} : { here }),
          },
        }),
  };
  await window.showTextDocument(
    await workspace.openTextDocument({ language: "markdown", content: diagnosticsReport(data) }),
  );
  void showInformation(
    "SelfRACG: look at the diagnostics before you share them: they hold names of files and folders.",
  );
}

function versions(context: ExtensionContext): Record<string, string> {
  const { version: own }: { version?: unknown } = context.extension.packageJSON;
  const processors = cpus();
  return {
    "SelfRACG Code": String(own),
    "VS Code": `${env.appName} ${version}, ${env.uiKind === UIKind.Desktop ? "desktop" : "web"}`,
    // The sidecar runs on the same runtime.
    "Node of the sidecar": process.versions.node,
    System: `${process.platform} ${release()}, ${arch()}`,
    Processor: `${processors[0]?.model.trim() ?? "unknown"}, ${processors.length} threads`,
    Memory: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`,
  };
}

async function lastTraces(session: SidecarSession): Promise<CompletionTrace[]> {
  try {
    return (await session.client().sendRequest(messages.traces)).slice(0, maxTraces);
  } catch (error) {
    session.log.debug(`The last suggestions could not be read: ${errorMessage(error)}`);
    // The window knows the last one.
    return session.trace === undefined ? [] : [session.trace];
  }
}
