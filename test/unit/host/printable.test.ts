// Nothing that is printed makes a terminal do something.
import { expect, it } from "vitest";
import { withoutControls } from "../../../sidecar/host/printable";

it.each([
  ["a\u001b[2Jb\u001b]0;title\u0007.py", "a\\u001b[2Jb\\u001b]0;title\\u0007.py"],
  ["a\rb\bc", "a\\u000db\\u0008c"],
  ["\u009b31m\u007f", "\\u009b31m\\u007f"],
  ["\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"],
  ["über\tder\nZeile \u{1f600} \u200d", "über\tder\nZeile \u{1f600} \u200d"],
])("%j is printed as %j", (text, printed) => {
  expect(withoutControls(text)).toBe(printed);
});

it("JSON stays what it is", () => {
  const value = { path: "a\u001b[2J\u009b31m\u202e\n\t.py" };
  expect(JSON.parse(withoutControls(JSON.stringify(value)))).toEqual(value);
});
