// Collects what the status bar and its menu show: status, last suggestion, active document, environment.
import { type Disposable, EventEmitter, env, type TextEditor, window, workspace } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { type Availability, type CompletionTrace, messages, type SidecarState } from "../../sidecar/protocol";
import { completedSchemes, type Environment } from "../environment";
import type { ModelWork } from "../models/model-texts";
import type { SidecarSession } from "../session";
import type { StatusData } from "./status-data";

export class StatusModel implements Disposable {
  private readonly emitter = new EventEmitter<void>();
  private readonly listening: Disposable[];
  private last: CompletionTrace | undefined;
  private here: Availability | undefined;
  private suppressed: string | undefined;
  private work: ModelWork | undefined;
  private questions = 0;
  private askedIn: SidecarState | undefined;

  /** Fires when {@link data} has changed. */
  readonly onDidChange = this.emitter.event;

  constructor(private readonly session: SidecarSession) {
    this.listening = [
      this.emitter,
      session.onDidChangeStatus(({ state }) => {
        // While indexing, a status comes for every few files; none of them changes the answer.
        const changed = state !== this.askedIn;
        // An answer from another state, such as "snoozed", would be shown for a moment.
        if (changed) this.here = undefined;
        this.emitter.fire();
        if (changed) void this.ask();
      }),
      session.onDidComplete((trace) => {
        if (trace.suggestion !== "") {
          this.last = trace;
          this.emitter.fire();
        }
      }),
      window.onDidChangeActiveTextEditor(() => {
        this.suppress(undefined);
        void this.ask();
      }),
      // A change of a document's language closes and opens it.
      workspace.onDidOpenTextDocument((document) => {
        if (document === window.activeTextEditor?.document) void this.ask();
      }),
      workspace.onDidChangeWorkspaceFolders(() => this.emitter.fire()),
      workspace.onDidGrantWorkspaceTrust(() => this.emitter.fire()),
    ];
    const workspaceMiddleware = session.middleware.workspace;
    session.middleware.workspace = {
      ...workspaceMiddleware,
      // The sidecar reads changed settings here. Asked earlier, it would answer by the old ones.
      configuration: async (params, token, next) => {
        const own = workspaceMiddleware?.configuration;
        const answer = await (own === undefined ? next(params, token) : own(params, token, next));
        setTimeout(() => void this.ask(), 0);
        return answer;
      },
    };
  }

  get data(): StatusData {
    const document = window.activeTextEditor?.document;
    return {
      status: this.session.status,
      place: place(),
      ...(this.last === undefined ? {} : { last: this.last }),
      ...(document === undefined || !completedSchemes.includes(document.uri.scheme)
        ? {}
        : { languageId: document.languageId }),
      ...(this.here === undefined ? {} : { here: this.here }),
      ...(this.suppressed === undefined ? {} : { suppressed: this.suppressed }),
      ...(this.work === undefined ? {} : { work: this.work }),
    };
  }

  /** Why no suggestion is requested at the cursor; undefined where one is. */
  suppress(reason: string | undefined): void {
    if (reason !== this.suppressed) {
      this.suppressed = reason;
      this.emitter.fire();
    }
  }

  /** The download or conversion of a model; undefined when there is none. */
  showWork(work: ModelWork | undefined): void {
    this.work = work;
    this.emitter.fire();
  }

  dispose(): void {
    for (const each of this.listening) {
      each.dispose();
    }
  }

  private async ask(): Promise<void> {
    this.questions += 1;
    const question = this.questions;
    this.askedIn = this.session.status.state;
    const here = await this.availability(window.activeTextEditor);
    if (question === this.questions) {
      this.here = here;
      this.emitter.fire();
    }
  }

  private async availability(editor: TextEditor | undefined): Promise<Availability | undefined> {
    if (editor === undefined) {
      return undefined;
    }
    const { uri } = editor.document;
    if (!completedSchemes.includes(uri.scheme)) {
      // Nobody expects suggestions in outputs, input boxes and the left side of a comparison.
      return editor.viewColumn === undefined ? undefined : { available: false, reason: noSuchScheme(uri.scheme) };
    }
    try {
      return await this.session.client().sendRequest(messages.availability, { uri: uri.toString() });
    } catch (error) {
      // The status says why there is no sidecar to ask.
      this.session.log.debug(`Whether ${uri.toString()} gets suggestions is not known: ${errorMessage(error)}`);
      return undefined;
    }
  }
}

function noSuchScheme(scheme: string): string {
  return `It is on no disk (its scheme is "${scheme}"). Files on disk, untitled files and notebook cells get suggestions.`;
}

/** Where this window's extensions run. */
export function place(): Environment {
  return {
    trusted: workspace.isTrusted,
    folderSchemes: (workspace.workspaceFolders ?? []).map(({ uri }) => uri.scheme),
    ...(env.remoteName === undefined ? {} : { remoteName: env.remoteName }),
  };
}
