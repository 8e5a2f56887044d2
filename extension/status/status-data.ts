// The data that the status bar and its menu show.
import type { Availability, CompletionTrace, SidecarStatus } from "../../sidecar/protocol";
import type { Environment } from "../environment";
import type { ModelWork } from "../models/model-texts";

export interface StatusData {
  status: SidecarStatus;
  place: Environment;
  /** The last completion that suggested something. */
  last?: CompletionTrace;
  /** Of the document in the active editor; absent where there is none. */
  languageId?: string;
  /** Whether that document gets suggestions; absent where it is not known. */
  here?: Availability;
  /** Why no suggestion was requested at the cursor, as the end of a sentence. */
  suppressed?: string;
  /** The download or conversion of a model in this window. */
  work?: ModelWork;
}

/** Why the active document gets no suggestions while others do; undefined where it does get them. */
export function unavailableHere({ status, here }: StatusData): Availability | undefined {
  // In every other state the state itself is the reason.
  const others = status.state === "ready" || status.state === "indexing";
  return others && here?.available === false ? here : undefined;
}
