// What the inspector's page may ask for. Nothing else that it sends is acted on.

import { pageCommands } from "./render";

/** Something the page shows that has a place in the code. */
export type OpenTarget = { kind: "cursor" } | { kind: "fragment" | "dropped"; index: number };

export type PageMessage = { type: "open"; target: OpenTarget } | { type: "command"; command: string };

/** Reads a message from the page; undefined when it is none of the known ones. */
export function parsePageMessage(message: unknown): PageMessage | undefined {
  if (typeof message !== "object" || message === null) {
    return undefined;
  }
  if ("open" in message && typeof message.open === "string") {
    const target = parseTarget(message.open);
    return target === undefined ? undefined : { type: "open", target };
  }
  if ("command" in message && typeof message.command === "string") {
    const name = message.command;
    const command = Object.entries(pageCommands).find(([known]) => known === name)?.[1];
    return command === undefined ? undefined : { type: "command", command };
  }
  return undefined;
}

function parseTarget(text: string): OpenTarget | undefined {
  if (text === "cursor") {
    return { kind: "cursor" };
  }
  const match = /^(fragment|dropped):(\d{1,6})$/.exec(text);
  if (match === null) {
    return undefined;
  }
  return { kind: match[1] === "dropped" ? "dropped" : "fragment", index: Number(match[2]) };
}
