// Whether an open document counts as secret, while and after the ignore rules are asked.
import { expect, it } from "vitest";
import { SecretDocuments } from "../../../sidecar/suggestions/secret-documents";

/** Rules that answer when told to. */
function rules(): { isAllowed: (uri: string) => Promise<boolean>; answers: ((is: boolean | Error) => void)[] } {
  const answers: ((is: boolean | Error) => void)[] = [];
  const isAllowed = (): Promise<boolean> =>
    new Promise((done, failed) => answers.push((is) => (is instanceof Error ? failed(is) : done(is))));
  return { isAllowed, answers };
}

const path = (uri: string): string => uri.replace("file:///", "");
const settled = (): Promise<void> => new Promise((done) => setImmediate(done));

it("a document of code is never secret, and no rule is asked", () => {
  const { isAllowed, answers } = rules();
  expect(new SecretDocuments({ path, isAllowed }).reason("file:///src/secrets_manager.py")).toBeUndefined();
  expect(answers).toEqual([]);
});

it("a document with a secret's name is secret until the rules allow it, which are asked once", async () => {
  const { isAllowed, answers } = rules();
  const documents = new SecretDocuments({ path, isAllowed });
  expect(documents.reason("file:///.env")).toMatch(/"\.env" is a name/);
  expect(documents.reason("file:///.env")).toMatch(/"\.env" is a name/);
  expect(answers).toHaveLength(1);
  answers[0]?.(true);
  await settled();
  expect(documents.reason("file:///.env")).toBeUndefined();
  expect(documents.reason("file:///.env.local")).toMatch(/is a name/);
});

it("the rules are asked again after a change, after an error, and once there is an index", async () => {
  const { isAllowed, answers } = rules();
  let isReady = false;
  const documents = new SecretDocuments({ path, isAllowed: (uri) => (isReady ? isAllowed(uri) : undefined) });
  documents.reason("file:///.env");
  expect(answers).toHaveLength(0);
  isReady = true;
  documents.reason("file:///.env");
  answers[0]?.(new Error("unreadable"));
  await settled();
  documents.reason("file:///.env");
  answers[1]?.(true);
  await settled();
  expect(documents.reason("file:///.env")).toBeUndefined();
  documents.forget();
  expect(documents.reason("file:///.env")).toMatch(/is a name/);
  answers[2]?.(false);
  await settled();
  expect(documents.reason("file:///.env")).toMatch(/is a name/);
});

it("every document in a folder of keys is secret", () => {
  const documents = new SecretDocuments({ path, isAllowed: () => undefined });
  expect(documents.reason("file:///home/me/.ssh/config")).toMatch(/the folder \.ssh holds keys/);
});
