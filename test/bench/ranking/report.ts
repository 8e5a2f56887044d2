// The table that the weights of ranking come from.
import type { Case } from "./cases";

export function report(name: string, cases: readonly Case[]): string {
  return `${name}: ${cases.length} cursors`;
}
