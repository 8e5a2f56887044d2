// The refusal of a model package.

/** A model package that is refused. The message says which file, what was expected, what was found and what to do. */
export class ModelPackageError extends Error {
  override readonly name = "ModelPackageError";
}

/** What to do about a package that is incomplete, altered or contradicts itself. */
export const reinstall = "Install the model package again, or set selfracg.model to a complete one.";
