/**
 * The original's records with the tag 3: they name a file whose contents are the records. The files are read here, before
 * the batch goes to a worker, and go with it.
 *
 *     tag 3 | size 8, big-endian | key of the file, UTF-8
 */
import type { BytesColumn, RecordBatch, RecordFile } from "./record_batch.ts";
import type { Position } from "./position.ts";

const TAG_FILE = 3;
const HEAD_BYTE_LENGTH = 9;
/** A batch goes on in another one when its files have this many bytes. */
const PART_BYTE_LENGTH = 32 * 1024 * 1024;
/** Larger files are not read; their records become dead letters. */
export const MAX_FILE_BYTE_LENGTH = 256 * 1024 * 1024;

/** Where the files are. */
export interface FileStore {
  /**
   * The file of a key; waits, trying again, while the store can't be reached.
   *
   * @returns null when there is none, or it has more bytes than allowed.
   * @throws FatalError when the store refuses to answer; the signal's reason.
   */
  read(key: string, maxByteLength: number, signal: AbortSignal): Promise<Uint8Array | null>;
  close(): void;
}

/** What a record with the tag 3 says. */
export interface FileReference {
  readonly byteLength: bigint;
  readonly key: string;
}

/** Null when the record [start, end) of `bytes` is another one. */
export function fileReference(bytes: Uint8Array, start: number, end: number): FileReference | null {
  if (bytes[start] !== TAG_FILE || end - start <= HEAD_BYTE_LENGTH) return null;
  const byteLength = new DataView(bytes.buffer, bytes.byteOffset + start, HEAD_BYTE_LENGTH).getBigUint64(1);
  return { byteLength, key: new TextDecoder().decode(bytes.subarray(start + HEAD_BYTE_LENGTH, end)) };
}

/** Whether any record of the batch names a file. */
export function namesFiles({ bytes, offsets, rowCount }: RecordBatch): boolean {
  for (let row = 0; row < rowCount; row++) {
    if (bytes[offsets[row]] === TAG_FILE && offsets[row + 1] - offsets[row] > HEAD_BYTE_LENGTH) return true;
  }
  return false;
}

/** The batch in one part or several, each with the files that its records name, so that few are in memory at a time. */
export async function* bulkParts(
  batch: RecordBatch,
  store: FileStore,
  signal: AbortSignal,
): AsyncIterable<RecordBatch> {
  let files: RecordFile[] = [], byteLength = 0, first = 0;
  for (let row = 0; row < batch.rowCount; row++) {
    const reference = fileReference(batch.bytes, batch.offsets[row], batch.offsets[row + 1]);
    if (reference === null || files.some(({ key }) => key === reference.key)) continue;
    const bytes = await store.read(reference.key, MAX_FILE_BYTE_LENGTH, signal);
    files.push({ key: reference.key, bytes });
    byteLength += bytes?.length ?? 0;
    if (byteLength < PART_BYTE_LENGTH || row + 1 === batch.rowCount) continue;
    yield { ...sliceBatch(batch, first, row + 1), files };
    files = [];
    byteLength = 0;
    first = row + 1;
  }
  yield { ...sliceBatch(batch, first, batch.rowCount), files };
}

/** Rows [from, to) as a batch of their own. */
export function sliceBatch(batch: RecordBatch, from: number, to: number): RecordBatch {
  const { bytes, offsets } = sliceBytes({ bytes: batch.bytes, offsets: batch.offsets, nulls: null }, from, to);
  const { positions, keys, headers, gap, cutRows = [], ...rest } = batch;
  const cut = [...cutRows].flatMap(([row, length]) => row < from || row >= to ? [] : [[row - from, length] as const]);
  return {
    ...rest,
    ...(cut.length > 0 && { cutRows: new Map(cut) }),
    ...(from === 0 && gap && { gap }),
    start: from === 0 ? batch.start : positionOf(batch, from),
    next: to === batch.rowCount ? batch.next : positionOf(batch, to),
    rowCount: to - from,
    bytes,
    offsets,
    timestamps: batch.timestamps.slice(from, to),
    positions: positions instanceof BigInt64Array ? positions.slice(from, to) : sliceBytes(positions, from, to),
    keys: keys === null ? null : sliceBytes(keys, from, to),
    headers: headers === null ? null : sliceBytes(headers, from, to),
  };
}

function positionOf({ positions }: RecordBatch, row: number): Position {
  if (positions instanceof BigInt64Array) return String(positions[row]);
  return new TextDecoder().decode(positions.bytes.subarray(positions.offsets[row], positions.offsets[row + 1]));
}

function sliceBytes({ bytes, offsets, nulls }: BytesColumn, from: number, to: number): BytesColumn {
  const start = offsets[from];
  const ownNulls = nulls === null ? null : new Uint8Array((to - from + 7) >> 3);
  for (let row = from; ownNulls !== null && row < to; row++) {
    if ((nulls![row >> 3] & (1 << (row & 7))) !== 0) ownNulls[(row - from) >> 3] |= 1 << ((row - from) & 7);
  }
  return {
    bytes: bytes.slice(start, offsets[to]),
    offsets: Uint32Array.from({ length: to - from + 1 }, (_, i) => offsets[from + i] - start),
    nulls: ownNulls,
  };
}
