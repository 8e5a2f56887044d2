// Whether suggestions are made in a document, and the one reason why not.
import { describe, expect, it } from "vitest";
import { defaultSettings, type Settings } from "../../../sidecar/protocol";
import { type AvailabilityState, availabilityOf } from "../../../sidecar/suggestions/eligibility";

const document = { uri: "file:///w/src/a.py", languageId: "python", path: "src/a.py" };
const state: AvailabilityState = { settings: defaultSettings, noModel: undefined, snoozed: undefined };
const having = (settings: Partial<Settings>): AvailabilityState => ({
  ...state,
  settings: { ...defaultSettings, ...settings },
});

describe("availabilityOf", () => {
  it.each([
    "file:///w/src/a.py",
    "untitled:Untitled-1",
    "vscode-notebook-cell:/w/a.ipynb#W1",
    "buffer:1",
    "inmemory://model/1",
  ])("is there in %s", (uri) => {
    expect(availabilityOf({ ...document, uri }, state)).toEqual({ available: true });
  });

  it.each([
    "git:/w/src/a.py?ref",
    "output:tasks",
    "vscode-scm:git/scm0/input",
    "vscode-vfs://github/a/b.py",
    "comment:1",
    "nonsense",
  ])("is not in %s", (uri) => {
    expect(availabilityOf({ ...document, uri }, state)).toEqual({
      available: false,
      reason: expect.stringMatching(/^Suggestions are made only in files/),
    });
  });

  it.each<[keyof Settings, Partial<Settings>, RegExp]>([
    ["enable", { enable: false }, /"selfracg\.enable" is false/],
    ["disabledLanguages", { disabledLanguages: ["go", "python"] }, /language "python"/],
    ["disabledLanguages", { disabledLanguages: ["python3"] }, /language "python"/],
    ["disabledFiles", { disabledFiles: ["*.ts", "/src/"] }, /matches "\/src\/"/],
  ])("is off by the setting %s, which it names", (setting, settings, reason) => {
    expect(availabilityOf(document, having(settings))).toEqual({
      available: false,
      reason: expect.stringMatching(reason),
      setting,
    });
  });

  it("is not in a document that is secret by its name, whether there is a model or not", () => {
    const secret = '".env" is a name of files with keys or credentials';
    for (const noModel of [undefined, "Loading the model."])
      expect(availabilityOf({ ...document, secret }, { ...state, noModel })).toEqual({
        available: false,
        reason: 'Off for this file, which no model reads: ".env" is a name of files with keys or credentials.',
      });
  });

  it("waits for the model, and for the snooze to end", () => {
    expect(availabilityOf(document, { ...state, noModel: "Loading the model." })).toEqual({
      available: false,
      reason: "Loading the model.",
    });
    expect(availabilityOf(document, { ...state, snoozed: "Snoozed until 14:35." })).toEqual({
      available: false,
      reason: "Snoozed until 14:35.",
    });
    expect(availabilityOf(document, { ...having({ enable: false }), snoozed: "Snoozed until 14:35." }).setting).toBe(
      "enable",
    );
  });

  it.each<[readonly string[], string, boolean]>([
    [["*.py"], "src/a.py", false],
    [["*.py", "!src/a.py"], "src/a.py", true],
    [["/a.py"], "src/a.py", true],
    [["src/**/secret_*"], "src/deep/er/secret_a.py", false],
    [["généré/"], "généré/a.py", false],
    [["[z-a]", "*.py"], "a.py", false],
    [["", "# a.py"], "a.py", true],
    [["a.py\n*"], "b.py", true],
  ])("reads %j as an ignore file does, for %s", (disabledFiles, path, available) => {
    expect(availabilityOf({ ...document, path }, having({ disabledFiles: [...disabledFiles] })).available).toBe(
      available,
    );
  });
});
