// The messages that the inspector's page may send. All others are ignored.
import type { FileRule } from "./file-rules";
import { pageCommands } from "./page-commands";
import type { Layer } from "./sections/need";

/** A fragment that the page shows, by its number there. */
export interface FragmentTarget {
  kind: "fragment" | "dropped" | "found";
  index: number;
}

/** Something on the page that has a place in the code. */
export type OpenTarget = { kind: "cursor" } | { kind: "token"; index: number } | FragmentTarget;

/** Sections that are filled when they are opened. */
const sections = ["prompt", "need", "search", "counts", "status"] as const;
export type SectionName = (typeof sections)[number];

export type PageMessage =
  | { type: "ready" }
  | { type: "open"; target: OpenTarget }
  | { type: "command"; command: string }
  | { type: "choose"; id: number }
  | { type: "follow" }
  | { type: "section"; section: SectionName; open: boolean }
  | { type: "layer"; layer: Layer }
  | { type: "compare" }
  | { type: "search"; text: string }
  | { type: "rule"; rule: FileRule; target: FragmentTarget }
  | { type: "copy"; code: boolean }
  | { type: "clear-counts" };

/** Of the code that is searched for, in UTF-16 units: the model reads far less. */
const maxSearchLength = 100_000;

const actions: Readonly<Record<string, PageMessage>> = {
  follow: { type: "follow" },
  compare: { type: "compare" },
  copy: { type: "copy", code: false },
  "copy-with-code": { type: "copy", code: true },
  "clear-counts": { type: "clear-counts" },
};

/** By the member that tells what is asked for; the value comes from the page and is checked here. */
const parsers: Readonly<Record<string, (value: unknown, message: object) => PageMessage | undefined>> = {
  ready: () => ({ type: "ready" }),
  open: (value) => {
    const target = typeof value === "string" ? parseTarget(value) : undefined;
    return target && { type: "open", target };
  },
  command: (value) => {
    const command = known(pageCommands, value);
    return command && { type: "command", command };
  },
  do: (value) => known(actions, value),
  choose: (value) =>
    typeof value === "number" && Number.isSafeInteger(value) ? { type: "choose", id: value } : undefined,
  section: (value, message) => {
    const section = sections.find((each) => each === value);
    const open = "opened" in message ? message.opened : undefined;
    return section !== undefined && typeof open === "boolean" ? { type: "section", section, open } : undefined;
  },
  layer: (value) => {
    if (value === "all") return { type: "layer", layer: value };
    return typeof value === "string" && /^\d{1,3}$/.test(value) ? { type: "layer", layer: Number(value) } : undefined;
  },
  search: (value) => (typeof value === "string" ? { type: "search", text: value.slice(-maxSearchLength) } : undefined),
  rule: (value) => (typeof value === "string" ? parseRule(value) : undefined),
};

/** Reads a message from the page; undefined when it is none of the known ones. */
export function parsePageMessage(message: unknown): PageMessage | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const [member] = Object.entries(message).filter(([name]) => known(parsers, name) !== undefined);
  return member && known(parsers, member[0])?.(member[1], message);
}

/** A member of the object's own, by a name that may be anything. */
function known<Value>(values: Readonly<Record<string, Value>>, name: unknown): Value | undefined {
  return Object.entries(values).find(([each]) => each === name)?.[1];
}

function parseTarget(text: string): OpenTarget | undefined {
  if (text === "cursor") {
    return { kind: "cursor" };
  }
  const [, token] = /^token:(\d{1,6})$/.exec(text) ?? [];
  return token === undefined ? parseFragment(text) : { kind: "token", index: Number(token) };
}

function parseFragment(text: string): FragmentTarget | undefined {
  const [, name, index] = /^(fragment|dropped|found):(\d{1,6})$/.exec(text) ?? [];
  const kind = (["fragment", "dropped", "found"] as const).find((each) => each === name);
  return kind === undefined ? undefined : { kind, index: Number(index) };
}

/** For example `pin:fragment:0`. */
function parseRule(text: string): PageMessage | undefined {
  const [, rule, fragment = ""] = /^(pin|ban):(.*)$/.exec(text) ?? [];
  const target = parseFragment(fragment);
  return target === undefined ? undefined : { type: "rule", rule: rule === "ban" ? "ban" : "pin", target };
}
