/** A front of the emulators that throttles, fails, loses answers and expires iterators, by the dice of a seed. */
import { SeededRandom } from "../../src/runtime/random.ts";

/** Probabilities per request. */
export interface FrontFaults {
  /** Refused as too much. */
  throttled: number;
  /** An answer of 500, and nothing happened. */
  failed: number;
  /** It happened, and the answer is a 500. */
  lostAnswer: number;
  /** An iterator that has expired. */
  expiredIterator: number;
}

export const NO_FAULTS: FrontFaults = { throttled: 0, failed: 0, lostAnswer: 0, expiredIterator: 0 };

export interface FaultFront {
  readonly url: string;
  readonly faults: FrontFaults;
  /** Operations that are refused, and as what: "ResourceInUseException"; for AccessDenied see `deny`. */
  readonly refused: Map<string, string>;
  /** Refuses the operation as the service does without the right to it. */
  deny(operation: string): void;
  /** Requests by operation. */
  readonly counts: Map<string, number>;
  /** What was done to them, by kind. */
  readonly injected: Map<string, number>;
  close(): Promise<void>;
}

export function startFaultFront(target: string, seed: number): FaultFront {
  const random = new SeededRandom(seed);
  const faults = { ...NO_FAULTS };
  const counts = new Map<string, number>(), injected = new Map<string, number>();
  const refused = new Map<string, string>();
  const count = (map: Map<string, number>, key: string) => void map.set(key, (map.get(key) ?? 0) + 1);
  const refuse = (type: string, status: number) => {
    count(injected, type);
    const body = JSON.stringify({ __type: type, message: `injected ${type}` });
    return new Response(body, { status, headers: { "content-type": "application/x-amz-json-1.1" } });
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const operation = request.headers.get("x-amz-target")?.split(".").at(-1) ?? "?";
    count(counts, operation);
    const body = await request.arrayBuffer();
    const dice = (probability: number) => random.next() < probability;
    const refusal = refused.get(operation);
    if (refusal !== undefined) return refuse(refusal, 400);
    if (operation === "GetRecords" && dice(faults.expiredIterator)) return refuse("ExpiredIteratorException", 400);
    if (dice(faults.throttled)) return refuse("ProvisionedThroughputExceededException", 400);
    if (dice(faults.failed)) return refuse("InternalServerError", 500);
    const url = new URL(request.url);
    const headers = new Headers(request.headers);
    const answer = await fetch(target + url.pathname, {
      method: request.method,
      headers,
      body,
      signal: request.signal,
    });
    if (operation === "SubscribeToShard") return new Response(answer.body, answer); // goes on for minutes
    const bytes = await answer.arrayBuffer();
    if (dice(faults.lostAnswer)) return refuse("InternalFailure", 500);
    const kept = new Headers(answer.headers);
    kept.delete("content-length");
    kept.delete("connection");
    return new Response(bytes, { status: answer.status, headers: kept });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    faults,
    refused,
    deny: (operation) => void refused.set(operation, "AccessDeniedException"),
    counts,
    injected,
    close: () => server.shutdown(),
  };
}
