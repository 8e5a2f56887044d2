// The suggestion that the inspector shows, and the data it remembers of others.

import { describe, expect, it } from "vitest";
import { InspectorState } from "../../../../extension/inspector/inspector-state";
import { trace } from "./fixtures";

const at = new Date(2026, 0, 2, 3, 4, 5);

function withTraces(...ids: number[]): InspectorState {
  const state = new InspectorState();
  for (const id of ids) state.add({ ...trace, id }, at);
  return state;
}

describe("InspectorState", () => {
  it("shows the newest suggestion until another is chosen, and again on request", () => {
    const state = withTraces(1, 2);
    expect(state.shown?.id).toBe(2);
    state.choose(1);
    state.add({ ...trace, id: 3 }, at);
    expect([state.shown?.id, state.following]).toEqual([1, false]);
    state.toggleFollowing();
    expect([state.shown?.id, state.following]).toEqual([3, true]);
    state.toggleFollowing();
    state.add({ ...trace, id: 4 }, at);
    expect([state.shown?.id, state.following]).toEqual([3, false]);
  });

  it("lists each suggestion once, the last used first, and at most fifty", () => {
    const state = withTraces(...Array.from({ length: 60 }, (_, id) => id));
    expect(state.traces).toHaveLength(50);
    state.add({ ...trace, id: 58, cached: true }, at);
    expect(state.traces.slice(0, 3).map(({ id, cached }) => [id, cached])).toEqual([
      [58, true],
      [59, undefined],
      [57, undefined],
    ]);
  });

  it("shows the newest suggestion again when the chosen one is gone", () => {
    const state = withTraces(1);
    state.choose(1);
    state.choose(99);
    expect(state.shown?.id).toBe(1);
    for (let id = 2; id < 60; id++) state.add({ ...trace, id }, at);
    expect([state.shown?.id, state.following]).toEqual([59, true]);
  });

  it("has the time of each suggestion, except of those before the inspector opened", () => {
    const state = new InspectorState();
    state.replaceAll([
      { ...trace, id: 2 },
      { ...trace, id: 1 },
    ]);
    state.add({ ...trace, id: 3 }, at);
    expect([1, 2, 3].map((id) => state.timeOf(id))).toEqual([undefined, undefined, at]);
  });

  it("caches answers by suggestion, for as many as the sidecar remembers", () => {
    const state = withTraces(...Array.from({ length: 30 }, (_, id) => id));
    state.answersOf(5).comparison = { state: "asked" };
    expect(state.answersOf(5).comparison).toEqual({ state: "asked" });
    for (let id = 6; id < 26; id++) state.answersOf(id);
    expect(state.answersOf(5).comparison).toBeUndefined();
  });

  it("is cleared when the sidecar restarts", () => {
    const state = withTraces(1, 2);
    state.choose(1);
    state.answersOf(1).comparison = { state: "asked" };
    state.found = { state: "asked" };
    state.reset();
    expect([state.shown, state.found, state.following]).toEqual([undefined, undefined, true]);
    state.add({ ...trace, id: 1 }, at);
    expect(state.answersOf(1)).toEqual({});
  });
});
