/**
 * The pipeline: record batches go out to workers (dispatcher.ts), which decode, encode and compress them; pieces come back and
 * are gathered in units (unit.ts).
 *
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
import type { DeadLetterPiece, EncodedPiece } from "../encode/piece.ts";
import type { OddTimes } from "../decode/event_times.ts";
import type { RejectedSample } from "../records/rejected_sample.ts";
import type { SplitCounts } from "../records/split_counts.ts";
import type { Page } from "../columnar/page.ts";
import type { SchemaUpdate } from "../avro/known_schema.ts";
import type { DivertedRecords } from "../records/diversion.ts";
import type { RecordBatch } from "../records/record_batch.ts";

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

export interface SealedOutput {
  /** For object targets; empty for page targets. */
  readonly pieces: readonly EncodedPiece[];
  /** For page targets; empty for object targets. */
  readonly pages: readonly Page[];
  /** Bytes that the pages' arrays hold. */
  readonly pageByteLength: number;
  readonly deadLetters: DeadLetterPiece | null;
  /** Some of the records that can't be decoded, for people; absent mostly. */
  readonly rejected?: readonly RejectedSample[];
  /** Tables whose rows have odd event times, or none; absent mostly. */
  readonly oddTimes?: readonly OddTimes[];
  /** Records that go back to the source; absent when there are none. */
  readonly diverted?: DivertedRecords;
  readonly counts: readonly SplitCounts[];
  /** ms of the worker's CPU spent on each stage since the last seal. */
  readonly stageMs: { readonly decode: number; readonly encode: number; readonly compress: number };
}
