import { FatalError } from "../../runtime/errors.ts";
import { release } from "../../runtime/release.ts";
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
 * Calls `use` with the bytes [start, end) of the chunks, taken one after the other, in one piece, as requests want them: a
 * view where they lie in one chunk, else a copy, whose memory is given back when `use` has succeeded.
 */
export async function withSlice<T>(
  chunks: readonly Uint8Array[],
  { start, end }: { readonly start: number; readonly end: number },
  use: (bytes: Uint8Array<ArrayBuffer>) => Promise<T>,
): Promise<T> {
  const view = viewOf(chunks, start, end);
  if (view !== null) return await use(view);
  const copy = copyOf(chunks, start, end);
  const result = await use(copy);
  release(copy); // not after a failure: what was given up may still be at work on it
  return result;
}

function viewOf(chunks: readonly Uint8Array[], start: number, end: number): Uint8Array<ArrayBuffer> | null {
  let offset = 0;
  for (const chunk of chunks) {
    if (start >= offset && end <= offset + chunk.length && chunk.buffer instanceof ArrayBuffer) {
      return chunk.subarray(start - offset, end - offset) as Uint8Array<ArrayBuffer>;
    }
    offset += chunk.length;
  }
  return null;
}

function copyOf(chunks: readonly Uint8Array[], start: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - start);
  let offset = 0;
  for (const chunk of chunks) {
    const from = Math.max(start - offset, 0), to = Math.min(end - offset, chunk.length);
    if (from < to) copy.set(chunk.subarray(from, to), offset + from - start);
    offset += chunk.length;
    if (offset >= end) break;
  }
  return copy;
}
