// Entry of the store's thread: opens the database and answers requests, so that no other thread waits for the disk or a lock.
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { errorMessage } from "../../host/errors";
import { makeFolder } from "../../host/make-folder";
import type { Database } from "./database";
import type { Answer, Reply, Request, StoreOptions } from "./messages";
import { bytesIn, folderOf, removeOthers, removeOutdated } from "./storage-folder";

async function serve(port: NonNullable<typeof parentPort>, options: StoreOptions): Promise<void> {
  const send = (reply: Reply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);
  const { storagePath, modelHash, vectorBytes } = options;
  const folder = folderOf(storagePath, modelHash);
  let database: Database;
  try {
    // Imported here, so that an error is reported: it loads native code.
    const loaded = await import("./database");
    await makeFolder(folder, 0o700);
    const path = join(folder, "store.db");
    database = new loaded.Database({ path, vectorBytes, warn: (message) => send({ event: "warning", message }) });
  } catch (error) {
    send({ event: "refused", message: errorMessage(error) });
    port.close();
    return;
  }
  removeOutdated(storagePath, folder);
  send({ event: "opened" });
  port.on("message", (request: Request) => {
    try {
      const answer = perform(request, database, storagePath, folder);
      send({ event: "answered", answer }, answer.kind === "vectors" ? [answer.rows.buffer, answer.found.buffer] : []);
    } catch (error) {
      send({ event: "failed", message: errorMessage(error) });
    }
    if (request.kind === "close") port.close();
  });
}

function perform(request: Request, database: Database, storagePath: string, folder: string): Answer {
  switch (request.kind) {
    case "openFolder":
      return { kind: "files", files: database.openFolder(request.key, request.version) };
    case "vectors":
      return { kind: "vectors", ...database.vectors(request.keys) };
    case "claim":
      return { kind: "claimed", keys: database.claim(request.keys) };
    case "write":
      database.write(request.vectors, request.changes);
      return { kind: "done" };
    case "tidy":
      removeOthers(storagePath, folder, request.maxBytes);
      database.tidy(request.maxBytes);
      return { kind: "measure", bytes: bytesIn(storagePath) };
    case "clear":
      removeOthers(storagePath, folder, 0);
      database.clear();
      return { kind: "measure", bytes: bytesIn(storagePath) };
    case "measure":
      return { kind: "measure", bytes: bytesIn(storagePath) };
    case "close":
      database.close();
      return { kind: "done" };
  }
}

if (parentPort === null)
  throw new Error("expected to be a worker thread of the sidecar, found the main thread: start sidecar.js or cli.js");
void serve(parentPort, workerData);
