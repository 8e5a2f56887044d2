// The setting selfracg.model: a name or a folder, its priority over the older setting, and unknown names.
import { resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cleanUp, copyOfFixture, type Sidecar, start } from "./client";

const tinyLlama = resolve(import.meta.dirname, "../fixtures/tiny-llama-package");

afterAll(cleanUp);

async function startWith(settings: object, options: object = {}): Promise<Sidecar> {
  // No path at start, so that the settings are used.
  const initializationOptions: object = { modelPath: undefined, ...options };
  const sidecar = await start({ folders: [await copyOfFixture()], settings, initializationOptions });
  await sidecar.reaches("ready");
  return sidecar;
}

describe("selfracg.model", () => {
  it("accepts the folder of a package, and overrides selfracg.modelPath", async () => {
    const sidecar = await startWith({ model: tinyLlama, modelPath: "/nowhere" });
    expect(sidecar.status?.model?.name).toBe("tiny-llama");
  });

  it("accepts the name of a model, and overrides selfracg.modelPath", async () => {
    const sidecar = await startWith({ model: "small", modelPath: tinyLlama });
    expect(sidecar.status?.model?.name).toBe("selfracg-default");
  });

  it("with an unknown name leads to the small model, and to messages in status and log", async () => {
    const sidecar = await startWith({ model: "no-such-model" });
    expect(sidecar.status?.model?.name).toBe("selfracg-default");
    expect(sidecar.status?.message).toMatch(/^Ready.*found "no-such-model".*Until then the small model answers\.$/);
    expect(sidecar.logs.some(({ message }) => message.includes('found "no-such-model"'))).toBe(true);
  });

  it("is overridden by the client's initialization options", async () => {
    const sidecar = await startWith({ model: "small" }, { model: tinyLlama });
    expect(sidecar.status?.model?.name).toBe("tiny-llama");
  });
});
