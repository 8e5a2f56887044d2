// Which open documents are secret by their names, and which of those the user has allowed.
import { LRUCache } from "lru-cache";
import { secretByPath } from "../workspace/files/secrets/names";

interface SecretDocumentsParts {
  /** A document's path on disk or, where it has none, its name; with `/`. */
  path(uri: string): string;
  /** Whether the ignore rules allow a file although it is secret by its name; undefined while there is no index to ask. */
  isAllowed(uri: string): Promise<boolean> | undefined;
}

/** Maximum number of documents whose answers are cached. */
const maxAnswers = 1000;

/**
 * Used at every keystroke, so it never waits: a document counts as secret until the ignore rules, which may have to be read
 * from disk, are known to allow it.
 */
export class SecretDocuments {
  private readonly allowed = new LRUCache<string, boolean>({ max: maxAnswers });

  constructor(private readonly parts: SecretDocumentsParts) {}

  /** Why a document counts as secret, in words for people; undefined where it does not. */
  reason(uri: string): string | undefined {
    const because = secretByPath(this.parts.path(uri));
    if (because === undefined) return undefined;
    const known = this.allowed.get(uri);
    if (known === undefined) this.ask(uri);
    return known === true ? undefined : because;
  }

  /** The rules may have changed. */
  forget(): void {
    this.allowed.clear();
  }

  private ask(uri: string): void {
    const answer = this.parts.isAllowed(uri);
    if (answer === undefined) return;
    this.allowed.set(uri, false);
    answer.then(
      (is) => void this.allowed.set(uri, is),
      // The next keystroke asks again.
      () => void this.allowed.delete(uri),
    );
  }
}
