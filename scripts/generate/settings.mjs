// Generates package.json's configuration and the tables of docs/settings.md from the schema in sidecar/settings.ts.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const section = "selfracg";

/**
 * @typedef {object} Setting
 * @property {string} name
 * @property {string} group
 * @property {string} [scope]
 * @property {string} description
 * @property {boolean} [readAtStart]
 * @property {"boolean" | "integer" | "string" | "array"} type
 * @property {unknown} default
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {readonly string[]} [values]
 * @property {readonly string[]} [valueDescriptions]
 * @property {boolean} [unique]
 *
 * @typedef {{groups: readonly string[], settings: readonly Setting[]}} Settings
 */

/** @returns {Promise<Settings>} the groups in order, and the settings in the schema's order */
export async function loadSettings() {
  const { outputFiles } = await build({
    entryPoints: [join(root, "sidecar", "settings.ts")],
    bundle: true,
    format: "esm",
    platform: "node",
    write: false,
  });
  const source = Buffer.from(outputFiles[0]?.contents ?? []).toString("base64");
  const { settingGroups, settingInfos, defaultSettings } = await import(`data:text/javascript;base64,${source}`);
  const settings = [...settingInfos].map(([name, info]) => ({ ...info, name, default: defaultSettings[name] }));
  return { groups: settingGroups, settings };
}

/** @param {Setting} setting */
function descriptionOf({ description, readAtStart }) {
  return readAtStart ? `${description} A change restarts the sidecar.` : description;
}

/**
 * One setting as package.json declares it.
 * @param {Setting} setting
 * @param {number} order within its group
 */
function property(setting, order) {
  const { type, values, valueDescriptions, minimum, maximum, unique } = setting;
  return {
    type,
    ...(type === "array" && { items: { type: "string", ...(values && { enum: values }) } }),
    ...(type === "array" && unique && { uniqueItems: true }),
    ...(type === "string" && values && { enum: values, enumDescriptions: valueDescriptions }),
    ...(type === "integer" && { minimum, maximum }),
    scope: setting.scope ?? "window",
    default: setting.default,
    markdownDescription: descriptionOf(setting),
    order,
  };
}

/** The value of `contributes.configuration` in package.json. @param {Settings} settings */
export function configuration({ groups, settings }) {
  return groups.map((title, order) => ({
    id: `${section}.${title.toLowerCase()}`,
    title,
    order,
    properties: Object.fromEntries(
      settings
        .filter(({ group }) => group === title)
        .map((setting, place) => [`${section}.${setting.name}`, property(setting, place)]),
    ),
  }));
}

/** The allowed values or bounds as a table cell. @param {Setting} setting */
function boundsOf({ values, minimum, maximum }) {
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(", ");
  return minimum === undefined ? "" : `${minimum} to ${maximum}`;
}

/** Replaces VS Code's links to commands and settings by plain Markdown. @param {string} description */
function withoutLinks(description) {
  return description.replace(/\[([^\]]+)\]\(command:[^)]+\)/g, "$1").replace(/`#([^#]+)#`/g, "`$1`");
}

/** The tables of docs/settings.md, one per group. @param {Settings} settings */
export function settingsTables({ groups, settings }) {
  return groups
    .map((title) => {
      const rows = settings
        .filter(({ group }) => group === title)
        .map((setting) => {
          const cells = [
            `\`${section}.${setting.name}\``,
            `\`${JSON.stringify(setting.default)}\``,
            boundsOf(setting),
            withoutLinks(descriptionOf(setting)),
          ];
          return `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");
        });
      return `\n## ${title}\n\n| setting | default | values | what it does |\n|---|---|---|---|\n${rows.join("\n")}\n`;
    })
    .join("");
}
