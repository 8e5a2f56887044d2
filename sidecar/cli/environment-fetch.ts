// The fetch of the command line: through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name, which Node's own ignores.
import type { Fetch } from "../models/download/request";

export async function environmentFetch(): Promise<Fetch> {
  // Loaded when needed: all other commands fetch nothing.
  const { EnvHttpProxyAgent, fetch } = await import("undici");
  const dispatcher = new EnvHttpProxyAgent();
  return (url, init) => fetch(url, { ...init, dispatcher });
}
