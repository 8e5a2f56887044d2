// Control characters and incomplete bytes in suggestions.
import { it } from "vitest";
import { controlCharacters } from "../../../../sidecar/completion/filters/control-characters";
import { expectKept, expectRejected, expectUntouched } from "../cursor-marks";

it("rejects replacement characters and control characters", () => {
  expectRejected(controlCharacters, "const a = ├'\uFFFD'┤", /bytes/);
  expectRejected(controlCharacters, "const a = ├'\u0000'┤", /control/);
});

it("rejects bidirectional control characters", () => {
  expectRejected(controlCharacters, "if (a ├== '\u202E')┤", /control/);
});

it("keeps tabs, newlines and every script", () => {
  expectUntouched(controlCharacters, "const a = ├{\n\tb: 'größe 大小 😀',\n};┤");
});

it("replaces all line breaks by \\n", () => {
  expectKept(controlCharacters, "├a\r\nb┤", "├a\nb┤");
});
