/** A source of ranges in memory, whose batches are cut wherever a seeded random has them cut. */
import { InvariantError } from "../../../src/runtime/errors.ts";
import type { SeededRandom } from "../../../src/runtime/random.ts";
import { MAX_RANGES_AT_ONCE, type PlannedSplit, RANGE_EPOCH, type RangePlan } from "../../../src/records/range.ts";
import type { RangeSource } from "../../../src/source/range_source.ts";
import type { PollLimit, RecordBatch } from "../../../src/records/record_batch.ts";
import type { Position, SplitId } from "../../../src/records/position.ts";

/** What a split holds: the byte lengths of its records, or "gap" for positions without one. */
export type FakeRecords = readonly (number | "gap")[];

export interface FakeSplit {
  readonly split: SplitId;
  readonly records: FakeRecords;
  readonly after?: readonly SplitId[];
  /** Whether the plan leaves the end open. */
  readonly openEnd?: boolean;
}

export function fakePlan(splits: readonly FakeSplit[]): PlannedSplit[] {
  return splits.map(({ split, records, after = [], openEnd = false }) => ({
    split,
    start: "0",
    end: openEnd ? null : String(records.length),
    after,
    weight: records.length,
    details: {},
  }));
}

/** Positions are indexes. A position without a record comes alone, at a split's end too. */
export class FakeRanges implements RangeSource {
  readonly #splits: ReadonlyMap<SplitId, FakeSplit>;
  readonly #random: SeededRandom;
  readonly #positions = new Map<SplitId, number>();
  readonly #ended = new Set<SplitId>();
  readonly limits: PollLimit[] = [];
  /** Splits that `open` was told of. */
  opened: SplitId[] = [];
  /** In the order in which they were begun, with where. */
  readonly begun: [SplitId, Position][] = [];
  closed = 0;
  missing: () => readonly string[] = () => [];
  /** Called before each read. */
  onRead: (split: SplitId, signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  constructor(splits: readonly FakeSplit[], random: SeededRandom) {
    this.#splits = new Map(splits.map((split) => [split.split, split]));
    this.#random = random;
  }

  plan(): Promise<RangePlan> {
    return Promise.resolve({ splits: fakePlan([...this.#splits.values()]), weightUnit: "records", missing: [] });
  }

  open(splits: readonly PlannedSplit[]): Promise<void> {
    this.opened = splits.map(({ split }) => split);
    return Promise.resolve();
  }

  begin({ split }: PlannedSplit, position: Position): void {
    if (this.#positions.has(split)) throw new InvariantError(`${split} was begun twice`);
    if (!this.opened.includes(split)) throw new InvariantError(`${split} wasn't opened`);
    this.begun.push([split, position]);
    this.#positions.set(split, Number(position));
    const active = [...this.#positions.keys()].filter((other) => !this.#ended.has(other));
    if (active.length > MAX_RANGES_AT_ONCE) throw new InvariantError(`${active.length} are read at once`);
  }

  async read(split: SplitId, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    this.limits.push(limit);
    await this.onRead(split, signal);
    signal.throwIfAborted();
    const start = this.#positions.get(split);
    if (start === undefined) throw new InvariantError(`${split} wasn't begun`);
    const { records } = this.#splits.get(split)!;
    if (start === records.length) {
      this.#ended.add(split);
      return "end";
    }
    const next = this.#next(records, start, limit);
    this.#positions.set(split, next);
    return batchOf(split, records, { start, next });
  }

  progress(split: SplitId): number {
    return this.#positions.get(split)! / this.#splits.get(split)!.records.length;
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }

  /** As many as fit, and sometimes fewer. */
  #next(records: FakeRecords, start: number, { maxBytes, maxRows }: PollLimit): number {
    let next = start, byteLength = 0;
    if (records[start] === "gap") {
      do next++; while (records[next] === "gap" && this.#random.next() < 0.5);
      return next;
    }
    for (; next < records.length && next - start < maxRows; next++) {
      const record = records[next];
      if (record === "gap" || (next > start && byteLength + record > maxBytes)) break;
      byteLength += record;
      if (this.#random.next() < 0.2) return next + 1;
    }
    return next;
  }
}

function batchOf(split: SplitId, records: FakeRecords, { start, next }: { start: number; next: number }): RecordBatch {
  const lengths = records.slice(start, next).filter((record) => record !== "gap");
  const rowCount = lengths.length;
  const offsets = new Uint32Array(rowCount + 1);
  lengths.forEach((length, row) => offsets[row + 1] = offsets[row] + length);
  return {
    split,
    epoch: RANGE_EPOCH,
    start: String(start),
    next: String(next),
    rowCount,
    bytes: new Uint8Array(0), // nobody looks at them
    offsets,
    timestamps: new Float64Array(rowCount),
    positions: BigInt64Array.from({ length: rowCount }, (_, row) => BigInt(start + row)),
    keys: null,
    headers: null,
  };
}
