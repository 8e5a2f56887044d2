// The commands that snooze suggestions and end the snooze; a new sidecar is told of one that goes on.

import { commands, Disposable, type ExtensionContext, window } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { serverCommands } from "../../sidecar/protocol";
import { command } from "../command-names";
import { showError } from "../notifications";
import type { SidecarSession } from "../session";
import { snoozeEntries } from "./menu-entries";

/** Where a snooze outlives the window: until when, in milliseconds since 1970. */
const stateKey = "snoozedUntil";

export function register(context: ExtensionContext, session: SidecarSession): Disposable {
  const send = async (minutes: number): Promise<void> => {
    const status = await session.execute(serverCommands.snooze, minutes);
    await context.workspaceState.update(stateKey, status.snoozedUntil);
  };
  const run = async (minutes: number): Promise<void> => {
    try {
      await send(minutes);
    } catch (error) {
      const reason = errorMessage(error);
      session.log.error(`Snoozing failed: ${reason}`);
      void showError(`SelfRACG: suggestions could not be snoozed: ${reason}`);
    }
  };
  const resume = async (): Promise<void> => {
    const until = context.workspaceState.get<unknown>(stateKey);
    if (typeof until !== "number") {
      return;
    }
    const minutes = (until - Date.now()) / 60_000;
    try {
      await (minutes > 0 ? send(minutes) : context.workspaceState.update(stateKey, undefined));
    } catch (error) {
      session.log.warn(`The snooze could not be taken up: ${errorMessage(error)}`);
    }
  };
  return Disposable.from(
    session.onDidStart(() => void resume()),
    commands.registerCommand(command.snooze, async (given?: unknown) => {
      const minutes = typeof given === "number" && given > 0 ? given : await askForMinutes();
      if (minutes !== undefined) await run(minutes);
    }),
    commands.registerCommand(command.endSnooze, () => run(0)),
  );
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
