// The delay before the restart of a crashed sidecar.

import { describe, expect, it } from "vitest";
import { RestartPolicy } from "../../../extension/restart-policy";

const options = { initialMs: 500, maximumMs: 30_000, healthyMs: 60_000 };

describe("RestartPolicy", () => {
  it("doubles the delay for each crash in a row, up to the maximum", () => {
    const policy = new RestartPolicy(options);
    const delays: number[] = [];
    for (let life = 0; life < 9; life += 1) {
      policy.started(life * 1000);
      delays.push(policy.failed(life * 1000 + 10));
    }
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it("resets the delay after a healthy run, and not before", () => {
    const policy = new RestartPolicy(options);
    policy.failed(0);
    policy.started(1000);
    expect(policy.failed(1000 + options.healthyMs - 1)).toBe(1000);
    policy.started(200_000);
    expect(policy.failed(200_000 + options.healthyMs)).toBe(500);
  });

  it("treats a sidecar that never answered as unhealthy however long it ran", () => {
    const policy = new RestartPolicy(options);
    policy.failed(0);
    expect(policy.failed(10 * options.healthyMs)).toBe(1000);
  });

  it("does not count an earlier run's health for the next one", () => {
    const policy = new RestartPolicy(options);
    policy.started(0);
    policy.failed(options.healthyMs);
    expect(policy.failed(3 * options.healthyMs)).toBe(1000);
  });

  it("starts again from the first delay when reset", () => {
    const policy = new RestartPolicy(options);
    policy.failed(0);
    policy.failed(0);
    policy.reset();
    expect(policy.failures).toBe(0);
    expect(policy.failed(0)).toBe(500);
  });
});
