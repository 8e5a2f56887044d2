// Indentation of the lines of a suggestion in files that indent otherwise.
import { it } from "vitest";
import { fileIndentation } from "../../../../sidecar/completion/filters/file-indentation";
import { expectKept, expectUntouched } from "../cursor-marks";

it("becomes tabs in a file of tabs", () => {
  expectKept(
    fileIndentation,
    "class A {\n\tb() {\n\t\tc();\n\t}\n\n\td() {├\n        if (e) {\n            f();\n        }\n    }┤\n}\n",
    "class A {\n\tb() {\n\t\tc();\n\t}\n\n\td() {├\n\t\tif (e) {\n\t\t\tf();\n\t\t}\n\t}┤\n}\n",
  );
});

it("becomes spaces in a file of spaces", () => {
  expectKept(
    fileIndentation,
    "def a():\n  return 1\n\n\ndef b():├\n\tif c:\n\t\treturn 2┤\n",
    "def a():\n  return 1\n\n\ndef b():├\n  if c:\n    return 2┤\n",
    "python",
  );
});

it("becomes the number of spaces of the file", () => {
  expectKept(
    fileIndentation,
    "function a() {\n  return 1;\n}\n\nfunction b() {├\n    if (c) {\n        d();\n    }\n}┤\n",
    "function a() {\n  return 1;\n}\n\nfunction b() {├\n  if (c) {\n    d();\n  }\n}┤\n",
  );
  expectKept(
    fileIndentation,
    "def a():\n    return 1\n\n\nclass B:\n    ├def c(self):\n      return 2┤\n",
    "def a():\n    return 1\n\n\nclass B:\n    ├def c(self):\n        return 2┤\n",
    "python",
  );
});

it("stays as it is where it is the file's", () => {
  expectUntouched(fileIndentation, "def a():\n    return 1\n\n\ndef b():├\n    if c:\n        return 2┤\n", "python");
  expectUntouched(fileIndentation, "f() {\n\ta();\n\t├b(c,\n\t  d);┤\n}\n");
});

it("stays as it is in parentheses and in a file that has none", () => {
  expectUntouched(fileIndentation, "class A {\n  void b() {\n    ├c(d,\n        e);┤\n  }\n}\n", "java");
  expectUntouched(fileIndentation, "├def a():\n  return 1┤\n", "python");
});
