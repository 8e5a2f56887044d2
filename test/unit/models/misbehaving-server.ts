// A local HTTP server that serves one file, and misbehaves as it is told to. As a proxy, it answers for every other server.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface MisbehavingServer {
  readonly url: string;
  /** The header Range of each request, "" without one. */
  readonly ranges: string[];
  /** Answers the next requests, one each; later ones get the whole file, or the range that they ask for. */
  next(...answers: Answer[]): void;
  close(): Promise<void>;
}

/** Serves the file correctly. @param etag undefined: no header tells one version of the file from another */
export function whole(content: Buffer, etag?: string): Answer {
  return (request, response) => {
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    const condition = request.headers["if-range"];
    if (etag !== undefined) response.setHeader("etag", etag);
    if (from === undefined || (condition !== undefined && condition !== etag)) {
      response.writeHead(200, { "content-length": content.length });
      response.end(content);
      return;
    }
    response.writeHead(206, {
      "content-range": `bytes ${from}-${content.length - 1}/${content.length}`,
      "content-length": content.length - Number(from),
    });
    response.end(content.subarray(Number(from)));
  };
}

/** Announces the whole file, sends a part of it, and cuts the connection. */
export function cutAfter(content: Buffer, bytes: number, etag?: string): Answer {
  return (request, response) => {
    const [, from = "0"] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
    const start = Number(from);
    if (etag !== undefined) response.setHeader("etag", etag);
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": content.length - start,
      ...(start > 0 ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    });
    response.write(content.subarray(start, start + bytes), () => setTimeout(() => response.destroy(), 200));
  };
}

/** Sends a part of the file and then nothing, with the connection open. */
export function stallAfter(content: Buffer, bytes: number): Answer {
  return (_, response) => {
    response.writeHead(200, { "content-length": content.length });
    response.write(content.subarray(0, bytes));
  };
}

export function status(code: number, body = "", headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
}

export async function misbehavingServer(content: Buffer, etag?: string): Promise<MisbehavingServer> {
  const answers: Answer[] = [];
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? "");
    (answers.shift() ?? whole(content, etag))(request, response);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a port.");
  server.on("connect", (_, socket) => {
    const tunnel = connect(address.port, "127.0.0.1");
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    socket.on("error", () => tunnel.destroy());
    tunnel.on("error", () => socket.destroy());
    socket.pipe(tunnel).pipe(socket);
  });
  return {
    url: `http://127.0.0.1:${address.port}/model.gguf`,
    ranges,
    next: (...given) => void answers.push(...given),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
