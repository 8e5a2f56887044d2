// Which open documents are secret by their names, and which of those the user has brought back.
import { LRUCache } from "lru-cache";
import { secretByPath } from "../workspace/files/secrets/names";

export interface SecretDocumentsParts {
  /** A document's path on disk or, where it has none, its name; with `/`. */
  path(uri: string): string;
  /** Whether the index would read a file although its name is a secret's: undefined while there is no index to ask. */
  isBroughtBack(uri: string): Promise<boolean> | undefined;
}

/** Documents whose answers are remembered. */
const maxAnswers = 1000;

/**
 * Asked with every keystroke, so it never waits: a document counts as secret until the ignore rules, which may have to be
 * read from disk, are known to bring it back.
 */
export class SecretDocuments {
  private readonly broughtBack = new LRUCache<string, boolean>({ max: maxAnswers });

  constructor(private readonly parts: SecretDocumentsParts) {}

  /** Why a document is taken for a secret, in a clause for people; undefined where it is not. */
  reason(uri: string): string | undefined {
    const because = secretByPath(this.parts.path(uri));
    if (because === undefined) return undefined;
    const known = this.broughtBack.get(uri);
    if (known === undefined) this.ask(uri);
    return known === true ? undefined : because;
  }

  /** The rules may be other ones now. */
  forget(): void {
    this.broughtBack.clear();
  }

  private ask(uri: string): void {
    const answer = this.parts.isBroughtBack(uri);
    if (answer === undefined) return;
    this.broughtBack.set(uri, false);
    answer.then(
      (is) => void this.broughtBack.set(uri, is),
      // Asked again with the next keystroke.
      () => void this.broughtBack.delete(uri),
    );
  }
}
