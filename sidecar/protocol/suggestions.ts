// Whether suggestions are made in a document, and what became of those that were made.

import type { Settings } from "../settings";

export interface AvailabilityParams {
  uri: string;
}

/** Whether suggestions are made in a document. */
export interface Availability {
  available: boolean;
  /** Set where none is made: why, in words. */
  reason?: string;
  /** The setting of the section `selfracg` that says so, if one does. */
  setting?: keyof Settings;
}

/** Counted on this machine alone and for this storage folder alone. */
export interface SuggestionCounts {
  /** When counting began: ISO 8601. */
  since: string;
  /** Suggestions given to the editor, each once however long it was typed along. */
  shown: number;
  /** Taken whole, in one go. */
  accepted: number;
  /** Of which a word or a line was taken, and not the whole. */
  partlyAccepted: number;
  /** Typed to their end, or further than a word, and not taken. */
  typed: number;
  /** Of which nothing was used. */
  rejected: number;
  /** Characters taken, not typed. */
  charactersTaken: number;
}
