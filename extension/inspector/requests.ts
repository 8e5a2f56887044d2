// What the inspector asks of the sidecar. Answers go into its state, and the page is rendered again at each change.
import type { Disposable } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { errorMessage } from "../../sidecar/host/errors";
import { messages, serverCommands } from "../../sidecar/protocol";
import type { SidecarSession } from "../session";
import type { Answer } from "./html";
import type { InspectorState } from "./inspector-state";
import type { SectionName } from "./page-message";

/** Pause in typing, in milliseconds, after which the weights of the need are asked for: they take the model, which typing needs. */
const needPauseMs = 400;

export class InspectorRequests implements Disposable {
  private needTimer: NodeJS.Timeout | undefined;

  /** @param onChange after each change of the state */
  constructor(
    private readonly session: SidecarSession,
    private readonly state: InspectorState,
    private readonly onChange: () => void,
  ) {}

  /** Reads the suggestions from before the panel was open. Never rejects. */
  async loadTraces(): Promise<void> {
    try {
      this.state.replaceAll(await this.session.client().sendRequest(messages.traces));
    } catch {
      // There is no sidecar to ask yet, and the page says so. What comes is shown as it comes.
    }
  }

  /** Asks for what the open sections show and is not known yet. What failed is asked for again when `again` is opened. */
  loadSections(opened: ReadonlySet<SectionName>, again?: SectionName): void {
    const { shown } = this.state;
    clearTimeout(this.needTimer);
    if (shown !== undefined) {
      const answers = this.state.answersOf(shown.id);
      const params = { id: shown.id };
      const lacks = (section: "prompt" | "need"): boolean =>
        opened.has(section) &&
        (answers[section] === undefined || (section === again && answers[section].state === "failed"));
      if (lacks("prompt"))
        void this.ask(
          (client) => client.sendRequest(messages.prompt, params),
          (answer) => (answers.prompt = answer),
        );
      if (lacks("need"))
        this.needTimer = setTimeout(() => {
          void this.ask(
            (client) => client.sendRequest(messages.need, params),
            (answer) => (answers.need = answer),
          );
        }, needPauseMs);
    }
    if (opened.has("counts")) {
      void this.ask(
        (client) => client.sendRequest(messages.counts),
        (answer) => {
          // The figures from before stay until the new ones are there.
          if (answer.state !== "asked" || this.state.counts === undefined) this.state.counts = answer;
        },
      );
    }
  }

  /** Completes the cursor of the suggestion shown without fragments, once at a time. */
  async compare(): Promise<void> {
    const { shown } = this.state;
    if (shown === undefined) return;
    const answers = this.state.answersOf(shown.id);
    if (answers.comparison?.state === "asked") return;
    await this.ask(
      (client) => client.sendRequest(messages.compare, { id: shown.id }),
      (answer) => (answers.comparison = answer),
    );
  }

  /** Searches the index by code, as if written in the document of the suggestion shown. */
  async search(text: string): Promise<void> {
    const uri = this.state.shown?.uri;
    await this.ask(
      (client) => client.sendRequest(messages.search, { text, ...(uri !== undefined && { uri }) }),
      (answer) => (this.state.found = answer),
    );
  }

  /** @throws Error with the sidecar's reason */
  async clearCounts(): Promise<void> {
    this.state.counts = { state: "answered", value: await this.session.execute(serverCommands.clearCounts) };
    this.onChange();
  }

  dispose(): void {
    clearTimeout(this.needTimer);
  }

  /** Shows that the sidecar was asked, and then what it answered. Never rejects. */
  private async ask<Value>(
    request: (client: LanguageClient) => Promise<Value | null>,
    take: (answer: Answer<Value>) => void,
  ): Promise<void> {
    take({ state: "asked" });
    this.onChange();
    try {
      take({ state: "answered", value: await request(this.session.client()) });
    } catch (error) {
      take({ state: "failed", reason: errorMessage(error) });
    }
    this.onChange();
  }
}
