// Third-party notices of a small project that esbuild bundles.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { collectNotices, writeNotices } from "../../../scripts/notices/collect.mjs";
import { emptyFolder, write } from "../workspace/folder";

const mit = "Permission is hereby granted, free of charge, to any person ...";

function manifest(name: string, repository = ""): string {
  return JSON.stringify({ name, version: "1.2.3", license: "MIT", main: "index.js", repository });
}

/** A project whose bundle `app` has code of `used`, and whose bundle `bench` has code of `measured`. */
async function shipped(files: Record<string, string>) {
  const root = await emptyFolder();
  await write(root, {
    "app.js": 'import { used } from "used"; import data from "./names.txt"; console.log(used, data);',
    "bench.js": 'import { measured } from "measured"; console.log(measured);',
    "names.txt": "names",
    "node_modules/used/package.json": manifest("used"),
    "node_modules/used/index.js": "/*! @license kept in place */ export const used = 1;",
    "node_modules/measured/package.json": manifest("measured"),
    "node_modules/measured/index.js": "export const measured = 1;",
    "node_modules/unused/package.json": manifest("unused"),
    ...files,
  });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["app.js", "bench.js"],
    outdir: "dist",
    bundle: true,
    metafile: true,
    legalComments: "external",
    logLevel: "silent",
  });
  return { root, dist: join(root, "dist"), metafiles: [metafile], outputs: ["dist/app.js"] };
}

it("the notices have each bundled package with its licence texts, and no package that does not ship", async () => {
  const notices = await collectNotices(
    await shipped({
      "node_modules/used/LICENSE.md": mit,
      "node_modules/used/deps/inner/COPYING": "The inner library's licence",
      "node_modules/used/license.js": "this is code",
      "node_modules/used/node_modules/other/LICENSE": "of a package that is not bundled",
    }),
  );
  expect(notices).toEqual([
    {
      name: "used",
      version: "1.2.3",
      licence: "MIT",
      repository: "",
      texts: expect.arrayContaining([mit, "The inner library's licence"]),
    },
  ]);
  expect(notices[0]?.texts).toHaveLength(2);
});

it("a package without a licence text has a warning in the notices", async () => {
  const project = await shipped({});
  expect(await collectNotices(project)).toMatchObject([{ name: "used", texts: [] }]);
  await writeNotices(project);
  const file = readFileSync(join(project.dist, "THIRD_PARTY_NOTICES.txt"), "utf8");
  expect(file).toMatch(/\nused 1\.2\.3 \(MIT\)\n=+\n\nNo licence text was found\. Do not publish this build\.\n/);
});

it("a copied package has the licence of its source package, or of its repository", async () => {
  const repository = "git+https://example.org/engine.git";
  const notices = await collectNotices(
    await shipped({
      "node_modules/used/LICENSE": mit,
      "node_modules/@engine/engine/package.json": manifest("@engine/engine", repository),
      "node_modules/@engine/engine/LICENSE": "The engine's licence",
      "node_modules/@engine/linux/package.json": manifest("@engine/linux", "https://example.org/engine"),
      "dist/node_modules/@engine/engine/package.json": manifest("@engine/engine", repository),
      "dist/node_modules/@engine/engine/lib/package.json": '{"type":"commonjs"}',
      "dist/node_modules/@engine/linux/package.json": manifest("@engine/linux"),
    }),
  );
  expect(notices.map(({ name, texts }) => [name, ...texts])).toEqual([
    ["@engine/engine", "The engine's licence"],
    ["@engine/linux", "The engine's licence"],
    ["used", mit],
  ]);
});

it("the notices have the libraries compiled into FAISS's addon", async () => {
  const notices = await collectNotices(
    await shipped({
      "node_modules/used/LICENSE": mit,
      "node_modules/faiss-node/package.json": manifest("faiss-node"),
      "node_modules/faiss-node/LICENSE": "licence of faiss-node",
      "node_modules/faiss-node/build/Release/libraries.json": JSON.stringify([
        { name: "libfaiss", version: "1", text: "FAISS's licence" },
        { name: "libstrange.a", version: "", text: "" },
      ]),
      "node_modules/node-addon-api/package.json": manifest("node-addon-api"),
      "node_modules/node-addon-api/LICENSE.md": "licence of node-addon-api",
      "dist/node_modules/faiss-node/package.json": manifest("faiss-node"),
    }),
  );
  expect(notices.map(({ name, texts }) => [name, ...texts])).toEqual([
    ["faiss-node", "licence of faiss-node"],
    ["libfaiss", "FAISS's licence"],
    ["libstrange.a"],
    ["node-addon-api", "licence of node-addon-api"],
    ["used", mit],
  ]);
});

it("the notices have each grammar that ships with its own licence text", async () => {
  const notices = await collectNotices(
    await shipped({
      "node_modules/used/LICENSE": mit,
      "node_modules/@vscode/tree-sitter-wasm/package.json": manifest("@vscode/tree-sitter-wasm"),
      "node_modules/@vscode/tree-sitter-wasm/LICENSE": "the builder's",
      "dist/grammars/tree-sitter-python.wasm": "",
      "dist/grammars/tree-sitter-unknown.wasm": "",
    }),
  );
  expect(notices.map(({ name, texts }) => [name, texts.length])).toEqual([
    ["@vscode/tree-sitter-wasm", 1],
    ["tree-sitter-python", 1],
    ["tree-sitter-unknown", 0],
    ["used", 1],
  ]);
});

it("the notices have data files, legal comments, and each licence text once", async () => {
  const project = await shipped({
    "node_modules/used/LICENSE": mit,
    "names.txt.license": mit,
  });
  await writeNotices(project);
  const file = readFileSync(join(project.dist, "THIRD_PARTY_NOTICES.txt"), "utf8");
  expect(file).toMatch(/\nnames\.txt\nused 1\.2\.3 \(MIT\)\n=+\n\nPermission/);
  expect(file.split(mit)).toHaveLength(2);
  expect(file).toMatch(/Comments in bundled code\n=+\n\n[\s\S]*@license kept in place/);
});
