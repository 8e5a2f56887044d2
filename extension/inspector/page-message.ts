// What the inspector's page may ask for. Nothing else that it sends is acted on.

import type { FileRule } from "./file-rules";
import { pageCommands } from "./page-commands";
import type { Layer } from "./sections/need";

/** A fragment that the page shows, by its number there. */
export interface FragmentTarget {
  kind: "fragment" | "dropped" | "found";
  index: number;
}

/** Something the page shows that has a place in the code. */
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

/** Longest code that is searched for, in UTF-16 units: the model reads far less. */
const longestSearch = 100_000;

const actions: Readonly<Record<string, PageMessage>> = {
  follow: { type: "follow" },
  compare: { type: "compare" },
  copy: { type: "copy", code: false },
  "copy-with-code": { type: "copy", code: true },
  "clear-counts": { type: "clear-counts" },
};

/** Reads a message from the page; undefined when it is none of the known ones. */
export function parsePageMessage(message: unknown): PageMessage | undefined {
  if (typeof message !== "object" || message === null) {
    return undefined;
  }
  if ("ready" in message) {
    return { type: "ready" };
  }
  if ("open" in message && typeof message.open === "string") {
    const target = parseTarget(message.open);
    return target === undefined ? undefined : { type: "open", target };
  }
  if ("command" in message && typeof message.command === "string") {
    const command = known(pageCommands, message.command);
    return command === undefined ? undefined : { type: "command", command };
  }
  if ("do" in message && typeof message.do === "string") {
    return known(actions, message.do);
  }
  if ("choose" in message && typeof message.choose === "number" && Number.isSafeInteger(message.choose)) {
    return { type: "choose", id: message.choose };
  }
  if ("section" in message && "opened" in message && typeof message.opened === "boolean") {
    const { section: name, opened } = message;
    const section = sections.find((each) => each === name);
    return section === undefined ? undefined : { type: "section", section, open: opened };
  }
  if ("layer" in message && typeof message.layer === "string" && /^(all|\d{1,3})$/.test(message.layer)) {
    return { type: "layer", layer: message.layer === "all" ? "all" : Number(message.layer) };
  }
  if ("search" in message && typeof message.search === "string") {
    return { type: "search", text: message.search.slice(-longestSearch) };
  }
  if ("rule" in message && typeof message.rule === "string") {
    return parseRule(message.rule);
  }
  return undefined;
}

function known<Value>(values: Readonly<Record<string, Value>>, name: string): Value | undefined {
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
