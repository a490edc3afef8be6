/** What one read of a shard gave, as rows in plain arrays, waiting to become batches. */
import {
  type BytesColumn,
  emptyBatch,
  gapBatch,
  type PollLimit,
  type RecordBatch,
} from "../../../records/record_batch.ts";
import type { Gap } from "../../../records/gap.ts";
import type { Epoch, Position, SplitId } from "../../../records/position.ts";
import { readAggregate } from "./aggregate.ts";
import { compareDecimals, END_POSITION, recordAt } from "../leases/checkpoint.ts";
import type { StreamRecord } from "../aws/kinesis_api.ts";

export interface ChunkOptions {
  readonly wantsKeys: boolean;
  /** Longer values are cut to one byte more than this. */
  readonly maxRecordByteLength: number;
  /** Rows before this place are left out. */
  readonly from: Position;
  /** Whether records between that place and the first one here may have left the stream. */
  readonly behindGap?: boolean;
}

const encoder = new TextEncoder();

/** The rows of one read. Values are views of what the client decoded, copied once, into a batch. */
export class RecordChunk {
  readonly #records: readonly StreamRecord[];
  /** Row i is `data[starts[i], ends[i])` of record `recordOf[i]`. */
  readonly #recordOf: number[] = [];
  readonly #subOf: number[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Bytes of the values that were cut, by row. */
  readonly #cutRows = new Map<number, number>();
  /** The row's partition key: a place in its record, or -1 for the record's own. Empty when nobody wants keys. */
  readonly #keyStarts: number[] = [];
  readonly #keyEnds: number[] = [];
  readonly #wantsKeys: boolean;
  /** Where the rows end; the same as before when there are no records. */
  readonly #next: Position | undefined;
  #row = 0;
  #behindGap: boolean;
  /** Bytes of all values. */
  readonly byteLength: number;
  /** Aggregates, and user records in them, that can't be read. */
  readonly brokenCount: number;
  readonly lastSequence: string | undefined;
  /** How many user records the last record has (1 when plain). */
  readonly lastRowCount: number = 1;

  constructor(records: readonly StreamRecord[], { wantsKeys, maxRecordByteLength, from, behindGap }: ChunkOptions) {
    this.#records = records;
    this.#behindGap = behindGap ?? false;
    this.#wantsKeys = wantsKeys;
    let byteLength = 0, broken = 0;
    const place = recordAt(from);
    for (let i = 0; i < records.length; i++) {
      const { data, sequence } = records[i];
      byteLength += data.length;
      // At the place where reading went on, what is known already comes once more.
      let skipTo = 0;
      if (place !== undefined) {
        const order = compareDecimals(sequence, place.sequence);
        skipTo = order > 0 ? 0 : order < 0 ? Infinity : place.sub;
      }
      const aggregate = readAggregate(data);
      if (aggregate === null || aggregate === "broken") {
        if (aggregate === "broken") broken++;
        this.lastRowCount = 1;
        if (skipTo === 0) this.#add(i, { sub: 0, start: 0, end: data.length, maxRecordByteLength });
        continue;
      }
      const { starts, ends, keyIndexes, keyStarts, keyEnds } = aggregate;
      broken += aggregate.broken;
      this.lastRowCount = Math.max(1, starts.length);
      for (let sub = skipTo; sub < starts.length; sub++) {
        const keyIndex = keyIndexes[sub];
        this.#add(i, { sub, start: starts[sub], end: ends[sub], maxRecordByteLength });
        if (!wantsKeys || !(keyIndex >= 0 && keyIndex < keyStarts.length)) continue;
        this.#keyStarts[this.#keyStarts.length - 1] = keyStarts[keyIndex];
        this.#keyEnds[this.#keyEnds.length - 1] = keyEnds[keyIndex];
      }
    }
    this.byteLength = byteLength;
    this.brokenCount = broken;
    this.lastSequence = records.at(-1)?.sequence;
    this.#next = this.lastSequence === undefined ? undefined : `${this.lastSequence}:${this.lastRowCount}`;
    // A checkpoint past the aggregate's end stays there.
    if (place !== undefined && place.sequence === this.lastSequence && place.sub > this.lastRowCount) this.#next = from;
  }

  get rowCount(): number {
    return this.#starts.length;
  }

  /** Rows that were not taken yet. */
  get left(): number {
    return this.#starts.length - this.#row;
  }

  /** Where reading goes on after this chunk. */
  get next(): Position | undefined {
    return this.#next;
  }

  /** The next rows, within the limit, from `start` on. Call while rows are left, or once when there never were any. */
  take(place: { split: SplitId; epoch: Epoch; start: Position }, { maxBytes, maxRows }: PollLimit): RecordBatch {
    const behindGap = this.#behindGap;
    this.#behindGap = false;
    const first = this.#row;
    let last = first, byteLength = 0;
    for (; last < this.#starts.length && last - first < maxRows; last++) {
      const length = this.#ends[last] - this.#starts[last];
      if (last > first && byteLength + length > maxBytes) break;
      byteLength += length;
    }
    this.#row = last;
    const rowCount = last - first;
    const bytes = new Uint8Array(byteLength), offsets = new Uint32Array(rowCount + 1);
    const timestamps = new Float64Array(rowCount);
    for (let row = first, at = 0; row < last; row++) {
      const record = this.#records[this.#recordOf[row]];
      bytes.set(record.data.subarray(this.#starts[row], this.#ends[row]), at);
      at += this.#ends[row] - this.#starts[row];
      offsets[row - first + 1] = at;
      timestamps[row - first] = record.arrivalMs;
    }
    return {
      ...place,
      next: last === this.#starts.length ? this.#next ?? place.start : this.#positionAfter(last - 1),
      rowCount,
      bytes,
      offsets,
      timestamps,
      positions: this.#positions(first, last),
      keys: this.#wantsKeys ? this.#keys(first, last) : null,
      headers: null,
      // No checkpoint can stand between the gap and the first record.
      ...(this.#cutRows.size > 0 && { cutRows: this.#cutBetween(first, last) }),
      ...(behindGap && { gap: this.#gapBefore(place.start) }),
    };
  }

  #cutBetween(first: number, last: number): Map<number, number> {
    const cut = [...this.#cutRows].filter(([row]) => first <= row && row < last);
    return new Map(cut.map(([row, byteLength]) => [row - first, byteLength]));
  }

  #gapBefore(start: Position): Gap {
    return { reason: "expired", start, next: `${this.#records[0].sequence}:0`, records: null };
  }

  #add(
    record: number,
    { sub, start, end, maxRecordByteLength }: { sub: number; start: number; end: number; maxRecordByteLength: number },
  ): void {
    const cutEnd = Math.min(end, start + maxRecordByteLength + 1);
    if (cutEnd < end) this.#cutRows.set(this.#starts.length, end - start);
    this.#recordOf.push(record);
    this.#subOf.push(sub);
    this.#starts.push(start);
    this.#ends.push(cutEnd);
    if (!this.#wantsKeys) return;
    this.#keyStarts.push(-1);
    this.#keyEnds.push(-1);
  }

  #positionAfter(row: number): Position {
    return `${this.#records[this.#recordOf[row]].sequence}:${this.#subOf[row] + 1}`;
  }

  /** "sequence:sub" of each row, as text: they don't fit 64 bits. */
  #positions(first: number, last: number): BytesColumn {
    let byteLength = 0;
    for (let row = first; row < last; row++) {
      byteLength += this.#records[this.#recordOf[row]].sequence.length + 1 + digitCount(this.#subOf[row]);
    }
    const bytes = new Uint8Array(byteLength), offsets = new Uint32Array(last - first + 1);
    let at = 0;
    for (let row = first; row < last; row++) {
      const text = `${this.#records[this.#recordOf[row]].sequence}:${this.#subOf[row]}`;
      for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
      offsets[row - first + 1] = at;
    }
    return { bytes, offsets, nulls: null };
  }

  #keys(first: number, last: number): BytesColumn {
    const keys: Uint8Array[] = [];
    let byteLength = 0;
    for (let row = first; row < last; row++) {
      const { data, partitionKey } = this.#records[this.#recordOf[row]];
      const start = this.#keyStarts[row];
      const key = start < 0 ? encoder.encode(partitionKey) : data.subarray(start, this.#keyEnds[row]);
      keys.push(key);
      byteLength += key.length;
    }
    const bytes = new Uint8Array(byteLength), offsets = new Uint32Array(keys.length + 1);
    for (let i = 0; i < keys.length; i++) {
      bytes.set(keys[i], offsets[i]);
      offsets[i + 1] = offsets[i] + keys[i].length;
    }
    return { bytes, offsets, nulls: null };
  }
}

/** The empty batch that brings a shard to its end; when that has left the stream before it was read, a gap. */
export function endBatch(
  place: { split: SplitId; epoch: Epoch; start: Position },
  { gone }: { gone: boolean },
): RecordBatch {
  const { split, epoch, start } = place;
  if (gone) return gapBatch(place, { reason: "expired", start, next: END_POSITION, records: null });
  return { ...emptyBatch(split, start, END_POSITION), epoch };
}

function digitCount(value: number): number {
  let count = 1;
  for (; value >= 10; value = Math.floor(value / 10)) count++;
  return count;
}
