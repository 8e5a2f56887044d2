// Suggestions nobody would see.
import { it } from "vitest";
import { empty } from "../../../../sidecar/completion/filters/empty";
import { expectRejected, expectUntouched } from "../cursor-marks";

it("rejects nothing and white space", () => {
  expectRejected(empty, "a├┤", "is empty");
  expectRejected(empty, "a├ \n\t┤", "is only white space");
});

it("keeps anything else", () => {
  expectUntouched(empty, "a├;┤");
});
