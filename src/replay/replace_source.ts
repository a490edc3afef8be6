import { withAbort } from "../runtime/abort.ts";
import { FatalError } from "../runtime/errors.ts";
import { sliceBatch } from "../records/bulk_parts.ts";
import { comparePositions, type Epoch, type Position, type SplitId } from "../records/position.ts";
import { emptyBatch, type PollLimit, positionText, type RecordBatch } from "../records/record_batch.ts";
import type { PlannedSplit } from "../records/range.ts";
import type { RangeSource } from "../source/range_source.ts";
import type { Source, SourceHandler } from "../source/source.ts";

/** A unit as its manifest has it. */
export interface StoredUnit {
  readonly name: string;
  /** Sorted by split, one a split. */
  readonly ranges: readonly StoredRange[];
}

interface StoredRange {
  readonly split: SplitId;
  readonly start: Position;
  readonly next: Position;
  /** As in RecordBatch; absent where the manifest has none. */
  readonly log?: string;
}

export interface ReplaceSourceOptions {
  /** In the order in which they are written. */
  readonly units: readonly StoredUnit[];
  /** What the source knows of each split, whatever range that is. */
  readonly known: ReadonlyMap<SplitId, PlannedSplit>;
  /** A reader of its own for each range: few are open at a time, however many ranges a unit has. */
  ranges(): RangeSource;
}

/**
 * Reads units once more, range by range, cut where they were: the loop writes them under the names that they have. One after
 * the other; what can't be read whole isn't written.
 */
export class ReplaceSource implements Source {
  readonly cutsUnits = true;
  readonly #options: ReplaceSourceOptions;
  #handler: SourceHandler | null = null;
  /** The unit that is read or written, its epoch less one. */
  #unit = -1;
  #range = 0;
  #position: Position | null = null;
  #reader: RangeSource | null = null;
  /** Of the unit: ranges that aren't durable. */
  #waiting = new Set<SplitId>();
  #durable = Promise.withResolvers<void>();

  constructor(options: ReplaceSourceOptions) {
    this.#options = options;
  }

  open(handler: SourceHandler): Promise<void> {
    this.#handler = handler;
    this.#durable.resolve();
    return Promise.resolve();
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const { units } = this.#options;
    if (this.#unit < 0 || this.#range === units[this.#unit].ranges.length) {
      await withAbort(this.#durable.promise, signal); // a split has one epoch at a time
      if (this.#unit + 1 === units.length) return "end";
      await this.#beginUnit(++this.#unit);
    }
    const { ranges } = units[this.#unit], range = ranges[this.#range];
    const read = await this.#read({ ...range, start: this.#position ?? range.start }, limit, signal);
    const batch = this.#sameLog(read, range);
    this.#position = batch.next;
    if (comparePositions(batch.next, range.next) < 0) return batch;
    await this.#endRange();
    return this.#range < ranges.length ? batch : { ...batch, cut: "unit" };
  }

  pause(): void {}

  resume(): void {}

  commit(split: SplitId): Promise<void> {
    this.#waiting.delete(split);
    if (this.#waiting.size === 0) this.#durable.resolve();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#reader?.close();
  }

  get #epoch(): Epoch {
    return BigInt(this.#unit + 1);
  }

  async #beginUnit(index: number): Promise<void> {
    const { units, known } = this.#options;
    const { name, ranges } = units[index];
    const gone = ranges.find(({ split, start }) => {
      const now = known.get(split);
      return now === undefined || comparePositions(now.start, start) > 0;
    });
    if (gone !== undefined) {
      throw new FatalError(`${gone.split} from ${gone.start} on is no longer there, so unit ${name} stays as it is`);
    }
    this.#range = 0;
    this.#waiting = new Set(ranges.map(({ split }) => split));
    this.#durable = Promise.withResolvers();
    for (const { split, start } of ranges) {
      await this.#handler!.assigned(split, this.#epoch, start, { committed: true });
    }
  }

  async #endRange(): Promise<void> {
    await this.#reader?.close();
    this.#reader = null;
    this.#position = null;
    this.#range++;
  }

  /** The batch under the name of the log that the manifest has, if it has one: it is part of the unit's name. */
  #sameLog({ log: found, ...batch }: RecordBatch, { split, log }: StoredRange): RecordBatch {
    if (log === undefined) return batch;
    if (batch.rowCount === 0 || found === log) return { ...batch, log };
    throw new FatalError(`${split} is another log now (${found}) than the one that was read (${log})`);
  }

  /** The next records of the range, none beyond it. */
  async #read(range: StoredRange, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch> {
    const { split, start, next } = range, epoch = this.#epoch;
    const batch = comparePositions(start, next) < 0
      ? await (await this.#opened(range, signal)).read(split, limit, signal)
      : "end";
    // Nothing more comes: the last positions of the range had no records.
    if (batch === "end") return { ...emptyBatch(split, start, next), epoch };
    if (comparePositions(batch.next, next) <= 0) return { ...batch, epoch };
    let row = 0;
    while (row < batch.rowCount && comparePositions(positionText(batch, row), next) < 0) row++;
    return { ...sliceBatch(batch, 0, row), next, epoch };
  }

  async #opened({ split, start, next }: StoredRange, signal: AbortSignal): Promise<RangeSource> {
    if (this.#reader !== null) return this.#reader;
    const now = this.#options.known.get(split)!;
    const planned: PlannedSplit = { ...now, start, end: now.end === null ? null : next, after: [] };
    this.#reader = this.#options.ranges();
    await this.#reader.open([planned], signal);
    this.#reader.begin(planned, start);
    return this.#reader;
  }
}
