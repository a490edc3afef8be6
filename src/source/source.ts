import type { OptionSpecs } from "../config/option.ts";
import type { ConfigProblem } from "../runtime/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RangeSource } from "./range_source.ts";

/** One ordered part of a source: "topic/3", "stream/shardId-000000000001", "events.ndjson/5f2c81d09a3b". */
export type SplitId = string;

/**
 * A place in a split, as text: decimal numbers joined by ":" ("1042" for an offset, "4957...:3" for a sequence number
 * and its sub-sequence number). Always the place of the next record to read, unless said otherwise.
 */
export type Position = string;

/** Who owned the split when something was read: the group's generation, the lease's counter. Grows. */
export type Epoch = bigint;

/** -1, 0 or 1 as `a` is before, at or after `b` in their split. Missing later parts count as 0. */
export function comparePositions(a: Position, b: Position): number {
  const left = a.split(":"), right = b.split(":");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = BigInt(left[i] ?? 0), y = BigInt(right[i] ?? 0);
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/** What a split belongs to: the topic, the stream, the file. It names the table of plain records. */
export function splitParent(split: SplitId): string {
  return split.slice(0, split.lastIndexOf("/"));
}

/** The part's own name: the partition number, the shard id. */
export function splitPart(split: SplitId): string {
  return split.slice(split.lastIndexOf("/") + 1);
}

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
 * and filtered ranges still move the position. The arrays are handed over with it (transferred to a worker): their
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
  /** The split that the records were first read from, where that is another: they are dead letters that get another try. */
  readonly origin?: SplitId;
  /** From a source with `cutsUnits`: what ends with this batch. */
  readonly cut?: Cut;
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

/** Records that the source takes back instead of rows: those whose event day (UTC) is outside of a window of days. */
export interface Diversion {
  /** A record is diverted when its event day is before today minus this many days, or after today. */
  readonly outdatedDayIndex: number;
  /** The parent of splits whose records are never diverted: there they went. */
  readonly exemptParent: string;
}

/** Diverted records as they came. */
export interface DivertedRecords {
  readonly rowCount: number;
  readonly values: BytesColumn;
  readonly keys: BytesColumn;
  /** As in a RecordBatch. */
  readonly headers: BytesColumn;
  /** Epoch ms; NaN where the source didn't know. Length rowCount. */
  readonly timestamps: Float64Array;
}

/** What a poll may return at the most. One record larger than maxBytes still comes, alone. */
export interface PollLimit {
  readonly maxBytes: number;
  readonly maxRows: number;
}

/** The interval that an earlier owner was about to write when it stopped (exactly-once); see `Source.prepare`. */
export interface Intent {
  readonly start: Position;
  readonly next: Position;
}

/** What the source tells the loop about ownership. The source calls these at once, also while nobody polls. */
export interface SourceHandler {
  /**
   * The split is ours from `start` on, in `epoch`. `committed` is false when it had no checkpoint and `start` was
   * resolved from the config: the loop then commits `start` before it polls the split's records any further, so that
   * "latest" can't move while nothing has been read. A source must not return records of a split before this resolves.
   */
  assigned(
    split: SplitId,
    epoch: Epoch,
    start: Position,
    options: { committed: boolean; intent?: Intent },
  ): Promise<void>;
  /**
   * The splits will be given up: the loop seals, flushes and commits what it has of them, and resolves; the source
   * returns no more of their records. After `deadlineMs` from now (monotonic) it resolves in any case, and what was not
   * committed is dropped.
   */
  revoking(splits: readonly SplitId[], deadlineMs: number): Promise<void>;
  /** The splits are gone already: nothing of them may be committed any more. */
  lost(splits: readonly SplitId[]): void;
}

/**
 * Where records come from. One loop calls it: `open` once, then `poll` one at a time, `commit` at any time, `close`
 * once, also after an error. Errors: RetriableError is for the source's own retries and never leaves it; what it throws
 * ends the process with exit code 1, once what it delivered before is written and committed.
 */
export interface Source {
  /**
   * True when the source decides with its batches' `cut`, and nothing else does, where units end and what is compressed
   * together: then the same records come out as the same objects, byte by byte, whenever they are read. The loop flushes
   * by no age or size of its own, holds the source back instead, and drops the open unit when it is stopped.
   */
  readonly cutsUnits?: boolean;
  /** Connects and starts to tell the handler what it owns. Resolves when polling can begin. */
  open(handler: SourceHandler, signal: AbortSignal): Promise<void>;
  /**
   * The next records of any split that is not paused, waiting for some; "end" when there are no more and never will be.
   * Rejects with the signal's reason as soon as it aborts; no records are lost by that: the next poll returns them.
   */
  poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end">;
  /** No more records of these splits until `resume`. Twice is safe; unknown splits are ignored. */
  pause(splits: readonly SplitId[]): void;
  /** Undoes `pause`. */
  resume(splits: readonly SplitId[]): void;
  /**
   * Records, fenced against older owners, that [start, next) is about to be written, so that whoever takes over writes
   * the same interval again under the same names. Only called in exactly-once mode; absent where the source can't.
   */
  prepare?(split: SplitId, epoch: Epoch, interval: Intent, signal: AbortSignal): Promise<void>;
  /**
   * Makes `next` the place where reading goes on after a restart; durable when resolved. The same or a later position
   * than before, in the epoch that the records were read in.
   *
   * @throws SplitLostError when the epoch is over: nothing was moved.
   */
  commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void>;
  /** Absent when every record is for the target. */
  readonly diversion?: Diversion;
  /**
   * Stores diverted records; durable when resolved, and only then are the positions of their unit committed. Called again
   * with the same records after a failure or in the next epoch: they may be stored twice. Present with `diversion`.
   */
  divert?(records: DivertedRecords, signal: AbortSignal): Promise<void>;
  /** Gives everything up and frees what it holds. Commits nothing. Twice is safe. */
  close(): Promise<void>;
}

/** What `collector check` prints: one line a finding. */
export interface CheckResult {
  readonly ok: boolean;
  /** What was tried: "bucket events exists". */
  readonly what: string;
  /** What came of it, and what to do when it failed. */
  readonly detail: string;
}

/** What a source is told besides its own options. */
export interface SourceContext {
  readonly runtime: Runtime;
  /** Whether anybody will look at `keys` and `headers` of a batch. */
  readonly wants: { readonly keys: boolean; readonly headers: boolean };
  /** A record's value may have at most this many bytes; a source may cut the rest off (row length maxRecordByteLength + 1). */
  readonly maxRecordByteLength: number;
}

/** A part of a source that has a loop of its own, beside those of the other parts, in one process. */
export interface SourcePart {
  /** For logs and metrics. */
  readonly name: string;
  /** When units of this part are flushed, in place of middleware.max-flush-*; absent where those count. */
  readonly flush?: { readonly maxAgeMs: number; readonly maxRecords: number };
  create(context: SourceContext): Source;
}

/** One line of the registry: the options a source reads, and how it is built from them. */
export interface SourceComponent<Config> {
  readonly doc: string;
  readonly options: OptionSpecs<Config>;
  /** Looks at several values together; only called when each is right by itself. Returns a problem for each thing wrong. */
  validate?(config: Config): readonly ConfigProblem[];
  create(config: Config, context: SourceContext): Source;
  /** Tries what a run would need, without reading data or taking ownership. */
  check(config: Config, context: SourceContext, signal: AbortSignal): Promise<CheckResult[]>;
  /**
   * The parts that are flushed apart from each other, the main one first; together they read what `create`'s would. Null
   * or absent: there is nothing to keep apart.
   */
  parts?(config: Config): readonly SourcePart[] | null;
  /** The same source, read by ranges; absent when nothing of it can be read again. */
  ranges?(config: Config, context: SourceContext): RangeSource;
  /**
   * Up to where the live collector has committed each split, "0" where nothing is committed yet; absent when nobody else
   * can know. Takes no ownership.
   */
  committed?(config: Config, context: SourceContext, signal: AbortSignal): Promise<ReadonlyMap<SplitId, Position>>;
}
