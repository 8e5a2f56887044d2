// Before any test: the sidecar's threads run bundles, and tests run the sources.
import { bundleWorkers } from "../esbuild.config.mjs";

export const setup = bundleWorkers;
