// The model that the first `npm start` gets: once, where the machine can carry it, and never where the user wants the small one.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { firstModel } from "../../../scripts/first-model.mjs";

const small = { name: "small", state: "ships", inUse: true, bytes: 8e6 };
const half = { name: "half", title: "Half", state: "not here", inUse: false, bytes: 504e6, source: {} };
const large = { ...half, name: "large", bytes: 1.5e9 };

let folder = "";
let models: (typeof small & { title?: string; source?: object; obstacle?: string })[];
let ran: string[];
let succeeds: boolean;
let said: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-first-"));
  [models, ran, succeeds, said] = [[small, large, half], [], true, ""];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const commands = {
  list: async () => models,
  run: async (args: readonly string[]) => {
    ran.push(args.join(" "));
    return succeeds;
  },
};
const stamp = () => join(folder, "cache", "first-model");
const start = (wanted = false) => firstModel({ stamp: stamp(), small: wanted, commands });

it("the first start gets the smallest model and has it answer; the second gets nothing", async () => {
  await start();
  await start();
  expect(ran).toEqual(["get half", "use half"]);
  expect(said).toContain("The first start gets Half");
});

it("a start goes on with the small model where no source has it, and the next one tries again", async () => {
  succeeds = false;
  await start();
  expect(ran).toEqual(["get half"]);
  expect(said).toMatch(/goes on with the small model; the next start tries again/);
  succeeds = true;
  await start();
  expect(ran).toEqual(["get half", "get half", "use half"]);
});

it("--small gets nothing, and is remembered", async () => {
  await start(true);
  await start();
  expect(ran).toEqual([]);
});

it("a machine that can carry none is told how to get one all the same", async () => {
  models = [small, { ...half, obstacle: "It should have 4 processors or more; this machine has 2." }];
  await start();
  expect(ran).toEqual([]);
  expect(said).toContain(
    "The small model answers. A larger one: npm start -- model get half (It should have 4 processors or more; this machine has 2.)",
  );
});

it.each([
  ["is there", [small, { ...half, state: "here" }]],
  [
    "was chosen",
    [
      { ...small, inUse: false },
      { ...half, state: "here", inUse: true },
    ],
  ],
])("nothing is got when a model %s already", async (_, listed) => {
  models = listed;
  await start();
  expect(ran).toEqual([]);
});

it("a start goes on when the list of models cannot be read", async () => {
  await firstModel({
    stamp: stamp(),
    small: false,
    commands: { ...commands, list: async () => Promise.reject(new Error("Broken.")) },
  });
  expect(said).toContain("Broken.\nIt goes on with the small model.");
  expect(existsSync(stamp())).toBe(false);
  expect(process.exitCode ?? 0).toBe(0);
});
