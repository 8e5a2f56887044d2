// The sidecar: state, model, provider, index.
import type { SidecarStatus } from "../../../sidecar/protocol";
import { count, formatBytes } from "../../status/status-text";
import { commandButton, escapeHtml } from "../html";

export function renderStatus(status: SidecarStatus): string {
  const rows: [string, string][] = [["State", `${status.state}: ${status.message}`]];
  if (status.model !== undefined) {
    rows.push(["Model", `${status.model.name} ${status.model.version}`]);
  }
  if (status.provider !== undefined) {
    rows.push(["Runs on", `${status.provider.name.toUpperCase()}: ${status.provider.reason}`]);
  }
  if (status.vectorIndex !== undefined) {
    rows.push(["Vector index", `${status.vectorIndex.name}: ${status.vectorIndex.reason}`]);
  }
  if (status.index !== undefined) {
    const { files, fragments, storeBytes, excluded } = status.index;
    rows.push([
      "Index",
      `${count(fragments, "fragment")} of ${count(files, "file")}, ${formatBytes(storeBytes)} on disk`,
    ]);
    const reasons = Object.entries(excluded).filter(([, number]) => number > 0);
    if (reasons.length > 0) {
      rows.push(["Excluded", reasons.map(([reason, number]) => `${reason} ${number}`).join(", ")]);
    }
  }
  return `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join("\n")}</dl>
<p class="actions">${commandButton("reindex", "Re-index")} ${commandButton("restart", "Restart")} ${commandButton("log", "Log")}</p>`;
}
