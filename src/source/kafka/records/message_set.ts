/**
 * Messages of the formats before Kafka 0.11, which old segments may still hold
 * (https://kafka.apache.org/documentation/#messageset):
 *
 *     0 offset i64 | 8 length i32 | 12 crc32 u32 | 16 magic i8 | 17 attributes i8 | [timestamp i64, magic 1] |
 *     key bytes | value bytes
 *
 * A compressed message's value is a message set of its own; with magic 1 its offsets are relative.
 */
import { crc32 } from "node:zlib";
import { decompress } from "./codecs.ts";

export interface OldMessage {
  readonly offset: number;
  /** Epoch ms; NaN with magic 0. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

function byteString(view: DataView, bytes: Uint8Array, at: number): { value: Uint8Array | null; next: number } {
  const length = view.getInt32(at);
  if (length < 0) return { value: null, next: at + 4 };
  if (at + 4 + length > bytes.length) throw new RangeError("message is cut off");
  return { value: bytes.subarray(at + 4, at + 4 + length), next: at + 4 + length };
}

/** The messages in `bytes[start, end)`, which is one whole message. @throws RangeError when it is damaged. */
export function readOldMessage(bytes: Uint8Array, start: number, end: number): OldMessage[] {
  const message = bytes.subarray(start, end);
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (crc32(message.subarray(16)) !== view.getUint32(12)) throw new RangeError("message's checksum is wrong");
  const offset = Number(view.getBigInt64(0)), magic = view.getInt8(16), attributes = view.getInt8(17);
  const timestamp = magic === 0 ? NaN : Number(view.getBigInt64(18));
  const { value: key, next } = byteString(view, message, magic === 0 ? 18 : 26);
  const { value } = byteString(view, message, next);
  const codec = attributes & 7;
  if (codec === 0 || value === null) return [{ offset, timestamp, key, value }];
  const inner = readOldMessages(decompress(codec, value));
  if (magic === 0) return inner;
  const shift = offset - (inner.at(-1)?.offset ?? 0);
  const appendTime = (attributes & 8) !== 0 ? timestamp : undefined;
  return inner.map((m) => ({ ...m, offset: m.offset + shift, timestamp: appendTime ?? m.timestamp }));
}

function readOldMessages(bytes: Uint8Array): OldMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: OldMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 12 + view.getInt32(at + 8);
    if (end > bytes.length || end <= at + 12) throw new RangeError("message set is cut off");
    messages.push(...readOldMessage(bytes, at, end));
    at = end;
  }
  return messages;
}
