/**
 * What one fetch brought of one partition, read piece by piece: batches are decompressed when their turn comes, and
 * rows go straight from their bytes into the builder.
 */
import { messageOf } from "../../../runtime/errors.ts";
import type { AbortedTransaction } from "../protocol/fetch.ts";
import { release, releaseIfAlone } from "../../../runtime/release.ts";
import type { BatchBuilder } from "./batch_builder.ts";
import { decompress } from "./codecs.ts";
import { crc32c } from "../../../codecs/crc32c.ts";
import { type OldMessage, readOldMessage } from "./message_set.ts";
import {
  BATCH_HEADER_BYTE_LENGTH,
  type BatchHeader,
  LOG_OVERHEAD,
  MAGIC_OFFSET,
  newRecordFields,
  readBatchHeader,
  readHeaders,
  readRecord,
  type RecordFields,
} from "./record_batch.ts";

const utf8 = new TextEncoder();

/** A batch that can't be read: damaged in the log, or in a format we don't know. */
export class CorruptBatchError extends Error {
  override readonly name = "CorruptBatchError";
  /** The batch's first offset. */
  readonly offset: number;
  /** The partition may have grown while the broker answered: it names the end from before it reads. */
  readonly mayPass: boolean;

  constructor(offset: number, cause: unknown, mayPass = false) {
    super(`the record batch at offset ${offset} can't be read: ${messageOf(cause)}`, {
      cause,
    });
    this.offset = offset;
    this.mayPass = mayPass;
  }
}

/** Rows left out or empty, by the reader's own decision. */
export interface ChunkCounts {
  tombstones: number;
  controlBatches: number;
  abortedRecords: number;
}

interface OpenBatch {
  readonly header: BatchHeader;
  /** Its records; memory of its own when they were compressed. */
  readonly data: Uint8Array;
  at: number;
  remaining: number;
}

/** No format has less behind its length: a message of format 0 without key and value. */
const LEAST_LENGTH = 14;
/** No broker answers with more. */
const MOST_LENGTH = 2 ** 30;

/** What an answer has of a partition's log. */
export interface Measured {
  /** Where the next fetch goes on. */
  readonly next: number;
  /** Of the whole batches that can be read. */
  readonly byteLength: number;
  /** What the first batch takes when there is no whole one, else 0. */
  readonly neededByteLength: number;
  /** The leader's epoch of the last of these batches; -1 in formats that have none. */
  readonly leaderEpoch: number;
}

/**
 * The whole batches at the beginning of `records`, held against `position`, which was asked for, against `logEnd`, which the
 * broker named, and against each other: a batch's checksum doesn't cover its offset, and a wrong one would skip records.
 *
 * @throws CorruptBatchError when the first one says of itself what can't be. One after others ends what can be read: the
 * next fetch begins with it.
 */
export function measureRecords(records: Uint8Array, position: number, logEnd = Infinity): Measured {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let next = position, at = 0, before = -1, neededByteLength = 0, leaderEpoch = -1;
  let prior = { next, byteLength: at, leaderEpoch };
  while (at + LOG_OVERHEAD <= records.length) {
    const first = Number(view.getBigInt64(at)), length = view.getInt32(at + 8), byteLength = LOG_OVERHEAD + length;
    const isSized = length >= LEAST_LENGTH && length <= MOST_LENGTH;
    if (isSized && at + byteLength > records.length) {
      neededByteLength = byteLength;
      break;
    }
    const isBatch = isSized && view.getInt8(at + MAGIC_OFFSET) >= 2 && byteLength >= BATCH_HEADER_BYTE_LENGTH;
    const last = first + (isBatch ? view.getInt32(at + 23) : 0);
    const problem = isSized ? misplaced({ first, last, before, next, position, logEnd }) : `its length is ${length}`;
    if (problem !== null) {
      const sound = first > before ? { next, byteLength: at, leaderEpoch } : prior; // of two that overlap, either may be the wrong one
      if (sound.next > position) return { ...sound, neededByteLength: 0 };
      throw new CorruptBatchError(first, new RangeError(problem), last >= logEnd);
    }
    prior = { next, byteLength: at, leaderEpoch };
    leaderEpoch = isBatch ? view.getInt32(at + LOG_OVERHEAD) : -1;
    next = Math.max(next, last + 1);
    before = last;
    at += byteLength;
  }
  if (next === position && neededByteLength === 0 && before >= 0) {
    throw new CorruptBatchError(before, new RangeError(`it came for offset ${position}`));
  }
  return { next, byteLength: at, neededByteLength, leaderEpoch };
}

/** Why a batch can't be where it is; null when it can. Brokers may send batches before the one that was asked for. */
function misplaced(
  { first, last, before, next, position, logEnd }: Record<
    "first" | "last" | "before" | "next" | "position" | "logEnd",
    number
  >,
): string | null {
  if (last > Number.MAX_SAFE_INTEGER) return `its offset ${last} is beyond 2^53: no exact position can be kept of it`;
  if (first <= before) return `the one before it ends with offset ${before}`;
  if (last >= logEnd) return `it ends with offset ${last}, but the partition before ${logEnd}`;
  const isSkipped = before >= 0 && next === position && first > position;
  return isSkipped ? `offset ${position} was asked for, and the one before it ends with ${before}` : null;
}

export class ChunkReader {
  /**
   * The next offset to deliver; everything before it is in some batch, or was left out on purpose. May pass the end when
   * nothing is left in between.
   */
  position: number;
  readonly counts: ChunkCounts = { tombstones: 0, controlBatches: 0, abortedRecords: 0 };
  readonly #end: number;
  readonly #records: Uint8Array;
  readonly #byteLength: number;
  readonly #view: DataView;
  readonly #aborted: AbortedTransaction[];
  /** Producers in the middle of a transaction that was aborted later. */
  readonly #abortedProducers = new Set<bigint>();
  readonly #fields: RecordFields = newRecordFields();
  #at = 0;
  #open: OpenBatch | null = null;
  #old: OldMessage[] = [];
  /** The first of them that wasn't delivered. */
  #oldAt = 0;

  /**
   * The records and the buffer that they lie in are the reader's from here on. `aborted` is what the broker said for
   * read_committed; empty otherwise. Nothing from `end` on is delivered.
   */
  constructor(records: Uint8Array, position: number, aborted: readonly AbortedTransaction[], end = Infinity) {
    this.#end = end;
    this.#records = records;
    this.#byteLength = records.length;
    this.#view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    this.position = position;
    this.#aborted = [...aborted].sort((a, b) => a.firstOffset < b.firstOffset ? -1 : 1);
  }

  /** True when nothing more comes of this chunk. */
  get done(): boolean {
    return this.position >= this.#end ||
      this.#open === null && this.#oldAt === this.#old.length && !this.#hasWholeBatch();
  }

  /**
   * Appends rows until the builder is full or the chunk is done; moves `position`.
   *
   * @throws CorruptBatchError; the rows before it have been appended.
   */
  read(builder: BatchBuilder): void {
    while (this.position < this.#end) {
      if (this.#oldAt < this.#old.length && !this.#readOld(builder)) return;
      if (this.#open !== null && !this.#readOpen(builder, this.#open)) return;
      if (!this.#hasWholeBatch()) return;
      if (builder.rowCount > 0 && !builder.fits(1)) return;
      this.#openNext(builder);
    }
  }

  /** Gives the memory back; nothing can be read any more. */
  release(): void {
    this.#closeBatch();
    this.#setOld([]);
    release(this.#records);
  }

  #hasWholeBatch(): boolean {
    const rest = this.#byteLength - this.#at; // of the bytes that were there: released ones must fail, not be none
    if (rest < LOG_OVERHEAD + 5) return false;
    const byteLength = LOG_OVERHEAD + this.#view.getInt32(this.#at + 8);
    return byteLength <= rest;
  }

  #openNext(builder: BatchBuilder): void {
    const start = this.#at;
    const offset = Number(this.#view.getBigInt64(start));
    const byteLength = LOG_OVERHEAD + this.#view.getInt32(start + 8);
    try {
      if (byteLength < LOG_OVERHEAD + LEAST_LENGTH) throw new RangeError(`its length is ${byteLength - LOG_OVERHEAD}`);
      const magic = this.#view.getInt8(start + MAGIC_OFFSET);
      if (magic < 2) this.#setOld(readOldMessage(this.#records, start, start + byteLength));
      else if (magic === 2) this.#openBatch(start, byteLength, builder);
      else throw new RangeError(`its format (magic ${magic}) is unknown`);
    } catch (error) {
      throw new CorruptBatchError(offset, error);
    }
    this.#at = start + byteLength;
  }

  #openBatch(start: number, byteLength: number, builder: BatchBuilder): void {
    if (byteLength < BATCH_HEADER_BYTE_LENGTH) throw new RangeError(`it has only ${byteLength} bytes`);
    const header = readBatchHeader(this.#view, start), end = start + byteLength;
    if (header.lastOffset < this.position) return; // read before; the broker always sends whole batches
    if (header.baseOffset >= this.#end) return void this.#stop();
    const crc = crc32c(this.#records, start + 21, end);
    if (crc !== header.crc) {
      throw new RangeError(`its checksum is ${crc.toString(16)}, it should be ${header.crc.toString(16)}`);
    }
    // Compaction may take all records of a batch and keep it for its producer's sake, control batches too.
    if (this.#leaveOut(header, start, end) || header.recordCount === 0) {
      this.position = header.lastOffset + 1;
      return;
    }
    const data = decompress(header.codec, this.#records.subarray(start + BATCH_HEADER_BYTE_LENGTH, end));
    this.#open = { header, data, at: 0, remaining: header.recordCount };
    builder.expect(header.recordCount, data.length);
  }

  /** Control batches, and those of aborted transactions. */
  #leaveOut(header: BatchHeader, start: number, end: number): boolean {
    while (this.#aborted.length > 0 && this.#aborted[0].firstOffset <= BigInt(header.lastOffset)) {
      this.#abortedProducers.add(this.#aborted.shift()!.producerId);
    }
    if (header.control) {
      this.counts.controlBatches++;
      if (header.recordCount > 0 && isAbortMarker(this.#records.subarray(start + BATCH_HEADER_BYTE_LENGTH, end))) {
        this.#abortedProducers.delete(header.producerId);
      }
      return true;
    }
    if (!header.transactional || !this.#abortedProducers.has(header.producerId)) return false;
    this.counts.abortedRecords += header.recordCount;
    return true;
  }

  /** @returns false when the builder is full. */
  #readOpen(builder: BatchBuilder, batch: OpenBatch): boolean {
    const { header, data } = batch, fields = this.#fields, end = this.#end;
    const { baseOffset, baseTimestamp, logAppendTime } = header;
    try {
      while (batch.remaining > 0) {
        readRecord(data, batch.at, fields);
        const offset = baseOffset + fields.offsetDelta;
        if (offset >= end) return this.#stop();
        if (offset >= this.position) {
          const { valueStart, valueByteLength } = fields, byteLength = valueByteLength > 0 ? valueByteLength : 0;
          if (!builder.fits(byteLength)) return false;
          if (valueByteLength < 0) this.counts.tombstones++;
          if (builder.keys !== null || builder.headers !== null) this.#appendExtras(builder, data);
          builder.append(
            data,
            valueStart,
            valueStart + byteLength,
            logAppendTime ?? baseTimestamp + fields.timestampDelta,
            offset,
          );
          this.position = offset + 1;
        }
        batch.at = fields.end;
        batch.remaining--;
      }
      if (batch.at !== data.length) throw new RangeError(`${data.length - batch.at} bytes follow its last record`);
    } catch (error) {
      throw new CorruptBatchError(baseOffset, error);
    }
    this.position = header.lastOffset + 1; // compaction may have taken the last records
    this.#closeBatch();
    return true;
  }

  /** The end was reached. */
  #stop(): true {
    this.position = this.#end;
    this.#closeBatch();
    this.#setOld([]);
    return true;
  }

  #closeBatch(): void {
    const { header, data } = this.#open ?? {};
    this.#open = null;
    if (data !== undefined && header?.codec !== 0) releaseIfAlone(data);
  }

  #appendExtras(builder: BatchBuilder, data: Uint8Array): void {
    const { keyStart, keyByteLength } = this.#fields;
    builder.keys?.append(keyByteLength < 0 ? null : data.subarray(keyStart, keyStart + keyByteLength));
    if (builder.headers !== null) {
      const headers = readHeaders(data, this.#fields);
      builder.headers.append(headers === null ? null : utf8.encode(headers));
    }
  }

  #readOld(builder: BatchBuilder): boolean {
    while (this.#oldAt < this.#old.length) {
      const { offset, timestamp, key, value } = this.#old[this.#oldAt];
      if (offset >= this.#end) return this.#stop();
      if (offset >= this.position) {
        if (!builder.fits(value?.length ?? 0)) return false;
        if (value === null) this.counts.tombstones++;
        builder.keys?.append(key);
        builder.headers?.append(null);
        builder.append(value ?? this.#records, 0, value?.length ?? 0, timestamp, offset);
        this.position = offset + 1;
      }
      this.#oldAt++;
    }
    return true;
  }

  #setOld(messages: OldMessage[]): void {
    this.#old = messages;
    this.#oldAt = 0;
  }
}

/** A control record's key is its version and type, both INT16; type 0 aborts, 1 commits. */
function isAbortMarker(data: Uint8Array): boolean {
  const fields = newRecordFields();
  readRecord(data, 0, fields);
  return fields.keyByteLength >= 4 && data[fields.keyStart + 2] === 0 && data[fields.keyStart + 3] === 0;
}
