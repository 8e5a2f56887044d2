// The one rule of lines and columns.
import { describe, expect, it } from "vitest";
import { plainLineBreaks, plainText } from "../../../sidecar/host/plain-text";

describe("plainText", () => {
  it.each([
    ["a\r\nb\rc\nd", "a\nb\nc\nd"],
    ["a\r\r\nb\n\r", "a\n\nb\n\n"],
    ["\uFEFFa\r", "a\n"],
    ["a\uFEFFb", "a\uFEFFb"],
    ["a\fb\u2028c\u0085d\ve", "a\fb\u2028c\u0085d\ve"],
    ["\uFEFF", ""],
    ["", ""],
  ])("reads %j as %j", (text, plain) => {
    expect(plainText(text)).toBe(plain);
  });

  it("leaves the mark where the text does not begin", () => {
    expect(plainLineBreaks("\uFEFFa\r\n")).toBe("\uFEFFa\n");
  });
});
