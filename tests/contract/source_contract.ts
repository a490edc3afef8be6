import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import { InvariantError, SplitLostError } from "../../src/runtime/errors.ts";
import {
  comparePositions,
  type Epoch,
  type PollLimit,
  type Position,
  type RecordBatch,
  type Source,
  type SourceHandler,
  type SplitId,
} from "../../src/source/source.ts";

/** Where records come from in a test: fresh, with room for one split of records, and its checkpoints. */
export interface SourceBackend {
  /** What the records of the split are, in order; they are there before `create` is called. */
  readonly records: readonly string[];
  /** A new source over this backend and its checkpoints, not yet open. One at a time is open. */
  create(): Source;
  stop(): Promise<void>;
}

export interface SourceHarness {
  /** A backend with this many records in one split. They needn't be more than a few bytes each. */
  start(recordCount: number): Promise<SourceBackend>;
  /** False when the source waits for more after the last record. */
  readonly ends: boolean;
  /** False when the source can't go on where it was: it keeps no checkpoints. */
  readonly resumes: boolean;
  /** True when the backend serves in this process, across tests: then what it opens is not the source's leak. */
  readonly servesHere?: boolean;
}

const NEVER = new AbortController().signal;
const LIMIT: PollLimit = { maxBytes: 1 << 20, maxRows: 1000 };
/** Long enough for a source that wrongly delivers to do so; a test that waits this long can't fail for being slow. */
const SETTLE_MS = 30;

interface Assignment {
  readonly epoch: Epoch;
  readonly start: Position;
  readonly committed: boolean;
}

/** What the loop does with ownership, and nothing else. */
class Handler implements SourceHandler {
  readonly assignments = new Map<SplitId, Assignment>();
  readonly #source: Source;
  /** `assigned` waits for this. */
  readonly gate: Promise<void>;

  constructor(source: Source, gate: Promise<void> = Promise.resolve()) {
    this.#source = source;
    this.gate = gate;
  }

  async assigned(
    split: SplitId,
    epoch: Epoch,
    start: Position,
    { committed }: { committed: boolean },
  ): Promise<void> {
    await this.gate;
    if (!committed) await this.#source.commit(split, epoch, start, NEVER);
    this.assignments.set(split, { epoch, start, committed });
  }

  async revoking(): Promise<void> {}

  lost(): void {}
}

interface Opened {
  readonly source: Source;
  readonly handler: Handler;
}

async function open(backend: SourceBackend): Promise<Opened> {
  const source = backend.create();
  const handler = new Handler(source);
  await source.open(handler, NEVER);
  return { source, handler };
}

function values(batch: RecordBatch): string[] {
  const decoder = new TextDecoder();
  return Array.from(
    { length: batch.rowCount },
    (_, row) => decoder.decode(batch.bytes.subarray(batch.offsets[row], batch.offsets[row + 1])),
  );
}

/** Polls until `rowCount` rows have come. */
async function read(source: Source, rowCount: number, limit = LIMIT): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for (let rows = 0; rows < rowCount;) {
    const batch = await source.poll(limit, NEVER);
    assert(batch !== "end", `the source ended after ${rows} of ${rowCount} rows`);
    batches.push(batch);
    rows += batch.rowCount;
  }
  return batches;
}

function allValues(batches: readonly RecordBatch[]): string[] {
  return batches.flatMap(values);
}

function positionAt({ positions }: RecordBatch, row: number): Position {
  if (positions instanceof BigInt64Array) return String(positions[row]);
  return new TextDecoder().decode(positions.bytes.subarray(positions.offsets[row], positions.offsets[row + 1]));
}

function assertWellFormed(batch: RecordBatch): void {
  const { rowCount, offsets, timestamps, positions, keys, headers } = batch;
  assertEquals(offsets.length, rowCount + 1);
  assertEquals(timestamps.length, rowCount);
  assertEquals(positions instanceof BigInt64Array ? positions.length : positions.offsets.length - 1, rowCount);
  for (const column of [keys, headers]) if (column !== null) assertEquals(column.offsets.length, rowCount + 1);
  assertLessOrEqual(offsets[rowCount], batch.bytes.length);
  for (let row = 0; row < rowCount; row++) {
    assertLessOrEqual(offsets[row], offsets[row + 1]);
    const position = positionAt(batch, row);
    assert(comparePositions(batch.start, position) <= 0, `row ${row} at ${position} is before ${batch.start}`);
    assert(comparePositions(position, batch.next) < 0, `row ${row} at ${position} isn't before ${batch.next}`);
    if (row > 0) {
      assert(comparePositions(positionAt(batch, row - 1), position) < 0, `row ${row} isn't after row ${row - 1}`);
    }
  }
}

/** Lets a source that wrongly delivers do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** True when the poll is still pending after a while; then it is aborted. */
async function staysPending(source: Source): Promise<boolean> {
  const stop = new AbortController();
  const poll = source.poll(LIMIT, stop.signal);
  const outcome = poll.then(() => false, (error) => error === stop.signal.reason);
  await settle();
  stop.abort(new DOMException("enough", "AbortError"));
  return await outcome;
}

type Case = (backend: SourceBackend) => Promise<void>;

/** What every source must do. Registers one test a promise. */
export function sourceContract(name: string, harness: SourceHarness): void {
  const cases = {
    ...delivering(),
    ...waiting(),
    ...committing(),
    ...(harness.resumes ? resuming() : {}),
    ...(harness.ends ? ending() : {}),
  };
  const sanitize = !harness.servesHere;
  for (const [title, [recordCount, run]] of Object.entries(cases)) {
    const fn = async () => {
      const backend = await harness.start(recordCount);
      try {
        await run(backend);
      } finally {
        await backend.stop();
      }
    };
    Deno.test({ name: `${name} source ${title}`, fn, sanitizeOps: sanitize, sanitizeResources: sanitize });
  }
}

/** Runs a case over a source that is open, and closes it in any case. */
function opened(run: (open: Opened, backend: SourceBackend) => Promise<void>): Case {
  return async (backend) => {
    const source = await open(backend);
    try {
      await run(source, backend);
    } finally {
      await source.source.close();
    }
  };
}

function delivering(): Record<string, [number, Case]> {
  return {
    "delivers every record once, in order, and covers the split without gaps": [
      500,
      opened(async ({ source, handler }, { records }) => {
        const batches = await read(source, records.length, { maxBytes: 4096, maxRows: 37 });
        assertEquals(allValues(batches), records);
        const split = batches[0].split;
        const { start, epoch } = handler.assignments.get(split)!;
        let next = start;
        for (const batch of batches) {
          assertWellFormed(batch);
          assertEquals([batch.split, batch.epoch, batch.start], [split, epoch, next]);
          next = batch.next;
        }
      }),
    ],
    "delivers nothing before the handler has taken the assignment": [3, async (backend) => {
      const source = backend.create();
      const gate = Promise.withResolvers<void>();
      const handler = new Handler(source, gate.promise);
      const polled = source.open(handler, NEVER).then(() => source.poll(LIMIT, NEVER));
      try {
        let delivered = false;
        const watch = polled.then(() => delivered = true);
        await settle();
        assert(!delivered, "records came before the assignment was taken");
        gate.resolve();
        await watch;
        const batch = await polled;
        assert(batch !== "end");
        assert(handler.assignments.has(batch.split));
      } finally {
        gate.resolve();
        await polled.catch(() => {});
        await source.close();
      }
    }],
    "keeps to the limit of rows": [
      20,
      opened(async ({ source }, { records }) => {
        const batches = await read(source, records.length, { maxBytes: 1 << 20, maxRows: 3 });
        for (const { rowCount } of batches) assertLessOrEqual(rowCount, 3);
        assertEquals(allValues(batches), records);
      }),
    ],
    "keeps to the limit of bytes, except for a record that alone is larger": [
      20,
      opened(async ({ source }, { records }) => {
        const batches = await read(source, records.length, { maxBytes: 1, maxRows: 1000 });
        for (const { rowCount } of batches) assertLessOrEqual(rowCount, 1);
        assertEquals(allValues(batches), records);
      }),
    ],
    "gives arrays that may be transferred": [
      50,
      opened(async ({ source }, { records }) => {
        const before = await read(source, 1, { maxBytes: 1 << 20, maxRows: 10 });
        const copies = before.map((batch) => {
          const { positions, bytes, offsets, timestamps } = batch;
          const own = positions instanceof BigInt64Array ? [positions.buffer] : [];
          const transfer = [bytes.buffer, offsets.buffer, timestamps.buffer, ...own] as ArrayBuffer[];
          return structuredClone(batch, { transfer: [...new Set(transfer)] });
        });
        const rest = await read(source, records.length - copies.reduce((sum, { rowCount }) => sum + rowCount, 0));
        assertEquals([...allValues(copies), ...allValues(rest)], records);
      }),
    ],
  };
}

function waiting(): Record<string, [number, Case]> {
  return {
    "rejects a poll with the signal's reason as soon as it aborts, and loses nothing": [
      200,
      opened(async ({ source }, { records }) => {
        const batches: RecordBatch[] = [];
        const reason = new DOMException("stop now", "AbortError");
        await source.poll(LIMIT, AbortSignal.abort(reason)).then(
          () => assert(false, "a poll with an aborted signal resolved"),
          (error) => assertEquals(error, reason),
        );
        for (let i = 0; i < 20; i++) {
          const stop = new AbortController();
          const poll = source.poll({ maxBytes: 256, maxRows: 2 }, stop.signal);
          for (let turns = 0; turns < i % 5; turns++) await Promise.resolve();
          stop.abort(reason);
          try {
            const batch = await poll;
            if (batch !== "end") batches.push(batch);
          } catch (error) {
            assertEquals(error, reason);
          }
        }
        const left = records.length - batches.reduce((sum, { rowCount }) => sum + rowCount, 0);
        if (left > 0) batches.push(...await read(source, left));
        assertEquals(allValues(batches), records);
      }),
    ],
    "delivers nothing of a paused split until it is resumed": [
      20,
      opened(async ({ source, handler }, { records }) => {
        const first = await read(source, 1, { maxBytes: 1 << 20, maxRows: 5 });
        const splits = [...handler.assignments.keys()];
        source.pause(splits);
        source.pause([...splits, "unknown/0"]);
        assert(await staysPending(source), "a paused split gave records, or an end");
        source.resume(["unknown/0"]);
        assert(await staysPending(source), "resuming another split resumed this one");
        source.resume(splits);
        source.resume(splits);
        const rest = await read(source, records.length - first[0].rowCount);
        assertEquals([...allValues(first), ...allValues(rest)], records);
      }),
    ],
    "wakes a waiting poll when its split is resumed": [
      5,
      opened(async ({ source, handler }, { records }) => {
        const first = await read(source, 1, { maxBytes: 1 << 20, maxRows: 1 });
        source.pause([...handler.assignments.keys()]);
        const waiting = read(source, records.length - first[0].rowCount);
        source.resume([...handler.assignments.keys()]);
        assertEquals([...allValues(first), ...allValues(await waiting)], records);
      }),
    ],
    "doesn't open with an aborted signal, and closes all the same": [1, async (backend) => {
      const source = backend.create();
      const reason = new DOMException("stop now", "AbortError");
      await source.open(new Handler(source), AbortSignal.abort(reason)).then(
        () => assert(false, "it opened"),
        (error) => assertEquals(error, reason),
      );
      await source.close();
      await source.close();
    }],
    "closes twice, and unopened": [1, async (backend) => {
      await backend.create().close();
      const { source } = await open(backend);
      await source.close();
      await source.close();
    }],
  };
}

function committing(): Record<string, [number, Case]> {
  return {
    "refuses a commit in an earlier epoch": [
      5,
      opened(async ({ source }) => {
        const [{ split, epoch, next }] = await read(source, 1);
        await assertRejects(() => source.commit(split, epoch - 1n, next, NEVER), SplitLostError);
        await source.commit(split, epoch, next, NEVER);
      }),
    ],
    "refuses a commit that goes back, and takes the same one twice": [
      20,
      opened(async ({ source }) => {
        const [first, second] = await read(source, 10, { maxBytes: 1 << 20, maxRows: 5 });
        const { split, epoch } = first;
        await source.commit(split, epoch, second.next, NEVER);
        await source.commit(split, epoch, second.next, NEVER);
        await assertRejects(() => source.commit(split, epoch, first.next, NEVER), InvariantError);
      }),
    ],
    "refuses a commit after it was closed": [5, async (backend) => {
      const { source } = await open(backend);
      const [{ split, epoch, next }] = await read(source, 1);
      await source.close();
      await assertRejects(() => source.commit(split, epoch, next, NEVER), SplitLostError);
    }],
  };
}

function resuming(): Record<string, [number, Case]> {
  return {
    "goes on after a restart exactly where it was committed": [60, async (backend) => {
      const first = await open(backend);
      const [one, two] = await read(first.source, 14, { maxBytes: 1 << 20, maxRows: 7 });
      assertEquals(first.handler.assignments.get(one.split)?.committed, false);
      await first.source.commit(one.split, one.epoch, one.next, NEVER);
      await first.source.close();

      const second = await open(backend);
      try {
        const rest = await read(second.source, backend.records.length - one.rowCount);
        assertEquals([...values(one), ...allValues(rest)], backend.records);
        assertEquals(rest[0].start, two.start);
        const { start, committed, epoch } = second.handler.assignments.get(one.split)!;
        assertEquals([start, committed], [one.next, true]);
        assertGreater(epoch, one.epoch);
      } finally {
        await second.source.close();
      }
    }],
    "delivers again after a restart what was not committed, at the same positions": [30, async (backend) => {
      const first = await open(backend);
      const before = await read(first.source, backend.records.length, { maxBytes: 1 << 20, maxRows: 7 });
      await first.source.close();
      const second = await open(backend);
      try {
        const again = await read(second.source, backend.records.length, { maxBytes: 1 << 20, maxRows: 7 });
        const places = (batches: RecordBatch[]) =>
          batches.map(({ split, start, next, positions, timestamps }) => ({
            split,
            start,
            next,
            positions,
            timestamps,
          }));
        assertEquals(places(again), places(before));
        assertEquals(allValues(again), backend.records);
      } finally {
        await second.source.close();
      }
    }],
    "delivers nothing again when everything was committed": [10, async (backend) => {
      const first = await open(backend);
      const last = (await read(first.source, backend.records.length)).at(-1)!;
      await first.source.commit(last.split, last.epoch, last.next, NEVER);
      await first.source.close();
      const second = await open(backend);
      try {
        const stop = new AbortController();
        const poll = second.source.poll(LIMIT, stop.signal).catch((error) => error);
        await settle();
        stop.abort("nothing came");
        const outcome = await poll;
        assert(outcome === "end" || outcome === "nothing came", "records came again");
      } finally {
        await second.source.close();
      }
    }],
    "loses no commit when many come at a time": [100, async (backend) => {
      const first = await open(backend);
      const batches = await read(first.source, backend.records.length, { maxBytes: 1 << 20, maxRows: 3 });
      await Promise.all(batches.map(({ split, epoch, next }) => first.source.commit(split, epoch, next, NEVER)));
      await first.source.close();
      const second = await open(backend);
      try {
        const start = second.handler.assignments.get(batches[0].split)?.start;
        assert(start === undefined || start === batches.at(-1)!.next, `it goes on at ${start}`);
      } finally {
        await second.source.close();
      }
    }],
  };
}

function ending(): Record<string, [number, Case]> {
  return {
    "ends after the last record, and stays at its end": [
      10,
      opened(async ({ source }, { records }) => {
        await read(source, records.length);
        for (let i = 0; i < 3; i++) assertEquals(await source.poll(LIMIT, NEVER), "end");
      }),
    ],
  };
}
