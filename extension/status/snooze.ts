// Snoozes suggestions and ends the snooze; a new sidecar is told of one that is not over.
import { type Disposable, type Memento, window } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { serverCommands } from "../../sidecar/protocol";
import { showError } from "../notifications";
import type { SidecarSession } from "../session";
import { snoozeEntries } from "./menu-entries";

/** Where a snooze outlives the window: until when, in milliseconds since 1970. */
const stateKey = "snoozedUntil";

/** To be disposed of with the session. */
export class Snooze implements Disposable {
  private readonly listening: Disposable;

  constructor(
    private readonly memory: Memento,
    private readonly session: SidecarSession,
  ) {
    this.listening = session.onDidStart(() => void this.resume());
  }

  /** Snoozes for so many minutes; asks for how long where `given` is no length. */
  async start(given?: unknown): Promise<void> {
    const minutes = typeof given === "number" && given > 0 ? given : await askForMinutes();
    if (minutes !== undefined) await this.run(minutes);
  }

  end(): Promise<void> {
    return this.run(0);
  }

  dispose(): void {
    this.listening.dispose();
  }

  private async run(minutes: number): Promise<void> {
    try {
      await this.send(minutes);
    } catch (error) {
      const reason = errorMessage(error);
      this.session.log.error(`Snoozing failed: ${reason}`);
      void showError(`SelfRACG: suggestions could not be snoozed: ${reason}`);
    }
  }

  private async send(minutes: number): Promise<void> {
    const status = await this.session.execute(serverCommands.snooze, minutes);
    await this.memory.update(stateKey, status.snoozedUntil);
  }

  /** A new sidecar knows nothing of a snooze that is not over. */
  private async resume(): Promise<void> {
    const until = this.memory.get<unknown>(stateKey);
    if (typeof until !== "number") return;
    const minutes = (until - Date.now()) / 60_000;
    try {
      await (minutes > 0 ? this.send(minutes) : this.memory.update(stateKey, undefined));
    } catch (error) {
      this.session.log.warn(`The snooze could not be continued: ${errorMessage(error)}`);
    }
  }
}

async function askForMinutes(): Promise<number | undefined> {
  const items = snoozeEntries(Date.now()).map(({ title, description, argument }) => ({
    label: `$(bell-slash) ${title}`,
    ...(description === undefined ? {} : { description }),
    argument,
  }));
  const choice = await window.showQuickPick(items, {
    title: "Snooze Suggestions",
    placeHolder: "No suggestions for how long?",
  });
  return typeof choice?.argument === "number" ? choice.argument : undefined;
}
