// The command `why`: whether a file or folder is indexed, and by which rule it is not.
import { resolve } from "node:path";
import { packagedLocations, withHome } from "../host/locations";
import { defaultSettings } from "../protocol";
import { createChunker } from "../workspace/chunking/create-chunker";
import { explain, outside } from "../workspace/explain";
import { IgnoreRules } from "../workspace/files/ignore";
import type { Command } from "./arguments";
import { pathBelow, readFolder, workspaceOf } from "./cursor";
import { InputError, print, printJson } from "./terminal";

/** Needs neither the model nor the index: it applies the rules to the files as they are. */
export async function why(command: Command): Promise<void> {
  const path = resolve(withHome(command.target));
  const here = process.cwd();
  const workspace =
    command.workspace === undefined
      ? pathBelow(here, path) === undefined
        ? workspaceOf(path)
        : here
      : await readFolder(command.workspace, "--workspace");
  const place = pathBelow(workspace, path);
  const explanation =
    place === undefined
      ? outside(path)
      : await explain({
          root: workspace,
          path: place,
          rules: await IgnoreRules.create(workspace),
          maxBytes: defaultSettings.maxFileKilobytes * 1024,
          chunker: await createChunker(packagedLocations(__dirname).grammarPath, (message) =>
            process.stderr.write(`${message}\n`),
          ),
        });
  if (explanation.state === "missing") throw new InputError(explanation.message);
  print(explanation.message);
  for (const { startLine, endLine, scope } of explanation.fragments)
    print(`  ${startLine}-${endLine}${scope === undefined ? "" : `  in ${scope.join(" › ")}`}`);
  if (command.json) printJson({ ...explanation, workspace });
}
