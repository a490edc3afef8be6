import { release } from "../release.ts";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";

/** Idle connections are closed after this: stores drop them earlier or later without a word. */
const POOL_IDLE_TIMEOUT_MS = 20_000;
const LARGE_BODY_BYTE_LENGTH = 256 << 10;

/** A fetch that failed without an answer, in the form that the SDK's own retries know (used for credentials). */
class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code = "ECONNRESET";
  readonly $retryable = {};
}

/** The SDK's requests through fetch, over connections of their own. */
export interface FetchHandler {
  readonly handler: FetchHttpHandler;
  /** The same for requests of our own making. */
  send(request: Request): Promise<Response>;
  /** The wall time that the last answer gave, epoch ms; undefined when it gave none. */
  serverTimeMs(): number | undefined;
  /** Closes all connections. Twice is safe. */
  close(): void;
}

/**
 * A request handler over fetch. The SDK's default one over node:http does not notice lost connections on every version of
 * the runtime. Redirects come back as they are: a signature is valid for one host. fetch itself sends a request once more when
 * its connection closes without an answer, whatever the method.
 */
export function createFetchHandler(): FetchHandler {
  const client = Deno.createHttpClient({ poolIdleTimeout: POOL_IDLE_TIMEOUT_MS });
  let open = true;
  let lastDate: string | null = null;
  // A request's signal follows the caller's only while the request is alive: without this the collection of garbage
  // makes bodies that take long (event streams) deaf to their signal.
  const requests = new WeakMap<ReadableStream, Request>();
  const send = async (request: Request): Promise<Response> => {
    const body = isLarge(request) ? request.clone() : null;
    try {
      const response = await fetch(request, { client });
      if (body !== null) release(await body.bytes());
      lastDate = response.headers.get("date");
      if (response.body !== null) requests.set(response.body, request);
      return response;
    } catch (error) {
      throw error instanceof TypeError ? new ConnectionError(rootMessage(error), { cause: error }) : error;
    }
  };
  return {
    handler: new FetchHttpHandler({
      customFetch: send as typeof fetch,
      requestInit: () => ({ redirect: "manual" }),
    }),
    send,
    serverTimeMs: () => Date.parse(lastDate ?? "") || undefined,
    close() {
      if (open) client.close();
      open = false;
    },
  };
}

/**
 * A Request copies its body, and nobody can reach that copy but through a clone, which shares it: large ones are given
 * back so once there is an answer. (Where a clone does not share it, it is one copy more.)
 */
function isLarge({ headers }: Request): boolean {
  return Number(headers.get("content-length") ?? 0) >= LARGE_BODY_BYTE_LENGTH;
}

/** fetch's message repeats the address with its query; the cause says what happened. */
function rootMessage(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
