// Before any test: the inference thread runs a bundle, and tests run the sources.
import { bundleInferenceWorker } from "../esbuild.config.mjs";

export const setup = bundleInferenceWorker;
