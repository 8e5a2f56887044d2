// Empty suggestions.
import { it } from "vitest";
import { empty } from "../../../../sidecar/completion/filters/empty";
import { expectRejected, expectUntouched } from "../cursor-marks";

it("rejects an empty text and white space", () => {
  expectRejected(empty, "a├┤", "is empty");
  expectRejected(empty, "a├ \n\t┤", "is only white space");
});

it("keeps anything else", () => {
  expectUntouched(empty, "a├;┤");
});
