// The model packages of the tests: the one that ships, unless SELFRACG_MODEL names another folder.
import { resolve } from "node:path";

/** Folder of the model package under test. */
export const modelPath: string = process.env.SELFRACG_MODEL ?? resolve(import.meta.dirname, "../models/default");

/**
 * A tiny Llama that computes in float16, made by
 * `PYTHONPATH=. python tests/tiny.py ../../test/fixtures/tiny-llama-half-package half` in models/training.
 */
export const halfModelPath: string = resolve(import.meta.dirname, "fixtures/tiny-llama-half-package");
