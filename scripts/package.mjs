// `npm run package`: builds the VSIX for this platform and prints its path.
import { fail } from "./report.mjs";
import { setup, vsix } from "./setup.mjs";

try {
  await setup({ vsix: true });
  process.stdout.write(`${vsix}\n`);
} catch (error) {
  fail(error);
}
