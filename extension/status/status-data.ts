// What the status bar and its menu speak of, as plain data.

import type { Availability, CompletionTrace, SidecarStatus } from "../../sidecar/protocol";
import type { Place } from "../environment";

export interface OverviewData {
  status: SidecarStatus;
  place: Place;
  /** The last completion that suggested something. */
  last?: CompletionTrace;
  /** Of the document in the active editor; absent where there is none. */
  languageId?: string;
  /** Whether that document gets suggestions; absent where that is not known. */
  here?: Availability;
  /** Why nothing was asked for at the cursor, in a sentence without its beginning. */
  suppressed?: string;
}

/** Why the active document gets none while others do; nothing where that is not so. */
export function offHere({ status, here }: OverviewData): Availability | undefined {
  // In every other state the state itself says more.
  const others = status.state === "ready" || status.state === "indexing";
  return others && here?.available === false ? here : undefined;
}
