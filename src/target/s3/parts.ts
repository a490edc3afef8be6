import { FatalError } from "../../runtime/errors.ts";
import { MAX_PART_BYTES } from "./options.ts";

/** Limits of S3 ("Amazon S3 multipart upload limits", user guide). */
const MAX_PARTS = 10_000;
const MAX_OBJECT_BYTES = 5 * 2 ** 40;
const MB = 2 ** 20;

/**
 * Bytes of each part but the last: as configured, or more, in whole MB, where 10,000 such parts don't suffice.
 *
 * @throws FatalError for an object that S3 can't hold.
 */
export function partByteLength(objectByteLength: number, configuredByteLength: number): number {
  if (objectByteLength > MAX_OBJECT_BYTES) {
    throw new FatalError(`an object of ${objectByteLength} bytes is larger than the 5TB that S3 can hold`);
  }
  const least = Math.ceil(objectByteLength / MAX_PARTS / MB) * MB;
  return Math.min(Math.max(configuredByteLength, least), MAX_PART_BYTES);
}

/**
 * The bytes [start, end) of the chunks, taken one after the other, in one piece: a view where they lie in one chunk,
 * else a copy. Requests want one buffer each.
 */
export function sliceOf(chunks: readonly Uint8Array[], start: number, end: number): Uint8Array<ArrayBuffer> {
  let copy: Uint8Array<ArrayBuffer> | undefined;
  let offset = 0;
  for (const chunk of chunks) {
    const from = Math.max(start - offset, 0), to = Math.min(end - offset, chunk.length);
    if (from < to) {
      const piece = chunk.subarray(from, to);
      if (piece.length === end - start && piece.buffer instanceof ArrayBuffer) return piece as Uint8Array<ArrayBuffer>;
      copy ??= new Uint8Array(end - start);
      copy.set(piece, offset + from - start);
    }
    offset += chunk.length;
    if (offset >= end) break;
  }
  return copy ?? new Uint8Array(0);
}
