// Getting a model in the extension: download, conversion, switch, failures with ways on, the choice and the offer.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ModelCommands } from "../../../../extension/models/model-commands";
import type { SidecarSession } from "../../../../extension/session";
import type { StatusModel } from "../../../../extension/status/status-model";
import type { FoundFile, ListedModel } from "../../../../sidecar/protocol";
import { type MisbehavingServer, misbehavingServer, status } from "../../models/misbehaving-server";
import { half, small } from "./listed-models";

const ui = vi.hoisted(() => ({
  /** Messages with their buttons. */
  shown: [] as string[],
  /** Buttons that are pressed, in their order. */
  presses: [] as (string | undefined)[],
  file: undefined as string | undefined,
  cancel: undefined as (() => void) | undefined,
  executed: [] as string[],
  /** The label that is chosen in the quick pick, and whether its button is pressed. */
  choice: undefined as { label: RegExp; button: boolean } | undefined,
  offered: [] as { label: string; description?: string }[],
  /** Which entry of the second list is chosen. */
  picked: 0,
}));

vi.mock("vscode", () => {
  const message = async (text: string, ...buttons: unknown[]) => {
    const names = buttons.filter((button) => typeof button === "string");
    ui.shown.push([text, ...names].join(" | "));
    return names.length === 0 ? undefined : ui.presses.shift();
  };
  return {
    ProgressLocation: { Notification: 15 },
    QuickPickItemKind: { Separator: -1 },
    ThemeIcon: class {},
    Uri: { file: (path: string) => ({ fsPath: path }) },
    commands: { executeCommand: async (name: string) => void ui.executed.push(name) },
    workspace: {},
    window: {
      showInformationMessage: message,
      showWarningMessage: message,
      showErrorMessage: message,
      showOpenDialog: async () => (ui.file === undefined ? undefined : [{ fsPath: ui.file }]),
      withProgress: (_: unknown, work: (progress: unknown, token: unknown) => unknown) =>
        work(
          { report() {} },
          {
            onCancellationRequested: (cancel: () => void) => {
              ui.cancel = cancel;
            },
          },
        ),
      showQuickPick: async (items: { label: string }[]) => {
        ui.offered = items;
        return items[ui.picked];
      },
      createQuickPick: () => {
        const on: Record<string, (given?: unknown) => void> = {};
        const pick = {
          items: [] as { label: string }[],
          selectedItems: [] as unknown[],
          onDidAccept: (listener: () => void) => void Object.assign(on, { accept: listener }),
          onDidTriggerItemButton: (listener: () => void) => void Object.assign(on, { button: listener }),
          onDidHide: (listener: () => void) => void Object.assign(on, { hide: listener }),
          hide: () => on.hide?.(),
          dispose() {},
          show: () => {
            ui.offered = pick.items;
            const item = pick.items.find(({ label }) => ui.choice?.label.test(label));
            if (item === undefined) return on.hide?.();
            pick.selectedItems = [item];
            if (ui.choice?.button === true) on.button?.({ item });
            else on.accept?.();
          },
        };
        return pick;
      },
    },
  };
});

const { ModelGetter } = await import("../../../../extension/models/model-getter");
const { chooseModel } = await import("../../../../extension/models/choose-model");
const { offerModel } = await import("../../../../extension/models/offer-model");

const content = Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(300_000, 5)]);

let folder = "";
let server: MisbehavingServer;
let model: ListedModel;
let works: (string | undefined)[];
let setting: string;
let restarts: number;
let made: string[];
let converting: () => Promise<void>;
let found: FoundFile[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-getting-"));
  server = await misbehavingServer(content);
  const sha256 = createHash("sha256").update(content).digest("hex");
  model = {
    ...half,
    bytes: 1000,
    source: { address: server.url, file: "half.gguf", bytes: content.length, sha256, pip: true },
  };
  [works, setting, restarts, made] = [[], "", 0, []];
  [converting, found] = [async () => {}, []];
  Object.assign(ui, { shown: [], presses: [], file: undefined, executed: [], choice: undefined, offered: [] });
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const log = { info() {}, warn() {}, error() {} };
const session = {
  log,
  settings: {
    get model() {
      return setting;
    },
    setModel: async (name: string) => {
      setting = name;
    },
  },
  restart: async () => {
    restarts++;
  },
} as unknown as SidecarSession;
const statusModel = {
  showWork: (work?: { title: string }) => works.push(work?.title),
} as unknown as StatusModel;
const commands = {
  list: async () => ({ models: [small, model], folder, downloads: join(folder, ".downloads") }),
  get: async (name: string, from: string) => {
    made.push(`${name} from ${from === "pip" ? from : from.replace(/^.*[\\/]/, "")}`);
    if (from !== "pip" && existsSync(from)) expect((await readFile(from)).equals(content)).toBe(true);
    await converting();
    return name;
  },
  add: async (file: string) => {
    made.push(`added ${file}`);
    return "mine";
  },
  find: async () => ({ files: found, others: 2, folders: [] }),
  remove: async (name: string) => void made.push(`removed ${name}`),
} as unknown as ModelCommands;
const getter = () => new ModelGetter(session, statusModel, commands);

describe("getting a model", () => {
  it("downloads it, has it converted, switches to it and deletes the download", async () => {
    await getter().get(model);
    expect(made).toEqual(["half from half.gguf"]);
    expect(setting).toBe("half");
    expect(works[0]).toBe("Downloading Half a Billion");
    expect(works.at(-1)).toBeUndefined();
    expect(ui.shown).toEqual(["SelfRACG: Half a Billion answers now."]);
    expect(await readdir(folder)).toEqual([]);
  });

  it("restarts the sidecar when the setting names the model already", async () => {
    setting = "half";
    await getter().get(model);
    expect(restarts).toBe(1);
  });

  it("says why it failed, and goes on as the user chooses: again, by pip, or with a file", async () => {
    server.next(status(404), status(404), status(404));
    ui.presses = ["Try Again", "Use pip"];
    await getter().get(model);
    expect(ui.shown[0]).toMatch(
      /^SelfRACG: Half a Billion was not added\. .*HTTP status 404: there is no such file.* \| Try Again \| Use pip \| Choose a File$/,
    );
    expect(made).toEqual(["half from pip"]);
    ui.presses = ["Choose a File"];
    ui.file = "/downloads/mine.gguf";
    await getter().get(model);
    expect(made).toEqual(["half from pip", "half from mine.gguf"]);
    expect(setting).toBe("half");
  });

  it("keeps the download when the conversion fails, for the next attempt", async () => {
    converting = () => Promise.reject(new Error("The disk is full."));
    await getter().get(model);
    expect(ui.shown[0]).toContain("The disk is full.");
    expect(setting).toBe("");
    converting = async () => {};
    await getter().get(model);
    expect(server.ranges).toHaveLength(1);
    expect(setting).toBe("half");
  });

  it("is cancelled without a message, and changes nothing", async () => {
    server.next((_, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 1000), () => setTimeout(() => ui.cancel?.(), 50));
    });
    await getter().get(model);
    expect(ui.shown).toEqual([]);
    expect([setting, ...made]).toEqual([""]);
    expect(works.at(-1)).toBeUndefined();
  });

  it("refuses a second model meanwhile", async () => {
    const one = getter();
    let second: Promise<void> | undefined;
    converting = async () => {
      second ??= one.addFile("/x.gguf");
      await second;
    };
    await one.get(model);
    expect(ui.shown[0]).toMatch(/no model was added\. Another model is being got in this window/);
  });
});

describe("the choice", () => {
  const choose = () => chooseModel({ session, commands, getter: getter() });

  it("shows address, size and SHA-256 before it downloads", async () => {
    ui.choice = { label: /Half/, button: false };
    await choose();
    expect(ui.shown).toEqual(["Download Half a Billion? | Download"]);
    expect(server.ranges).toEqual([]);
    ui.presses = ["Download"];
    await choose();
    expect(setting).toBe("half");
  });

  it("switches to a model that is here, and removes one, the small one answering then", async () => {
    model = { ...model, state: "here" };
    ui.choice = { label: /Half/, button: false };
    await choose();
    expect(setting).toBe("half");
    ui.choice = { label: /Half/, button: true };
    ui.presses = ["Remove"];
    await choose();
    expect([setting, restarts, ...made]).toEqual(["small", 1, "removed half"]);
  });

  it("takes a file of the user's", async () => {
    ui.choice = { label: /Choose a File/, button: false };
    ui.file = "/mine.gguf";
    await choose();
    expect(made).toEqual(["added /mine.gguf"]);
    expect(setting).toBe("mine");
  });

  it("takes a file of another program, under the model's name when it is most likely its file", async () => {
    ui.choice = { label: /Look for Files/, button: false };
    await choose();
    expect(ui.shown).toEqual([
      "SelfRACG: found only GGUF files of other shapes (2) in the folders of llama.cpp, Ollama, LM Studio and Hugging Face.",
    ]);
    const file = { path: "/ollama/blob", bytes: 491e6, program: "Ollama", model: "half", catalogued: true };
    found = [file, { ...file, path: "/lm/tune.gguf", catalogued: false }];
    ui.picked = 0;
    await choose();
    ui.picked = 1;
    await choose();
    expect(made).toEqual(["half from blob", "added /lm/tune.gguf"]);
    expect(ui.offered).toMatchObject([
      { label: "blob", description: "Half a Billion", detail: "Ollama, 491 MB: /ollama/blob" },
      { label: "tune.gguf", description: "has the shape of Half a Billion" },
    ]);
  });

  it("shows an error of the command line", async () => {
    const broken = { ...commands, list: () => Promise.reject(new Error("It is broken.")) } as unknown as ModelCommands;
    await chooseModel({ session, commands: broken, getter: getter() });
    expect(ui.shown).toEqual(["SelfRACG: It is broken."]);
  });
});

describe("the offer", () => {
  const stored = new Map<string, unknown>();
  const memory = {
    get: (key: string) => stored.get(key),
    update: async (key: string, value: unknown) => void stored.set(key, value),
    keys: () => [...stored.keys()],
  };
  const offer = (environment = {}) =>
    offerModel({ session, commands, getter: getter(), memory, environment } as Parameters<typeof offerModel>[0]);

  beforeEach(() => {
    stored.clear();
  });

  it("is shown once, and not again after Not Now", async () => {
    ui.presses = ["Not Now"];
    await offer();
    await offer();
    expect(ui.shown).toHaveLength(1);
    expect(ui.shown[0]).toMatch(/makes much better suggestions .* \| Download \| Choose Model \| Not Now$/);
    expect(server.ranges).toEqual([]);
  });

  it("downloads with one click, or opens the choice", async () => {
    ui.presses = ["Download"];
    await offer();
    expect(setting).toBe("half");
    [setting, ui.presses] = ["", ["Choose Model"]];
    stored.clear();
    await offer();
    expect(ui.executed).toEqual(["selfracg.chooseModel"]);
  });

  it("is not made to those who name a model, or the folder of models", async () => {
    await offer({ SELFRACG_MODELS: "/models" });
    setting = "small";
    await offer();
    expect(ui.shown).toEqual([]);
    expect(stored.size).toBe(0);
  });
});
