// The error for a model package that cannot be used.

/** The model package cannot be used. The message has the file, what was expected, what was found and what to do. */
export class ModelPackageError extends Error {
  override readonly name = "ModelPackageError";
}

/** The advice for a package that is incomplete, changed or inconsistent. */
export const reinstall = "Install the model package again, or set selfracg.model to a complete one.";
