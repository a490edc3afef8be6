/**
 * What passes between the loop (main isolate) and a pipeline worker. Messages of one port arrive in order, once.
 *
 *     loop                                   worker
 *     batch(unit 7, ...)  ----------------->  decode into the page builders of unit 7
 *                         <-----------------  accepted (bytes it now holds)
 *     seal(unit 7, seal 12) --------------->  pages -> encode -> compress
 *                         <-----------------  sealed(unit 7, seal 12, output)
 *
 * Records of one split go to one worker until that worker's builders are sealed; then the split may go on in another
 * worker, whose seal has a higher number. So pieces sorted by seal hold every split's rows in order.
 */
import type { Page } from "../columnar/page.ts";
import type { SchemaUpdate } from "../avro/known_schema.ts";
import type { DivertedRecords, RecordBatch, SplitId } from "../source/source.ts";

/** Identifies a unit while it is in memory: 1, 2, 3 ... in the order in which units were opened. */
export type UnitId = number;

export type ToWorker =
  /** Schemas that batches from here on may need. Not answered. */
  | { readonly type: "schemas"; readonly update: SchemaUpdate }
  | { readonly type: "batch"; readonly unit: UnitId; readonly batch: RecordBatch }
  | { readonly type: "seal"; readonly unit: UnitId; readonly seal: number };

export type FromWorker =
  | {
    readonly type: "accepted";
    /** As the loop counted the batch when it sent it. */
    readonly batchByteLength: number;
    /** Memory that the worker holds in its builders now. */
    readonly bufferedByteLength: number;
    /** True when the builders are as full as they should get (rows, tables): seal them. */
    readonly wantsSeal: boolean;
  }
  | {
    readonly type: "sealed";
    readonly unit: UnitId;
    readonly seal: number;
    readonly bufferedByteLength: number;
    /** What the worker had to take out of its builders before, in order; absent or empty mostly. */
    readonly earlier?: readonly SealedOutput[];
    readonly output: SealedOutput;
  }
  | {
    /** The worker can't go on: a record that the config says to stop at, or a bug. Nothing more comes from it. */
    readonly type: "failed";
    readonly code: string;
    readonly message: string;
  };

/** Where rows go together: rows of one group stand in one object. */
export interface ObjectGroup {
  /** Empty when the objects' key has no {project}: rows of all projects stand in one object. */
  readonly project: string;
  /** Null when the objects' key has no {table}: all collections of a project stand in one object. */
  readonly collection: string | null;
  /** Start of the event hour, day, month or year, epoch ms, as fine as the key's placeholders; null when it has none. */
  readonly timeMs: number | null;
}

/** Encoded, compressed rows of one group: a part of an object's contents. */
export interface EncodedPiece {
  readonly group: ObjectGroup;
  /** Compressed: raw deflate up to a sync flush, a whole zstd frame, or the bytes themselves. */
  readonly bytes: Uint8Array;
  /** CRC-32 (IEEE) of the bytes before compression; 0 unless the compression is gzip. */
  readonly crc32: number;
  /** Bytes before compression. */
  readonly rawByteLength: number;
  readonly rowCount: number;
  /** Rows by table. */
  readonly tables: readonly { readonly project: string; readonly collection: string; readonly rowCount: number }[];
  /** Least and greatest event time of the rows, epoch ms; NaN when none has one. */
  readonly minEventTime: number;
  readonly maxEventTime: number;
}

/** Dead letters as NDJSON lines, compressed like a piece. */
export interface DeadLetterPiece {
  readonly bytes: Uint8Array;
  readonly crc32: number;
  readonly rawByteLength: number;
  readonly rowCount: number;
  /** Row counts by error code. */
  readonly codes: Readonly<Record<string, number>>;
}

/** What became of one split's records between two seals. */
export interface SplitCounts {
  readonly split: SplitId;
  /** Records in, and where they went: rows + deadLetters + sum(dropped) = records. */
  readonly records: number;
  readonly recordBytes: number;
  readonly rows: number;
  readonly deadLetters: number;
  /** Not for the target by a rule of the config, by reason: "empty", "collection", "dead-letter", "historical". */
  readonly dropped: Readonly<Record<string, number>>;
  /** Earliest and latest time at which the source received one of the records, rows or not, epoch ms; NaN when unknown. */
  readonly minTimestamp: number;
  readonly maxTimestamp: number;
}

/** Counts that are still growing. */
export type RunningCounts = { -readonly [K in keyof Omit<SplitCounts, "split" | "dropped">]: number } & {
  dropped: Record<string, number>;
};

export function newCounts(): RunningCounts {
  return {
    records: 0,
    recordBytes: 0,
    rows: 0,
    deadLetters: 0,
    dropped: {},
    minTimestamp: NaN,
    maxTimestamp: NaN,
  };
}

export interface SealedOutput {
  /** For object targets; empty for page targets. */
  readonly pieces: readonly EncodedPiece[];
  /** For page targets; empty for object targets. */
  readonly pages: readonly Page[];
  /** Bytes that the pages' arrays hold. */
  readonly pageByteLength: number;
  readonly deadLetters: DeadLetterPiece | null;
  /** Records that go back to the source; absent when there are none. */
  readonly diverted?: DivertedRecords;
  readonly counts: readonly SplitCounts[];
  /** ms of the worker's CPU spent on each stage since the last seal. */
  readonly stageMs: { readonly decode: number; readonly encode: number; readonly compress: number };
}
