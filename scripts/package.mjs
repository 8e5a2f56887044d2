// `npm run package`: sets up, then says where the VSIX for this platform lies.
import { fail } from "./report.mjs";
import { setup, vsix } from "./setup.mjs";

try {
  await setup({ vsix: true });
  process.stdout.write(`${vsix}\n`);
} catch (error) {
  fail(error);
}
