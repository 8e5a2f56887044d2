// Whether suggestions are made in an open document, by all that the server knows of it.
import { documentPath, longDocumentPath } from "../host/paths";
import { languageIdOf } from "../languages/languages";
import type { Availability } from "../protocol";
import { availabilityOf, registerAvailability } from "../suggestions/eligibility";
import { SecretDocuments } from "../suggestions/secret-documents";
import { type Snooze, snoozedMessage } from "../suggestions/snooze";
import type { SharedParts } from "./shared-parts";

interface DocumentAvailabilityParts extends SharedParts {
  readonly snooze: Snooze;
}

export class DocumentAvailability {
  private readonly secrets: SecretDocuments;

  constructor(private readonly parts: DocumentAvailabilityParts) {
    const { documents, folders, model } = parts;
    this.secrets = new SecretDocuments({
      path: (uri) => longDocumentPath(uri, folders.folders),
      isAllowed: (uri) => model.engine?.index.mayRead(uri),
    });
    // So that the answer is there when the first suggestion is asked for.
    documents.texts.onDidOpen(({ document }) => void this.secrets.reason(document.uri));
    registerAvailability(parts.connection, (uri) => this.of(uri));
  }

  /** A cell of a notebook counts as its notebook. */
  of(uri: string): Availability {
    const { documents, folders, configuration, status, model, snooze } = this.parts;
    const document = documents.texts.get(uri);
    const whole = (document && documents.notebooks.around(document))?.notebookUri ?? uri;
    const path = documentPath(whole, folders.folders);
    const { until } = snooze;
    return availabilityOf(
      {
        uri: whole,
        languageId: document?.languageId ?? languageIdOf(path),
        path,
        secret: this.secrets.reason(whole),
      },
      {
        settings: configuration.settings,
        noModel: model.engine === undefined ? status.status.message : undefined,
        snoozed: until === undefined ? undefined : snoozedMessage(until, Date.now()),
      },
    );
  }

  /** The ignore rules, which may allow a document that is secret by its name, may be other ones now. */
  forgetRules(): void {
    this.secrets.forget();
  }
}
