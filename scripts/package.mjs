// `npm run package`: sets up, then says where the VSIX for this platform lies.
import { say } from "./report.mjs";
import { setup, vsix } from "./setup.mjs";

try {
  await setup({ vsix: true });
  process.stdout.write(`${vsix}\n`);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
