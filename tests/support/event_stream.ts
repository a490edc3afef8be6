/** Messages of AWS's event streams (docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream). */
import { crc32 } from "node:zlib";
import { concat } from "./kpl.ts";

const encoder = new TextEncoder();

/**
 *     length | headers' length | CRC-32 of both | headers | payload | CRC-32 of all before     (lengths and CRCs: 4 bytes)
 *     header: name's length (1), name, 7 (a string), value's length (2), value
 */
export function eventMessage(headers: Readonly<Record<string, string>>, payload: unknown): Uint8Array {
  const head = concat(
    ...Object.entries(headers).map(([name, value]) => {
      const bytes = encoder.encode(value);
      return concat(
        Uint8Array.of(name.length),
        encoder.encode(name),
        Uint8Array.of(7, bytes.length >> 8, bytes.length & 255),
        bytes,
      );
    }),
  );
  const body = encoder.encode(JSON.stringify(payload));
  const prelude = concat(number(16 + head.length + body.length), number(head.length));
  const start = concat(prelude, number(crc32(prelude)), head, body);
  return concat(start, number(crc32(start)));
}

function number(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255);
}

/** An event of the stream, or with `exception` what ends it. */
export function pushedEvent(kind: "event" | "exception", type: string, payload: unknown): Uint8Array {
  return eventMessage({
    ":message-type": kind,
    [`:${kind}-type`]: type,
    ":content-type": "application/json",
  }, payload);
}
