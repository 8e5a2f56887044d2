// Whether suggestions are made in a document, and if not, why: for requests and for the status alike.
import * as v from "valibot";
import type { Connection } from "vscode-languageserver/node";
import { isSameLanguage } from "../languages/languages";
import { type Availability, handleRequest, messages, type Settings } from "../protocol";
import { patternsOf } from "../workspace/files/exclude-settings";
import { byteString, type IgnorePatterns } from "../workspace/files/ignore-pattern";

/** Schemes of documents that people write code in; others are only shown (`git`, `output`) or are out of the index's reach. */
const schemes: ReadonlySet<string> = new Set([
  "file",
  "vscode-notebook-cell",
  // Documents that are not saved yet: of VS Code, Sublime Text, and Monaco in a web page.
  "untitled",
  "buffer",
  "inmemory",
]);

interface DocumentFacts {
  /** A notebook cell's notebook where that is known, else the document itself. */
  readonly uri: string;
  readonly languageId: string;
  /** Relative to the workspace folder, as the patterns of `disabledFiles` are. */
  readonly path: string;
  /** Why the document counts as secret by its name, in words for people. */
  readonly secret?: string | undefined;
}

export interface AvailabilityState {
  readonly settings: Settings;
  /** Why there is no model: it is being loaded or cannot be used. */
  readonly noModel: string | undefined;
  /** Set while snoozed: the sentence that says until when. */
  readonly snoozed: string | undefined;
}

/** Lasting reasons come before passing ones: a snooze ends by itself. */
export function availabilityOf(
  { uri, languageId, path, secret }: DocumentFacts,
  { settings, noModel, snoozed }: AvailabilityState,
): Availability {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri)?.[1] ?? "";
  if (!schemes.has(scheme))
    return no(
      `Suggestions are made only in files, untitled documents and notebooks; this is a document of the scheme "${scheme}".`,
    );
  if (!settings.enable) return no('Off: the setting "selfracg.enable" is false.', "enable");
  if (settings.disabledLanguages.some((each) => isSameLanguage(each, languageId)))
    return no(`Off for the language "${languageId}" (setting "selfracg.disabledLanguages").`, "disabledLanguages");
  const pattern = disabledBy(settings.disabledFiles, path);
  if (pattern !== undefined)
    return no(
      `Off for this file: it matches ${JSON.stringify(pattern)} of the setting "selfracg.disabledFiles".`,
      "disabledFiles",
    );
  if (secret !== undefined) return no(`Off for this file, which no model reads: ${secret}.`);
  if (noModel !== undefined) return no(noModel);
  return snoozed === undefined ? { available: true } : no(snoozed);
}

/** Answers `selfracg/availability`. */
export function registerAvailability(connection: Connection, of: (uri: string) => Availability): void {
  handleRequest(connection, messages.availability, v.object({ uri: v.string() }), "{uri: string}", ({ uri }) =>
    of(uri),
  );
}

/** One list of patterns, with its answer for the last path: the same path is asked about at every keystroke. */
interface DisabledFiles {
  readonly patterns: IgnorePatterns | undefined;
  path?: string;
  by?: string | undefined;
}

/** By the list itself: a change of settings makes a new one. */
const compiled = new WeakMap<readonly string[], DisabledFiles>();

function disabledBy(patterns: readonly string[], path: string): string | undefined {
  const known = compiled.get(patterns) ?? { patterns: patternsOf(patterns) };
  compiled.set(patterns, known);
  if (known.path !== path) {
    known.path = path;
    known.by = known.patterns?.matchFile(byteString(path))?.text;
  }
  return known.by;
}

function no(reason: string, setting?: keyof Settings): Availability {
  return { available: false, reason, ...(setting === undefined ? {} : { setting }) };
}
