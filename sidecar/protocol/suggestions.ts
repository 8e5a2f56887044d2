// Whether suggestions are made in a document, and counts of accepted and rejected ones.
import type { Settings } from "../settings";

export interface AvailabilityParams {
  uri: string;
}

/** Whether suggestions are made in a document. */
export interface Availability {
  available: boolean;
  /** Set where none is made: why. */
  reason?: string;
  /** The setting that is the reason, if one is. */
  setting?: keyof Settings;
}

/** Counted on this machine for this storage folder. */
export interface SuggestionCounts {
  /** When counting began: ISO 8601. */
  since: string;
  /** Suggestions given to the editor; one that is typed along counts once. */
  shown: number;
  /** Accepted whole, at once. */
  accepted: number;
  /** A word or a line of it was accepted, and not the whole. */
  partlyAccepted: number;
  /** Typed to the end, or further than its first word, without being accepted. */
  typed: number;
  /** Nothing of it was used. */
  rejected: number;
  /** Characters that were accepted and not typed. */
  charactersTaken: number;
}
