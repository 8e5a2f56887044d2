// The index with the shipped model, tokenizer, chunker and FAISS.
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import type { Chunker } from "../../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { modelPath } from "../../model";
import { emptyFolder, folderWith, write } from "./folder";
import { silentLog } from "./toy-model";
import { samples } from "./vectors/samples";

let backbone: Backbone;
let promptFormat: PromptFormat;
let chunker: Chunker;

beforeAll(async () => {
  const model = await loadModelPackage(modelPath);
  promptFormat = new PromptFormat(model, await Tokenizer.load(model));
  backbone = await createBackbone(model, { provider: "cpu", threads: 0, log: () => {} });
  chunker = await createChunker(resolve(__dirname, "../../../dist/grammars"));
});

afterAll(async () => {
  await backbone.dispose();
});

async function indexed(root: string, storagePath: string): Promise<WorkspaceIndex> {
  const index = new WorkspaceIndex({ backbone, promptFormat, storagePath, chunker, log: silentLog });
  await index.setFolders([{ uri: pathToFileURL(root).href, name: "test" }]);
  await index.reindex();
  return index;
}

describe("with the real model", () => {
  it("every fragment is found by its own vector, before and after a restart, and after an edit", async () => {
    const root = await folderWith(Object.fromEntries(samples.map(({ path, text }) => [path, text])));
    const storagePath = await emptyFolder();
    const index = await indexed(root, storagePath);
    const need = await backbone.express(
      promptFormat.query(
        "bank/report.py",
        "from bank.account import Account\n\ndef report(account: Account):\n    print(account.",
      ),
    );
    const before = index.search(need, 20);
    expect(index.vectorIndex.name).toBe("faiss");
    expect(before).toHaveLength(20);
    expect(index.counts()).toMatchObject({ files: samples.length, excluded: {} });
    for (const { fragment } of before) {
      const [own] = await backbone.embed([promptFormat.fragmentEmbedding(fragment.path, fragment.text)]);
      const [first] = index.search(own ?? new Float32Array(), 1);
      expect(first?.score).toBeCloseTo(1, 3);
      expect(first?.fragment).toEqual(fragment);
    }
    await index.dispose();

    const again = await indexed(root, storagePath);
    expect(again.counts().embedded).toBe(0);
    // The sums of one search need not be added up in the same order as those of another.
    const after = again.search(need, 20);
    expect(after.map(({ score }) => score.toFixed(4))).toEqual(before.map(({ score }) => score.toFixed(4)));
    expect(new Set(after.map(({ fragment }) => fragment.text))).toEqual(
      new Set(before.map(({ fragment }) => fragment.text)),
    );

    await write(root, { "bank/account.py": (samples[0]?.text ?? "").replace("def withdraw", "def take_out") });
    await again.updateFile(pathToFileURL(join(root, "bank/account.py")).href);
    expect(again.counts().embedded).toBe(1);
    expect(again.search(need, 1000).filter(({ fragment }) => fragment.text.includes("def take_out"))).toHaveLength(1);
    expect(again.search(need, 1000).filter(({ fragment }) => fragment.text.includes("def withdraw"))).toHaveLength(0);
    await again.dispose();
  });
});
