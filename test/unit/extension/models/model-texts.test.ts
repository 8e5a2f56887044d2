// What the choice of models says, which one is offered, and what is said of the work on one.
import { describe, expect, it } from "vitest";
import {
  commandWork,
  downloadDetail,
  downloadWork,
  modelEntries,
  offeredModel,
  offerText,
} from "../../../../extension/models/model-texts";
import { half, large, small } from "./listed-models";

describe("the entries of the choice", () => {
  it("say what each is good for, size, memory, licence, whether its need is trained, and which is in use", () => {
    const entries = modelEntries([small, half], "");
    expect(entries.map(({ label, description }) => `${label} | ${description}`)).toEqual([
      "$(check) Small | in use, 8 MB, 0.2 GB of memory, Apache-2.0",
      "$(cloud-download) Half a Billion | 491 MB to download, 1.0 GB of memory, Apache-2.0",
    ]);
    expect(entries.map(({ detail }) => detail)).toEqual([
      "Everywhere.",
      "Its need for fragments is not trained yet. Most machines.",
    ]);
    expect(entries.map(({ removable }) => removable)).toEqual([false, false]);
  });

  it("follow the setting before the command line's choice, and can be removed when they were converted", () => {
    const entries = modelEntries([small, { ...half, state: "here" }], "half");
    expect(entries.map(({ label, description }) => `${label} | ${description}`)).toEqual([
      "$(package) Small | on this machine, 8 MB, 0.2 GB of memory, Apache-2.0",
      "$(check) Half a Billion | in use, 504 MB, 1.0 GB of memory, Apache-2.0",
    ]);
    expect(entries[1]?.removable).toBe(true);
  });

  it("say why the machine should not run a model, that a model is damaged, and what is wrong with it", () => {
    const poor = { ...half, obstacle: "It should have 4 processors or more; this machine has 2." };
    expect(modelEntries([poor], "")[0]?.detail).toMatch(/^It should have 4 processors or more.*Its need/);
    const [damaged] = modelEntries([{ ...half, state: "damaged", problem: "model.json is missing." }], "");
    expect(damaged).toMatchObject({
      description: "damaged: get it again, 1.0 GB of memory, Apache-2.0",
      removable: true,
    });
    expect(damaged?.detail).toContain("model.json is missing.");
    const own = { ...half, name: "mine", state: "here" as const };
    const bare = { ...own, title: undefined, trainedNeed: undefined, goodFor: undefined, memoryMegabytes: undefined };
    const [mine] = modelEntries([bare], "");
    expect(mine).toMatchObject({
      label: "$(package) mine",
      description: "on this machine, 504 MB, Apache-2.0",
      detail: "",
    });
  });
});

describe("the offer", () => {
  it("is the smallest model that is to be downloaded, with size, place, memory and licence", () => {
    expect(offeredModel([small, large, half], "")?.name).toBe("half");
    expect(offeredModel([small, large, half], "small")?.name).toBe("half");
    expect(offerText(half)).toBe(
      "SelfRACG: the model inside the extension is small. Half a Billion makes much better suggestions (491 MB to download from hub.example, 1.0 GB of memory, Apache-2.0). The small one answers until it is here.",
    );
  });

  it("is not made when the machine can carry none", () => {
    expect(offeredModel([small, { ...half, obstacle: "The memory is little." }], "")).toBeUndefined();
    const both = [small, { ...half, obstacle: "The memory is little." }, large];
    expect(offeredModel(both, "")?.name).toBe("large");
  });

  it("is not made when a model was chosen, or is there to be chosen", () => {
    expect(offeredModel([small, half], "/models/mine")).toBeUndefined();
    expect(
      offeredModel(
        [
          { ...small, inUse: false },
          { ...half, inUse: true },
        ],
        "",
      ),
    ).toBeUndefined();
    expect(offeredModel([small, { ...large, state: "here" }, half], "")).toBeUndefined();
  });
});

describe("a download", () => {
  it("is announced with its address, size and SHA-256", () => {
    const detail = downloadDetail(half);
    expect(detail).toMatch(
      /^Most machines\. Its need for fragments is not trained yet\. 1\.0 GB of memory\. Apache-2\.0\.\n/,
    );
    expect(detail).toContain("https://hub.example/half.gguf\n491,000,000 bytes, SHA-256 abab");
    expect(detail).toContain("takes 504 MB, and the download is deleted");
  });

  it("and its conversion show how far they are", () => {
    const progress = { done: 123e6, total: 492e6, bytesPerSecond: 12.34e6, secondsLeft: 29.9 };
    expect(downloadWork("Half", progress)).toEqual({
      title: "Downloading Half",
      percent: 25,
      detail: "123 of 492 MB, 12.3 MB/s, about 30 s left",
    });
    expect(commandWork("Half", { step: "converting", done: 1, total: 3 })).toMatchObject({
      title: "Converting Half",
      percent: 33,
    });
    expect(commandWork("Half", { step: "downloading", done: 1, total: undefined }).percent).toBeUndefined();
  });
});
