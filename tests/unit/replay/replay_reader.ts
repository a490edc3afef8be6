/** Reads replays without a loop: unit by unit, committing as the loop does. */
import { assert, assertEquals } from "@std/assert";
import { type JobProgress, NO_PROGRESS } from "../../../src/replay/job_file.ts";
import { ReplaySource } from "../../../src/replay/replay_source.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { RANGE_EPOCH } from "../../../src/records/range.ts";
import type { Position, SplitId } from "../../../src/records/position.ts";
import type { RecordBatch } from "../../../src/records/record_batch.ts";
import type { SourceHandler } from "../../../src/source/source.ts";
import { fakePlan, FakeRanges, type FakeSplit } from "./fake_ranges.ts";

export const NEVER = new AbortController().signal;

/** A unit, as its object is named and filled. */
export interface ReadUnit {
  /** "a/1 [0,7)", sorted. */
  readonly ranges: readonly string[];
  /** "a/1:0 a/1:1 b/1:0": each block's records, in order. */
  readonly blocks: readonly string[];
}

interface OpenUnit {
  readonly ranges: Map<SplitId, { start: Position; next: Position }>;
  readonly blocks: string[][];
}

const emptyUnit = (): OpenUnit => ({ ranges: new Map(), blocks: [[]] });

/** One process's part of a job. */
export class ReplayReader {
  readonly ranges: FakeRanges;
  readonly source: ReplaySource;
  /** What was kept, in order. */
  readonly saved: JobProgress[] = [];
  readonly units: ReadUnit[] = [];
  saveError: Error | null = null;
  readonly assigned: [SplitId, Position][] = [];
  readonly #random: SeededRandom;
  readonly #cut: Map<SplitId, Position>[] = [];
  #open = emptyUnit();

  constructor(
    splits: readonly FakeSplit[],
    { unitByteLength, seed, progress = NO_PROGRESS }: {
      unitByteLength: number;
      seed: number;
      progress?: JobProgress;
    },
  ) {
    this.#random = new SeededRandom(seed);
    this.ranges = new FakeRanges(splits, this.#random);
    this.source = new ReplaySource({
      ranges: this.ranges,
      splits: fakePlan(splits),
      unitByteLength,
      progress,
      rate: null,
      save: (kept) => {
        if (this.saveError !== null) return Promise.reject(this.saveError);
        this.saved.push(kept);
        return Promise.resolve();
      },
    });
  }

  async open(): Promise<void> {
    const handler: Pick<SourceHandler, "assigned"> = {
      assigned: (split, epoch, start, { committed }) => {
        assertEquals([epoch, committed], [RANGE_EPOCH, true]);
        this.assigned.push([split, start]);
        return Promise.resolve();
      },
    };
    await this.source.open(handler as SourceHandler, NEVER);
  }

  /** Polls once. False at the end. */
  async poll(): Promise<boolean> {
    const maxBytes = 1 + Math.floor(this.#random.next() * (2 << 20)),
      maxRows = 1 + Math.floor(this.#random.next() * 300_000);
    const batch = await this.source.poll({ maxBytes, maxRows }, NEVER);
    if (batch === "end") {
      if (this.#open.ranges.size > 0) this.#endUnit();
      return false;
    }
    this.#add(batch);
    if (batch.cut === "unit") this.#endUnit();
    else if (batch.cut === "block") this.#open.blocks.push([]);
    return true;
  }

  /** Commits the oldest unit that isn't committed, its splits in any order, one by one; false when there is none. */
  async commitOne(): Promise<boolean> {
    const ranges = [...this.#cut.shift() ?? []];
    const commits: Promise<void>[] = [];
    const savedBefore = this.saved.length;
    while (ranges.length > 0) {
      const [[split, next]] = ranges.splice(Math.floor(this.#random.next() * ranges.length), 1);
      assertEquals(this.saved.length, savedBefore, "nothing is kept before the unit is whole");
      commits.push(this.source.commit(split, RANGE_EPOCH, next, NEVER));
      await Promise.resolve();
    }
    await Promise.all(commits);
    return commits.length > 0;
  }

  /** Polls and commits now and then, at most so many times; true when the end has come and all is committed. */
  async run(maxPolls: number): Promise<boolean> {
    await this.open();
    for (let polls = 0; polls < maxPolls; polls++) {
      if (!await this.poll()) {
        while (await this.commitOne());
        assert(this.source.done);
        assertEquals(Number.isNaN(this.source.share) ? 1 : this.source.share, 1);
        return true;
      }
      if (this.#random.next() < 0.1) await this.commitOne();
    }
    return false;
  }

  #add(batch: RecordBatch): void {
    const { split, start, next, rowCount, positions } = batch;
    const range = this.#open.ranges.get(split);
    if (range !== undefined) assertEquals(start, range.next, `a gap in ${split}`);
    this.#open.ranges.set(split, { start: range?.start ?? start, next });
    const records = Array.from({ length: rowCount }, (_, row) => `${split}:${(positions as BigInt64Array)[row]}`);
    this.#open.blocks.at(-1)!.push(...records);
  }

  #endUnit(): void {
    const { ranges, blocks } = this.#open;
    const texts = [...ranges].map(([split, { start, next }]) => `${split} [${start},${next})`);
    this.units.push({ ranges: texts.sort(), blocks: blocks.map((records) => records.join(" ")) });
    this.#cut.push(new Map([...ranges].map(([split, { next }]) => [split, next])));
    this.#open = emptyUnit();
  }
}
