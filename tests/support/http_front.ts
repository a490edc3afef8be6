import type { RawRequest } from "./sigv4.ts";

/** An answer to send. Header names in any letter case; Content-Length is added. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What to do with a request instead of answering it properly. */
export type Misbehaviour =
  /** Says nothing and keeps the connection open. */
  | "hang"
  /** Closes the connection without an answer. */
  | "close"
  /** Sends the head and half the body, then closes. */
  | { readonly truncate: RawAnswer };

export interface Front {
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  close(): Promise<void>;
}

export interface FrontHandler {
  /** Whether to close the connection before the body is read, so that the client sees a reset. The body is empty yet. */
  resets(request: RawRequest): boolean;
  handle(request: RawRequest): Promise<RawAnswer | Misbehaviour>;
}

/** An HTTP/1.1 server of bare sockets, so that it can break off wherever it likes. Requests need a Content-Length. */
export function startFront(handler: FrontHandler): Front {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const serving = new Set<Promise<void>>();
  const accept = (async () => {
    for await (const connection of listener) {
      connections.add(connection);
      const served: Promise<void> = serve(connection, handler).catch(() => {}).finally(() => {
        connections.delete(connection);
        serving.delete(served);
        tryClose(connection);
      });
      serving.add(served);
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    connections: () => connections.size,
    async close() {
      listener.close();
      for (const connection of connections) tryClose(connection);
      await accept;
      await Promise.all(serving);
    },
  };
}

function tryClose(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // closed already
  }
}

async function serve(connection: Deno.Conn, handler: FrontHandler): Promise<void> {
  const reader = new Reader(connection);
  for (let head = await reader.head(); head !== undefined; head = await reader.head()) {
    if (handler.resets(head)) return;
    const request = { ...head, body: await reader.body(head) };
    const answer = await handler.handle(request);
    if (answer === "close") return;
    if (answer === "hang") return await reader.untilClosed();
    if ("truncate" in answer) return await write(connection, answer.truncate, request.method, 0.5);
    await write(connection, answer, request.method, 1);
  }
}

async function write(connection: Deno.Conn, answer: RawAnswer, method: string, share: number): Promise<void> {
  const { status, headers, body } = answer;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${status} Status\r\n${lines.join("")}content-length: ${body.length}\r\n\r\n`;
  const bytes = method === "HEAD" ? new TextEncoder().encode(head) : concat(new TextEncoder().encode(head), body);
  const cut = share === 1 ? bytes.length : bytes.length - Math.ceil((body.length || head.length) * (1 - share));
  for (let offset = 0; offset < cut;) offset += await connection.write(bytes.subarray(offset, cut));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Reads requests from a connection, one after the other. */
class Reader {
  readonly #connection: Deno.Conn;
  readonly #buffer = new Uint8Array(65536);
  #rest: Uint8Array = new Uint8Array(0);

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** The next request up to its body; undefined when the client has closed the connection. */
  async head(): Promise<RawRequest | undefined> {
    let end: number;
    while ((end = headEnd(this.#rest)) < 0) if (!await this.#more()) return undefined;
    const lines = new TextDecoder().decode(this.#rest.subarray(0, end)).split("\r\n");
    this.#rest = this.#rest.subarray(end + 4);
    const [method, target] = lines[0].split(" ");
    const headers = new Map(
      lines.slice(1).map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    return { method, target, headers, body: new Uint8Array(0) };
  }

  async untilClosed(): Promise<void> {
    while (await this.#more()) this.#rest = new Uint8Array(0);
  }

  /** The body that follows a head. */
  async body({ headers }: RawRequest): Promise<Uint8Array> {
    const byteLength = Number(headers.get("content-length") ?? 0);
    const body = new Uint8Array(byteLength);
    let filled = Math.min(this.#rest.length, byteLength);
    body.set(this.#rest.subarray(0, filled));
    this.#rest = this.#rest.slice(filled);
    while (filled < byteLength) {
      const count = await this.#connection.read(body.subarray(filled));
      if (count === null) throw new Error("the client closed in mid-body");
      filled += count;
    }
    return body;
  }

  async #more(): Promise<boolean> {
    const count = await this.#connection.read(this.#buffer);
    if (count === null) return false;
    this.#rest = concat(this.#rest, this.#buffer.subarray(0, count));
    return true;
  }
}

function headEnd(bytes: Uint8Array): number {
  for (let i = 0; i + 3 < bytes.length; i++) {
    if (bytes[i] === 13 && bytes[i + 1] === 10 && bytes[i + 2] === 13 && bytes[i + 3] === 10) return i;
  }
  return -1;
}
