/**
 * Records: the words of the flow, which sources, pipeline, targets and audits share. What a batch of records is, where it stands
 * (position.ts), which part of a log a job reads (range.ts), what is written and committed as a whole (flush_unit.ts), and why a
 * record can't become a row (rejection.ts).
 */
import { RANGE_EPOCH } from "./range.ts";
import type { Gap } from "./gap.ts";
import type { Epoch, Position, SplitId } from "./position.ts";

/** Byte strings of a batch, one a row: row i is `bytes[offsets[i], offsets[i + 1])`. */
export interface BytesColumn {
  readonly bytes: Uint8Array;
  /** Length rowCount + 1. */
  readonly offsets: Uint32Array;
  /** Bit i (least significant first) is set when row i has none. Null when every row has one. */
  readonly nulls: Uint8Array | null;
}

/**
 * Records of one split, covering every position in [start, next), in one buffer. It may hold no rows: control records
 * and filtered ranges still move the position. Records that can't be had are never passed over like that: see `gap`. The arrays are handed over with it (transferred to a worker): their
 * buffers belong to this batch alone.
 */
export interface RecordBatch {
  readonly split: SplitId;
  readonly epoch: Epoch;
  readonly start: Position;
  readonly next: Position;
  readonly rowCount: number;
  /** The records' values. Row i is `bytes[offsets[i], offsets[i + 1])`. */
  readonly bytes: Uint8Array;
  /** Length rowCount + 1. */
  readonly offsets: Uint32Array;
  /** When the source received each record, epoch ms; NaN when it doesn't know. Length rowCount. */
  readonly timestamps: Float64Array;
  /** Where each record is. Length rowCount. Numbers where they fit 64 bits, else text in the form of Position. */
  readonly positions: BigInt64Array | BytesColumn;
  /** The records' keys, null when the source has none or nobody asked for them. */
  readonly keys: BytesColumn | null;
  /** The records' headers, each a JSON object's text; null when the source has none or nobody asked for them. */
  readonly headers: BytesColumn | null;
  /** Avro: the schema (its JSON text) that all records were written with; absent when they say so themselves. */
  readonly writerSchema?: string;
  /**
   * Avro: each record is a block of an object container file, [count, size, contents] as they stand in the file, whose
   * contents are compressed with this codec; `writerSchema` is set too. A block may have more bytes than a record.
   */
  readonly blockCodec?: string;
  /** Files that records of the batch name (the original's bulk files); absent when there are none. */
  readonly files?: readonly RecordFile[];
  /** How many bytes the values had of which only the beginning is here, by row; absent mostly. */
  readonly cutRows?: ReadonlyMap<number, number>;
  /** The split that the records were first read from, where that is another: they are dead letters that get another try. */
  readonly origin?: SplitId;
  /** From a source with `cutsUnits`: what ends with this batch. */
  readonly cut?: Cut;
  /** What of [start, next) is lost, before all rows of the batch; absent mostly. Stands in the manifest. */
  readonly gap?: Gap;
  /**
   * Which log of this name it is from, where one may take another's place: two clusters, or a topic made anew. Part of what
   * units are named by. Absent where the split's name and positions say it.
   */
  readonly log?: string;
}

/** The split that the records come from: their topic or stream, and the partition or shard. */
export function originOf({ split, origin }: Pick<RecordBatch, "split" | "origin">): SplitId {
  return origin ?? split;
}

/** A block's rows are decoded and compressed together; a unit is some blocks, stored and committed together. */
export type Cut = "block" | "unit";

/** A file that a record names, read before the batch was handed to a worker. */
export interface RecordFile {
  readonly key: string;
  /** Null when there is none, or it is too large. */
  readonly bytes: Uint8Array | null;
}

/** The place of a record of a batch, as text. */
export function positionText({ positions }: RecordBatch, index: number): string {
  if (positions instanceof BigInt64Array) return String(positions[index]);
  return new TextDecoder().decode(positions.bytes.subarray(positions.offsets[index], positions.offsets[index + 1]));
}

/** A batch without rows: it only moves the position. */
export function emptyBatch(split: string, start: Position, next: Position): RecordBatch {
  return {
    split,
    epoch: RANGE_EPOCH,
    start,
    next,
    rowCount: 0,
    bytes: new Uint8Array(0),
    offsets: new Uint32Array(1),
    timestamps: new Float64Array(0),
    positions: new BigInt64Array(0),
    keys: null,
    headers: null,
  };
}

/**
 * The batch with which a source tells of a gap: without rows, where the gap is in the order of the split's batches.
 *
 * @param next where the split is read on; before the gap's end when what is gone may come back (a file).
 */
export function gapBatch(
  { split, epoch }: Pick<RecordBatch, "split" | "epoch">,
  gap: Gap,
  next: Position = gap.next,
): RecordBatch {
  return { ...emptyBatch(split, gap.start, next), epoch, gap };
}

/** What a poll may return at the most. One record larger than maxBytes still comes, alone. */
export interface PollLimit {
  readonly maxBytes: number;
  readonly maxRows: number;
}
