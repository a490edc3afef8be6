/**
 * Sources: where records come from. This file is the interface that the loop reads, range_source.ts the one of bounded jobs; each
 * source is a file here with a folder of the same name, and a line of registry.ts.
 */
import type { PollLimit, RecordBatch } from "../records/record_batch.ts";
import type { Diversion, DivertedRecords } from "../records/diversion.ts";
import type { Epoch, Position, SplitId } from "../records/position.ts";
import type { FileStore } from "../records/bulk_parts.ts";
import type { CheckResult } from "../runtime/check_result.ts";
import type { OptionGroup } from "../config/section.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RangeSource } from "./range_source.ts";

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

/** What a source is told besides its own options. */
export interface SourceContext {
  readonly runtime: Runtime;
  /** Whether anybody will look at `keys` and `headers` of a batch. */
  readonly wants: { readonly keys: boolean; readonly headers: boolean };
  /**
   * More bytes of a record's value nobody needs: a source may cut longer ones off at one byte more, and says how long they were
   * (`RecordBatch.cutRows`).
   */
  readonly maxRecordByteLength: number;
  /** Where rows go; absent when nothing is written. */
  readonly target?: TargetFacts;
}

/** What a source may want to know of the target. */
export interface TargetFacts {
  /** For people, and to see that it has changed: "s3 s3://events/raw". Holds no secret. */
  readonly place: string;
  /** Local directories that this process writes to. */
  readonly directories: readonly string[];
  /** Whether this is a trial: what is read counts as unread, and nothing that says otherwise may be written. */
  readonly trial: boolean;
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
export interface SourceComponent<Config> extends OptionGroup<Config> {
  create(config: Config, context: SourceContext): Source;
  /** Tries what a run would need, without reading data or taking ownership. */
  check(config: Config, context: SourceContext, signal: AbortSignal): Promise<CheckResult[]>;
  /**
   * The parts that are flushed apart from each other, the main one first; together they read what `create`'s would. Null
   * or absent: there is nothing to keep apart.
   */
  parts?(config: Config): readonly SourcePart[] | null;
  /** Whether everything that is there is a range, so that a replay need not say one. */
  readonly finite?: boolean;
  /** The same source, read by ranges; absent when nothing of it can be read again. */
  ranges?(config: Config, context: SourceContext): RangeSource;
  /** Where the files are that records name (the original's bulk files); null or absent when there is no such place. */
  files?(config: Config, runtime: Runtime): FileStore | null;
  /**
   * Up to where the live collector has committed each split, "0" where nothing is committed yet; absent when nobody else
   * can know. Takes no ownership.
   */
  committed?(config: Config, context: SourceContext, signal: AbortSignal): Promise<ReadonlyMap<SplitId, Position>>;
}
