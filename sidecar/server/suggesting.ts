// Suggestions: schedules the requests for them, snoozes them, and counts on this machine what becomes of them.
import { isDeepStrictEqual } from "node:util";
import type { ServerCapabilities } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { messages } from "../protocol";
import { type Acceptance, AcceptanceTracker } from "../suggestions/acceptance";
import { CompletionCache } from "../suggestions/completion-cache";
import { Debounce } from "../suggestions/debounce";
import { type SnapshotSources, snapshotAt } from "../suggestions/document-snapshot";
import { RequestScheduler } from "../suggestions/request-scheduler";
import { Snooze } from "../suggestions/snooze";
import type { Traces } from "../suggestions/traces";
import { CountsStore } from "../suggestions/usage-counts";
import type { StartOptions } from "./configuration";
import { DocumentAvailability } from "./document-availability";
import type { Feature } from "./feature";
import { registerInlineCompletion } from "./inline-completion";
import type { InterruptibleWork } from "./interruptible-work";
import type { SharedParts } from "./shared-parts";

interface SuggestingParts extends SharedParts {
  readonly options: StartOptions;
  readonly traces: Traces;
  /** Work of the model that ends when a suggestion is asked for. */
  readonly interruptible: InterruptibleWork;
}

export class Suggesting implements Feature {
  readonly snooze: Snooze;
  readonly availability: DocumentAvailability;
  private readonly cache = new CompletionCache();
  private readonly scheduler: RequestScheduler;
  private readonly acceptance = new AcceptanceTracker((change) => this.counts.add(change));
  private countsStore: CountsStore | undefined;

  constructor(private readonly parts: SuggestingParts) {
    const { connection, log, documents, configuration, status, model, traces, interruptible } = parts;
    const debounce = new Debounce();
    const scheduler = new RequestScheduler({
      cache: this.cache,
      traces,
      debounce,
      settings: () => configuration.settings,
      completer: () => model.engine?.completer,
      modelNeeded: () => interruptible.interrupt(),
      modelHash: () => model.engine?.backbone.model.hash ?? "",
      revision: () => model.engine?.index.revision,
    });
    this.scheduler = scheduler;
    this.snooze = new Snooze((until) => {
      if (until !== undefined) scheduler.cancel();
      status.set({ snoozedUntil: until });
    });
    const availability = new DocumentAvailability({ ...parts, snooze: this.snooze });
    this.availability = availability;
    documents.onEdited((document, edits) => {
      scheduler.edited(document.uri);
      const accepted = this.acceptance.edited(document.uri, document.getText(), edits);
      if (accepted === undefined) debounce.keystroke();
      else this.prepareAfter(accepted);
    });
    documents.texts.onDidClose(({ document }) => this.acceptance.closed(document.uri));
    connection.onRequest(messages.counts, () => this.counts.read());
    registerInlineCompletion(connection, {
      documents: documents.texts,
      scheduler,
      log,
      availability: ({ uri }) => availability.of(uri),
      sources: (document) => this.sources(document),
      shown: (shown) => this.acceptance.shown(shown),
    });
  }

  /** The counts of suggestions, on disk. */
  get counts(): CountsStore {
    this.countsStore ??= new CountsStore(this.parts.options.storagePath, this.parts.log);
    return this.countsStore;
  }

  initialize(): ServerCapabilities {
    return { inlineCompletionProvider: true };
  }

  initialized(): void {
    this.parts.configuration.onChange((now, before) => {
      // Settings are also read again when they have not changed.
      if (!isDeepStrictEqual(now, before)) this.scheduler.cancel();
    });
  }

  /** The index holds something else than before, of these files; undefined: of any. */
  indexChanged(uris: readonly string[] | undefined): void {
    this.availability.forgetRules();
    if (uris === undefined) this.cache.clear();
    else for (const uri of uris) this.cache.fileChanged(uri);
  }

  /** The client reports that the suggestion with this id was accepted whole. */
  accepted(id: number): void {
    const accepted = this.acceptance.accepted(id);
    if (accepted !== undefined) this.prepareAfter(accepted);
  }

  async dispose(): Promise<void> {
    this.snooze.dispose();
    this.scheduler.cancel();
    this.acceptance.dispose();
    await this.counts.flush();
  }

  /** Whoever accepts a suggestion reads on where it ends, and the next one is wanted there. */
  private prepareAfter({ uri, offset }: Acceptance): void {
    const document = this.parts.documents.texts.get(uri);
    if (document === undefined || !this.availability.of(uri).available) return;
    const position = document.positionAt(offset);
    void this.scheduler.prepare(snapshotAt(document, position, undefined, this.sources(document)));
  }

  private sources(document: TextDocument): SnapshotSources {
    const { folders, documents } = this.parts;
    return { folders: folders.folders, cell: documents.notebooks.around(document) };
  }
}
