// The status of this sidecar, sent to the client at each change.
import { isDeepStrictEqual } from "node:util";
import type { Connection } from "vscode-languageserver/node";
import type { Log } from "../host/log";
import { messages, type PauseReason, type SidecarStatus } from "../protocol";
import { snoozedMessage } from "../suggestions/snooze";
import type { Feature } from "./feature";

/** What the status says as it is, whatever the state. */
type Facts = {
  [Name in "snoozedUntil" | "paused" | "model" | "provider" | "vectorIndex" | "index"]?:
    | SidecarStatus[Name]
    | undefined;
};

/** The parts of the status, each set by one feature. */
interface StatusParts extends Facts {
  enabled: boolean;
  engine: "loading" | "loaded" | "failed" | "not-loaded";
  /** Why the engine failed. */
  reason?: string | undefined;
  folders: number;
  indexing?: SidecarStatus["progress"] | undefined;
  /** Why another model is used than the one in the settings. */
  modelNote?: string | undefined;
  /** A note for people while everything works, e.g. that indexing was cancelled. */
  note?: string | undefined;
}

/**
 * The status of these parts: an error comes before being off, being off before the rest, and snoozing before indexing.
 * @param now milliseconds since 1970
 */
export function statusOf(parts: StatusParts, now = Date.now()): SidecarStatus {
  const { model, provider, vectorIndex, index, indexing, snoozedUntil } = parts;
  const facts = {
    ...(snoozedUntil === undefined ? {} : { snoozedUntil }),
    ...(parts.paused === undefined ? {} : { paused: parts.paused }),
    ...(model === undefined ? {} : { model }),
    ...(provider === undefined ? {} : { provider }),
    ...(vectorIndex === undefined ? {} : { vectorIndex }),
    ...(index === undefined ? {} : { index }),
  };
  if (parts.engine === "failed")
    return { state: "error", message: parts.reason ?? "The model could not be loaded.", ...facts };
  if (!parts.enabled) return { state: "off", message: 'Off: the setting "selfracg.enable" is false.', ...facts };
  if (parts.engine !== "loaded") return { state: "starting", message: "Loading the model.", ...facts };
  if (snoozedUntil !== undefined) return { state: "snoozed", message: snoozedMessage(snoozedUntil, now), ...facts };
  if (indexing !== undefined) {
    const message =
      indexing.total === 0
        ? "Looking for files to index."
        : `Indexing ${indexing.done}/${indexing.total} files${timeLeft(indexing.secondsLeft)}.`;
    return { state: "indexing", message, progress: { ...indexing }, ...facts };
  }
  return { state: "ready", message: readyMessage(parts), ...facts };
}

/** The time left in words as vague as the estimate: ", about 3 min left". */
export function timeLeft(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  if (seconds < 60) return ", less than a minute left";
  return seconds < 5400
    ? `, about ${Math.round(seconds / 60)} min left`
    : `, about ${Math.round(seconds / 3600)} h left`;
}

const pausedMessages: Readonly<Record<PauseReason, string>> = {
  asked: "Indexing is paused until it is resumed.",
  battery: 'Indexing is paused while the machine runs on its battery (setting "selfracg.pauseOnBattery").',
};

function readyMessage(parts: StatusParts): string {
  const { index, note, modelNote, paused } = parts;
  const counted =
    parts.folders === 0
      ? "Ready. No folder is open: suggestions come from the file alone."
      : index === undefined || index.fragments === 0
        ? "Ready. Nothing is indexed in the open folders: suggestions come from the file alone."
        : `Ready: ${index.fragments} fragments of ${index.files} files.`;
  const about = parts.folders === 0 ? undefined : paused === undefined ? note : pausedMessages[paused];
  return [counted, modelNote, about].filter((part) => part !== undefined).join(" ");
}

/** Sends `selfracg/status` whenever {@link statusOf} gives something new, and answers `selfracg/getStatus`. */
export class StatusBoard implements Feature {
  private parts: StatusParts = { enabled: true, engine: "loading", folders: 0 };
  private sent: SidecarStatus | undefined;
  private open = false;

  constructor(
    private readonly connection: Connection,
    private readonly log: Log,
    private readonly folders: { readonly folders: readonly unknown[] },
  ) {
    connection.onRequest(messages.getStatus, () => this.status);
  }

  get status(): SidecarStatus {
    return statusOf(this.parts);
  }

  /** Notifications are allowed from here on: LSP has none before `initialized`. */
  initialized(): void {
    this.open = true;
    this.set({ folders: this.folders.folders.length });
  }

  /** Why nothing can be indexed now, in words; undefined when it can. */
  whyNotReady(): string | undefined {
    const { state, message } = this.status;
    return state === "ready" || state === "indexing" || state === "snoozed" ? undefined : message;
  }

  /** Changes the parts given. */
  set(change: Partial<StatusParts>): void {
    this.parts = { ...this.parts, ...change };
    if (this.open) this.send();
  }

  private send(): void {
    const status = this.status;
    if (isDeepStrictEqual(status, this.sent)) return;
    if (status.state !== this.sent?.state) {
      if (status.state === "error") this.log.error(status.message);
      else this.log.info(`${status.state}: ${status.message}`);
    }
    this.sent = status;
    void this.connection.sendNotification(messages.status, status).catch(() => {
      // The connection is closing; the exit that follows says so.
    });
  }
}
