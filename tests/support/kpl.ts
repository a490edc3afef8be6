/** Writes KPL aggregates: the other side of what the source reads. */
import { createHash } from "node:crypto";

/** A user record; bytes instead of it stand as they are where its message would. */
export type UserRecord = { readonly key: string; readonly data: Uint8Array } | Uint8Array;

const encoder = new TextEncoder();

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 + 128);
  return [...bytes, value];
}

/** A length-delimited field. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The magic, a message, and its digest. */
export function seal(message: Uint8Array): Uint8Array {
  const digest = createHash("md5").update(message).digest();
  return concat(Uint8Array.of(0xf3, 0x89, 0x9a, 0xc2), message, new Uint8Array(digest));
}

export function aggregate(records: readonly UserRecord[]): Uint8Array {
  const keys = [...new Set(records.map((record) => record instanceof Uint8Array ? "" : record.key))];
  const table = keys.map((key) => field(1, encoder.encode(key)));
  const messages = records.map((record) => {
    if (record instanceof Uint8Array) return field(3, record);
    const index = Uint8Array.from([8, ...varint(keys.indexOf(record.key))]);
    return field(3, concat(index, field(3, record.data)));
  });
  return seal(concat(...table, ...messages));
}
