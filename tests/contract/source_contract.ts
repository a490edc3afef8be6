import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import { InvariantError, SplitLostError } from "../../src/runtime/errors.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import type { Source } from "../../src/source/source.ts";
import {
  allValues,
  assertWellFormed,
  Handler,
  LIMIT,
  NEVER,
  open,
  type Opened,
  read,
  settle,
  staysPending,
} from "./source_probe.ts";

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
        assertEquals(allValues([one, ...rest]), backend.records);
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
