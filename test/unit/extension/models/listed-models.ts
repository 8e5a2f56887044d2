// Models as `model list` prints them.
import type { ListedModel } from "../../../../sidecar/protocol";

export const small = {
  name: "small",
  title: "Small",
  state: "ships",
  inUse: true,
  catalogued: true,
  licence: "Apache-2.0",
  bytes: 8e6,
  memoryMegabytes: 240,
  goodFor: "Everywhere.",
  trainedNeed: true,
} as ListedModel;

export const half = {
  ...small,
  name: "half",
  title: "Half a Billion",
  state: "not here",
  inUse: false,
  bytes: 504e6,
  memoryMegabytes: 1000,
  goodFor: "Most machines.",
  trainedNeed: false,
  source: {
    address: "https://hub.example/half.gguf",
    file: "half.gguf",
    bytes: 491e6,
    sha256: "ab".repeat(32),
    pip: true,
  },
} as ListedModel;

export const large = { ...half, name: "large", title: "Large", bytes: 1.6e9, memoryMegabytes: 2200 } as ListedModel;
