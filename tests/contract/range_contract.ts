/** What every source of ranges must do. */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual, assertRejects } from "@std/assert";
import { type PollLimit, positionText, type RecordBatch } from "../../src/records/record_batch.ts";
import { rangeId } from "../../src/replay/job_file.ts";
import {
  MAX_RANGES_AT_ONCE,
  type PlannedSplit,
  RANGE_EPOCH,
  type RangePlan,
  type RangeRequest,
} from "../../src/records/range.ts";
import type { RangeSource } from "../../src/source/range_source.ts";
import { comparePositions, type Position } from "../../src/records/position.ts";
import { textsOf } from "../support/batch_texts.ts";
import { assertWellFormed, LIMIT, NEVER } from "./source_probe.ts";

/** Where records come from in a test: fresh, with as many splits as were asked for. */
export interface RangeBackend {
  /** The records of each split, in their order; empty ones among them. They are there from the start. */
  readonly records: readonly (readonly string[])[];
  /** A new source over this backend; the contract closes it. */
  create(): RangeSource;
  /** More records arrive, one in each split, after everything that was done before. */
  append(): Promise<void>;
  stop(): Promise<void>;
}

export interface RangeHarness {
  /**
   * A backend with so many splits and at least so many records in each, of a few bytes to a few hundred, stored in as many
   * ways as the source knows: packed, in batches, with places between them that hold no records.
   */
  start(options: { splits: number; records: number }): Promise<RangeBackend>;
  /** True when a split gets no more records once it is there: `append` isn't called. */
  readonly complete?: boolean;
  /** True when the backend serves in this process, across tests: then what it opens is not the source's leak. */
  readonly servesHere?: boolean;
}

export const WHOLE: RangeRequest = { from: null, to: null, resume: new Map(), historical: false };

const LIMITS: readonly PollLimit[] = [
  LIMIT,
  { maxBytes: 0, maxRows: 1000 },
  { maxBytes: 1 << 20, maxRows: 1 },
  { maxBytes: 300, maxRows: 4 },
  { maxBytes: 4096, maxRows: 37 },
];

/** What a split was found to hold. */
interface SplitRows {
  readonly values: readonly string[];
  /** Position, time and value of each. */
  readonly rows: readonly string[];
  /** Where each full batch ended, by its last row's number. */
  readonly nexts: ReadonlyMap<number, Position>;
  readonly end: Position;
}

/** The rest of a split that was begun at `position`. */
async function readOn(
  source: RangeSource,
  { split, end }: PlannedSplit,
  position: Position,
  limit: PollLimit = LIMIT,
): Promise<SplitRows> {
  const found = { values: [] as string[], rows: [] as string[], nexts: new Map<number, Position>() };
  let progress = source.progress(split);
  for (let at = position;;) {
    const batch = await source.read(split, limit, NEVER);
    const share = source.progress(split);
    assert(share >= progress && share <= 1, `progress went from ${progress} to ${share}`);
    progress = share;
    if (batch === "end") {
      if (end !== null) assertEquals(at, end, "it ends where the plan says");
      assertEquals(source.progress(split), 1);
      return { ...found, end: at };
    }
    assertWellFormed(batch);
    assertEquals([batch.split, batch.epoch, batch.start], [split, RANGE_EPOCH, at], "the batches follow each other");
    assertGreaterOrEqual(comparePositions(batch.next, at), batch.rowCount > 0 ? 1 : 0);
    assertLimited(batch, limit);
    const texts = textsOf(batch);
    found.values.push(...texts);
    found.rows.push(...texts.map((text, row) => `${positionText(batch, row)} ${batch.timestamps[row]} ${text}`));
    if (isFull(batch, limit)) found.nexts.set(found.rows.length, batch.next);
    at = batch.next;
  }
}

function isFull({ rowCount, offsets }: RecordBatch, { maxBytes, maxRows }: PollLimit): boolean {
  return rowCount > 0 && (rowCount === maxRows || offsets[rowCount] > maxBytes);
}

function assertLimited({ rowCount, offsets }: RecordBatch, { maxBytes, maxRows }: PollLimit): void {
  assertLessOrEqual(rowCount, maxRows);
  if (rowCount > 1) assertLessOrEqual(offsets[rowCount], maxBytes, "only one record alone may be larger");
}

/** Sources of one backend, closed at the end. */
class Sources {
  readonly #backend: RangeBackend;
  readonly #made: RangeSource[] = [];

  constructor(backend: RangeBackend) {
    this.#backend = backend;
  }

  make(): RangeSource {
    const source = this.#backend.create();
    this.#made.push(source);
    return source;
  }

  /** A source that was told of the plan by another. */
  async open(plan: RangePlan): Promise<RangeSource> {
    const source = this.make();
    await source.open(JSON.parse(JSON.stringify(plan.splits)), NEVER);
    return source;
  }

  async plan(request: Partial<RangeRequest> = {}): Promise<RangePlan> {
    return await this.make().plan({ ...WHOLE, ...request }, NEVER);
  }

  /** All splits, one after the other. */
  async read(plan: RangePlan, limit: PollLimit = LIMIT): Promise<SplitRows[]> {
    const source = await this.open(plan);
    const found: SplitRows[] = [];
    for (const planned of plan.splits) {
      source.begin(planned, planned.start);
      found.push(await readOn(source, planned, planned.start, limit));
    }
    await source.close();
    return found;
  }

  /** Twice is safe. */
  async close(): Promise<void> {
    for (const source of this.#made) {
      await source.close();
      await source.close();
    }
  }
}

type Case = (sources: Sources, backend: RangeBackend) => Promise<void>;

/** Registers one test a promise. */
export function rangeContract(name: string, harness: RangeHarness): void {
  const sanitize = !harness.servesHere;
  for (const [title, [options, run]] of Object.entries(harness.complete ? CASES : { ...CASES, ...GROWING })) {
    const fn = async () => {
      const backend = await harness.start(options);
      const sources = new Sources(backend);
      try {
        await run(sources, backend);
      } finally {
        await sources.close();
        await backend.stop();
      }
    };
    Deno.test({ name: `${name} ranges ${title}`, fn, sanitizeOps: sanitize, sanitizeResources: sanitize });
  }
}

/** In whatever order the plan has them. */
function assertAllThere(found: readonly SplitRows[], { records }: RangeBackend): void {
  const texts = (all: readonly (readonly string[])[]) => all.map((one) => JSON.stringify(one)).sort();
  assertEquals(texts(found.map(({ values }) => values)), texts(records));
}

type Cases = Readonly<Record<string, readonly [{ splits: number; records: number }, Case]>>;

const CASES: Cases = {
  "have every record once, in order, whatever the limit": [{ splits: 2, records: 60 }, async (sources, backend) => {
    const plan = await sources.plan();
    const first = await sources.read(plan);
    assertAllThere(first, backend);
    for (const limit of LIMITS) {
      const again = await sources.read(plan, limit);
      again.forEach(({ rows, end }, i) => assertEquals([rows, end], [first[i].rows, first[i].end]));
    }
  }],
  "end each batch that is full where its last record says": [{ splits: 2, records: 60 }, async (sources) => {
    const plan = await sources.plan();
    const nexts = plan.splits.map(() => new Map<number, Position>());
    for (const limit of LIMITS) {
      for (const [i, { nexts: found }] of (await sources.read(plan, limit)).entries()) {
        for (const [row, next] of found) {
          assertEquals(next, nexts[i].get(row) ?? next, `behind row ${row} of ${plan.splits[i].split}`);
          nexts[i].set(row, next);
        }
      }
    }
  }],
  "are the same when they are planned again": [{ splits: 3, records: 5 }, async (sources) => {
    const [first, second] = [await sources.plan(), await sources.plan()];
    assertEquals(first.splits.map(({ split }) => split), second.splits.map(({ split }) => split));
    assertEquals([first.weightUnit, first.missing], [second.weightUnit, []]);
    assertEquals(await sources.read(first), await sources.read(second));
    const kept = JSON.parse(JSON.stringify(first)) as RangePlan;
    assertEquals([kept.splits, rangeId(kept)], [first.splits, rangeId(first)], "a plan is plain data");
    for (const { weight } of first.splits) assert(weight >= 0 && Number.isFinite(weight));
  }],
  "go on from any batch's end in another source": [{ splits: 1, records: 30 }, async (sources) => {
    const plan = await sources.plan();
    const [planned] = plan.splits;
    const [whole] = await sources.read(plan);
    const source = await sources.open(plan);
    source.begin(planned, planned.start);
    for (let rowCount = 0;;) {
      const batch = await source.read(planned.split, { maxBytes: 1 << 20, maxRows: 3 }, NEVER);
      if (batch === "end") break;
      rowCount += batch.rowCount;
      const other = await sources.open(plan);
      other.begin(planned, batch.next);
      const { rows, end } = await readOn(other, planned, batch.next);
      assertEquals([rows, end], [whole.rows.slice(rowCount), whole.end]);
      await other.close();
    }
  }],
  [`are ${MAX_RANGES_AT_ONCE} at a time, in any order`]: [
    { splits: MAX_RANGES_AT_ONCE, records: 12 },
    async (sources, backend) => {
      const plan = await sources.plan();
      assertEquals(plan.splits.length, MAX_RANGES_AT_ONCE);
      const source = await sources.open(plan);
      for (const planned of plan.splits) source.begin(planned, planned.start);
      const [first, ...others] = [...plan.splits].reverse();
      const found = [await readOn(source, first, first.start)];
      const texts = new Map(others.map(({ split }) => [split, [] as string[]]));
      for (let open = others; open.length > 0;) {
        const left: PlannedSplit[] = [];
        for (const planned of open) {
          const batch = await source.read(planned.split, { maxBytes: 1 << 20, maxRows: 5 }, NEVER);
          if (batch === "end") continue;
          texts.get(planned.split)!.push(...textsOf(batch));
          left.push(planned);
        }
        open = left;
      }
      assertAllThere([...found, ...Array.from(texts.values(), (values) => ({ ...found[0], values }))], backend);
    },
  ],
  "lose nothing when reads are given up": [{ splits: 1, records: 40 }, async (sources, backend) => {
    const plan = await sources.plan();
    const [planned] = plan.splits;
    const source = await sources.open(plan);
    source.begin(planned, planned.start);
    const stopped = AbortSignal.abort(new Error("stopped before"));
    await assertRejects(() => source.read(planned.split, LIMIT, stopped), Error, "stopped before");
    const texts: string[] = [];
    for (let tries = 0;; tries++) {
      const stop = new AbortController();
      const reason = new Error(`given up the ${tries}th time`);
      const read = source.read(planned.split, { maxBytes: 1 << 20, maxRows: 2 }, stop.signal);
      if (tries % 3 !== 2) stop.abort(reason);
      const batch = await read.catch((error) => {
        assertEquals(error, reason);
        return null;
      });
      if (batch === "end") break;
      if (batch !== null) texts.push(...textsOf(batch));
    }
    assertEquals([texts], backend.records.map((records) => [...records]));
  }],
  "give arrays that may be transferred": [{ splits: 1, records: 30 }, async (sources, backend) => {
    const plan = await sources.plan();
    const [planned] = plan.splits;
    const source = await sources.open(plan);
    source.begin(planned, planned.start);
    const copies: RecordBatch[] = [];
    for (;;) {
      const batch = await source.read(planned.split, { maxBytes: 1 << 20, maxRows: 7 }, NEVER);
      if (batch === "end") break;
      const { positions, bytes, offsets, timestamps } = batch;
      const own = positions instanceof BigInt64Array ? [positions.buffer] : [];
      const transfer = [bytes.buffer, offsets.buffer, timestamps.buffer, ...own] as ArrayBuffer[];
      copies.push(structuredClone(batch, { transfer: [...new Set(transfer)] }));
    }
    assertEquals(copies.flatMap(textsOf), [...backend.records[0]]);
  }],
  "tell others where a job is, if they can": [{ splits: 2, records: 5 }, async (sources) => {
    const plan = await sources.plan();
    const source = sources.make();
    if (source.publish === undefined) return;
    assertEquals([...await source.published!("nightly", NEVER)], []);
    const [a, b] = plan.splits.map(({ split }) => split);
    await source.publish("nightly", new Map([[a, "1"], [b, "2"]]), NEVER);
    await source.publish("nightly", new Map([[a, "3"]]), NEVER);
    const others = sources.make();
    assertEquals([...await others.published!("nightly", NEVER)].sort(), [[a, "3"], [b, "2"]]);
    assertEquals([...await others.published!("hourly", NEVER)], []);
  }],
};

/** For splits that get more. */
const GROWING: Cases = {
  "leave out what arrives after the plan": [{ splits: 2, records: 20 }, async (sources, backend) => {
    const plan = await sources.plan();
    const source = await sources.open(plan);
    const [early, late] = plan.splits;
    source.begin(early, early.start);
    const first = await source.read(early.split, { maxBytes: 1 << 20, maxRows: 2 }, NEVER);
    assert(first !== "end");
    await backend.append();
    const rest = await readOn(source, early, first.next);
    source.begin(late, late.start);
    const other = await readOn(source, late, late.start);
    assertAllThere([{ ...rest, values: [...textsOf(first), ...rest.values] }, other], backend);
    assertAllThere(await sources.read(plan), backend);
  }],
  "begin where the last run ended": [{ splits: 2, records: 20 }, async (sources, backend) => {
    const plan = await sources.plan();
    const found = await sources.read(plan);
    const resume = new Map(plan.splits.map(({ split }, i) => [split, found[i].end]));
    const nothing = await sources.plan({ resume });
    assertEquals((await sources.read(nothing)).flatMap(({ rows }) => rows), []);
    await backend.append();
    const more = await sources.read(await sources.plan({ resume }));
    assertEquals(more.map(({ values }) => values.length), [1, 1]);
    assertEquals(
      (await sources.read(await sources.plan())).map(({ values }) => values.length).sort(),
      [
        ...backend.records.map(({ length }) => length + 1),
      ].sort(),
    );
  }],
};
