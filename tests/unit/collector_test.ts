import { assert, assertEquals, assertRejects } from "@std/assert";
import { Collector, type CollectorLimits } from "../../src/loop/collector.ts";
import type { EncodedPiece } from "../../src/encode/piece.ts";
import type { SealedUnit } from "../../src/pipeline/unit.ts";
import { FatalError, InvariantError, SplitLostError } from "../../src/runtime/errors.ts";
import { type LogFields, silentLog } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import type { Source, SourceHandler } from "../../src/source/source.ts";
import { SimClock, SimTime, turn } from "../sim/sim_clock.ts";
import { fakeBatch, FakePort } from "./pipeline/fake_port.ts";

const LIMITS: CollectorLimits = {
  streamMaxAgeMs: 1000,
  streamMaxByteLength: 1 << 20,
  unitMaxAgeMs: 5000,
  unitMaxRecords: Infinity,
  unitMaxRecordByteLength: Infinity,
  objectMaxByteLength: Infinity,
  memoryByteLength: 1 << 30,
  shutdownTimeoutMs: 10_000,
};

/** A source that the test feeds. Split "a/0" is assigned at 0, in epoch 1. */
class FedSource implements Source {
  cutsUnits = false;
  readonly batches: (RecordBatch | "end" | Error)[] = [];
  readonly commits: string[] = [];
  readonly paused: string[] = [];
  commitError: Error | undefined;
  failedCommits = 0;
  handler!: SourceHandler;
  closed = false;
  #arrived = Promise.withResolvers<void>();

  async open(handler: SourceHandler): Promise<void> {
    this.handler = handler;
    await handler.assigned("a/0", 1n, "0", { committed: true });
  }

  feed(...batches: (RecordBatch | "end" | Error)[]): void {
    this.batches.push(...batches);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  async poll(_limit: unknown, signal: AbortSignal): Promise<RecordBatch | "end"> {
    while (this.batches.length === 0) {
      await Promise.race([
        this.#arrived.promise,
        new Promise((_, reject) => {
          if (signal.aborted) reject(signal.reason);
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
      ]);
    }
    const next = this.batches.shift()!;
    if (next instanceof Error) throw next;
    return next;
  }

  pause(splits: readonly string[]): void {
    this.paused.push(...splits);
  }

  resume(splits: readonly string[]): void {
    for (const split of splits) this.paused.splice(this.paused.indexOf(split), 1);
  }

  commit(split: string, epoch: bigint, next: string): Promise<void> {
    if (this.commitError !== undefined) {
      this.failedCommits++;
      return Promise.reject(this.commitError);
    }
    this.commits.push(`${split}@${epoch} ${next}`);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function setup(limits: Partial<CollectorLimits> = {}, { cutsUnits = false } = {}) {
  const time = new SimTime();
  const clock = new SimClock(time, new AbortController().signal, { skewMs: 0, drift: 1 });
  const metrics = new Metrics();
  const source = new FedSource(), port = new FakePort();
  source.cutsUnits = cutsUnits;
  const units: SealedUnit[] = [];
  /** What each write waits for; resolved unless a test says otherwise. */
  let gate: Promise<void> = Promise.resolve();
  const writer = {
    open: () => Promise.resolve(),
    write: async (unit: SealedUnit) => {
      await gate;
      units.push(unit);
      return { objects: 2, rows: unit.outputs.length, byteLength: 100 };
    },
    close: () => Promise.resolve(),
  };
  const warnings: [string, unknown][] = [];
  const told: LogFields[] = [];
  const log = {
    ...silentLog,
    info: (message: string, fields?: LogFields) => void told.push({ message, ...fields }),
    warn: (message: string, fields?: LogFields) => void warnings.push([message, fields]),
  };
  const runtime = { clock, random: new SeededRandom(1), log, metrics };
  const collector = new Collector({ source, writer, ports: [port], limits: { ...LIMITS, ...limits }, runtime });
  const stop = new AbortController();
  const run = collector.run(stop.signal);
  run.catch(() => {});
  /** Lets simulated time pass until the condition holds. */
  const until = async (condition: () => boolean) => {
    for (let i = 0; i < 10_000; i++) {
      await turn();
      if (condition()) return;
      port.answer();
      await turn();
      if (condition()) return;
      time.step();
    }
    throw new Error("the condition never came true");
  };
  const triggers = () =>
    metrics.samples().filter(({ name }) => name === "collector_flushes_total").map(({ labels }) => labels.trigger);
  return {
    source,
    port,
    units,
    run,
    stop,
    until,
    triggers,
    time,
    metrics,
    warnings,
    told,
    block: (promise: Promise<void>) => gate = promise,
  };
}

Deno.test("Collector writes and commits what it has when the source ends", async () => {
  const { source, units, run, until, triggers } = setup();
  source.feed(fakeBatch("a/0", 0), fakeBatch("a/0", 1, { rowCount: 4 }), "end");
  await until(() => source.closed);
  await run;
  assertEquals(units.map(({ ranges }) => ranges), [[{ split: "a/0", epoch: 1n, start: "0", next: "5" }]]);
  assertEquals([source.commits, triggers()], [["a/0@1 5"], ["end"]]);
});

Deno.test("Collector says what each flush has written, and up to where", async () => {
  const { source, run, until, told } = setup();
  await until(() => source.handler !== undefined);
  for (const split of [1, 2, 3, 4]) await source.handler.assigned(`a/${split}`, 1n, "0", { committed: true });
  source.feed(...[0, 1, 2, 3, 4].map((split) => fakeBatch(`a/${split}`, 0, { rowCount: 2 })), "end");
  await until(() => source.closed);
  await run;
  const { tookMs, rows, ...flushed } = told.find(({ message }) => message === "flushed")!;
  assertEquals(flushed, {
    message: "flushed",
    trigger: "end",
    records: 10,
    objects: 2,
    bytes: 100,
    positions: "a/0 0..2, a/1 0..2, a/2 0..2, and 2 more",
  });
  assertEquals([typeof tookMs, typeof rows], ["number", "number"]);
});

const TRIGGERS: [string, Partial<CollectorLimits>, number][] = [
  ["age", { unitMaxAgeMs: 700 }, 1],
  ["rows", { unitMaxRecords: 3 }, 3],
  ["bytes", { unitMaxRecordByteLength: 250 }, 3],
  ["memory", { memoryByteLength: 512 << 10 }, 4000],
];
for (const [trigger, limits, batchCount] of TRIGGERS) {
  Deno.test(`Collector flushes by ${trigger} and goes on`, async () => {
    const { source, run, stop, until, triggers } = setup(limits);
    source.feed(...Array.from({ length: batchCount }, (_, i) => fakeBatch("a/0", i)));
    await until(() => source.commits.length > 0 && source.batches.length === 0);
    assertEquals(triggers(), [trigger]);
    stop.abort(new DOMException("stop", "AbortError"));
    await until(() => source.closed);
    await run;
    assertEquals(source.commits.at(-1), `a/0@1 ${batchCount}`);
  });
}

Deno.test("Collector flushes a unit that would become very many objects, and says once which key to change", async () => {
  const { source, port, run, stop, until, triggers, units, warnings } = setup({ unitMaxAgeMs: 3_600_000 });
  const pieceOf = (i: number): EncodedPiece => ({
    group: { project: "p", collection: null, timeMs: i * 3_600_000 },
    ...{ bytes: new Uint8Array(1), crc32: 0, rawByteLength: 1, rowCount: 1, tables: [] },
    ...{ minEventTime: NaN, maxEventTime: NaN },
  });
  let next = 0;
  port.pieces = () => Array.from({ length: 6000 }, () => pieceOf(next++));
  for (let i = 0; i < 4; i++) {
    source.feed(fakeBatch("a/0", i));
    await until(() => next === 6000 * (i + 1));
  }
  await until(() => units.length === 2);
  assertEquals(triggers(), ["groups"]);
  assertEquals(units.map(({ outputs }) => outputs.flatMap(({ pieces }) => pieces).length), [12_000, 12_000]);
  assertEquals(warnings.length, 1);
  assert(warnings[0][0].includes("target.key-template"), warnings[0][0]);
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
});

Deno.test("Collector writes and commits within shutdown.timeout when it is asked to stop", async () => {
  const { source, run, stop, until, triggers } = setup();
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.batches.length === 0);
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
  assertEquals([source.commits, triggers()], [["a/0@1 1"], ["shutdown"]]);
});

Deno.test("Collector gives up, uncommitted, when shutdown.timeout passes", async () => {
  const { source, run, stop, until, block, time } = setup();
  block(new Promise(() => {}));
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.batches.length === 0);
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "shutdown.timeout");
  assertEquals(source.commits, []);
  assert(time.nowMs >= LIMITS.shutdownTimeoutMs && time.nowMs < 2 * LIMITS.shutdownTimeoutMs);
});

Deno.test("Collector writes and commits what a source delivered before it failed, and fails then", async () => {
  const { source, run, until, triggers } = setup();
  source.feed(fakeBatch("a/0", 0), new FatalError("b.gz is truncated"));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "b.gz is truncated");
  assertEquals([source.commits, triggers()], [["a/0@1 1"], ["failure"]]);
});

Deno.test("Collector gives up within shutdown.timeout when a source failed and a write hangs", async () => {
  const { source, run, until, block } = setup();
  block(new Promise(() => {}));
  source.feed(fakeBatch("a/0", 0), new FatalError("b.gz is truncated"));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "b.gz is truncated");
  assertEquals(source.commits, []);
});

Deno.test("Collector commits nothing after a batch that leaves a gap", async () => {
  const { source, run, until } = setup();
  source.feed(fakeBatch("a/0", 0), fakeBatch("a/0", 5));
  await until(() => source.closed);
  await assertRejects(() => run, InvariantError, "expected 1");
  assertEquals(source.commits, []);
});

Deno.test("Collector commits nothing when a write fails for good", async () => {
  const { source, run, until, block } = setup();
  const failure = Promise.reject(new FatalError("access denied"));
  failure.catch(() => {});
  block(failure);
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "access denied");
  assertEquals(source.commits, []);
});

Deno.test("Collector ends, uncommitted, when a worker dies", async () => {
  const { source, port, run, until } = setup();
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.batches.length === 0);
  port.onLost(new Error("out of memory"));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "worker died");
  assertEquals(source.commits, []);
  assert(port.closed);
});

Deno.test("Collector commits a revoked split before it lets go, and nothing afterwards", async () => {
  const { source, run, stop, until, triggers, units } = setup();
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.batches.length === 0);
  let released = false;
  const revoked = source.handler.revoking(["a/0"], 60_000).then(() => released = true);
  source.feed(fakeBatch("a/0", 1)); // was on its way: the next owner reads it
  await until(() => released);
  await revoked;
  assertEquals([source.commits, triggers()], [["a/0@1 1"], ["revoke"]]);
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
  assertEquals([source.commits.length, units.length], [1, 1]);
});

Deno.test("Collector lets a revoked split go at the deadline, uncommitted", async () => {
  const { source, until, block, time, run, stop } = setup();
  const written = Promise.withResolvers<void>();
  block(written.promise);
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.batches.length === 0);
  let released = false;
  const startMs = time.nowMs;
  const revoked = source.handler.revoking(["a/0"], 3000).then(() => released = true);
  await until(() => released);
  await revoked;
  assert(time.nowMs - startMs >= 3000);
  written.resolve();
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
  assertEquals(source.commits, []);
});

Deno.test("Collector drops what it holds of lost splits and commits nothing for them", async () => {
  const { source, until, run, stop, units } = setup();
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.batches.length === 0);
  source.handler.lost(["a/0"]);
  await source.handler.assigned("a/0", 2n, "0", { committed: true });
  source.feed(fakeBatch("a/0", 0, { epoch: 2n, rowCount: 3 }), fakeBatch("a/0", 1));
  await until(() => source.batches.length === 0);
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
  assertEquals(source.commits, ["a/0@2 3"]);
  assertEquals(units.map(({ ranges }) => ranges[0].epoch), [2n], "the old epoch's rows were not written");
});

for (const how of ["lost", "revoked too late"] as const) {
  Deno.test(`Collector writes a unit no further when all its splits are ${how}`, async () => {
    const { source, until, block, run, stop, units } = setup({ unitMaxRecords: 1 });
    let asked = false;
    block({ then: () => asked = true } as unknown as Promise<void>); // the store never answers
    source.feed(fakeBatch("a/0", 0));
    await until(() => asked);
    if (how === "lost") source.handler.lost(["a/0"]);
    else {
      let given = false;
      void source.handler.revoking(["a/0"], 1000).then(() => given = true);
      await until(() => given);
    }
    block(Promise.resolve());
    await source.handler.assigned("a/0", 2n, "0", { committed: true });
    source.feed(fakeBatch("a/0", 0, { epoch: 2n }));
    await until(() => source.commits.length > 0);
    stop.abort(new DOMException("stop", "AbortError"));
    await until(() => source.closed);
    await run;
    assertEquals(source.commits, ["a/0@2 1"]);
    assertEquals(units.map(({ ranges }) => ranges[0].epoch), [2n]);
  });
}

Deno.test("Collector goes on with its other splits when one is lost in a commit", async () => {
  const { source, until, run, stop } = setup({ unitMaxRecords: 1 });
  source.commitError = new SplitLostError("a/0", "epoch 1 is over");
  source.feed(fakeBatch("a/0", 0));
  await until(() => source.failedCommits > 0);
  source.commitError = undefined;
  await source.handler.assigned("b/1", 1n, "7", { committed: false });
  source.feed(fakeBatch("b/1", 7));
  await until(() => source.commits.includes("b/1@1 8"));
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
  assertEquals(source.commits, ["b/1@1 7", "b/1@1 8"]);
});

Deno.test("Collector pauses its source when writes don't free memory, and resumes when they do", async () => {
  const { source, until, block, metrics, run, stop } = setup({ memoryByteLength: 512 << 10 });
  const written = Promise.withResolvers<void>();
  block(written.promise);
  const batchCount = 40;
  source.feed(...Array.from({ length: batchCount }, (_, i) => fakeBatch("a/0", i, { byteLength: 40_000 })));
  await until(() => source.paused.length > 0);
  const left = source.batches.length;
  await until(() => metrics.total("collector_pauses_total") > 0);
  assert(left > 0 && left < batchCount);
  written.resolve();
  await until(() => source.commits.includes(`a/0@1 ${batchCount}`));
  stop.abort(new DOMException("stop", "AbortError"));
  await until(() => source.closed);
  await run;
  assertEquals(source.commits.at(-1), `a/0@1 ${batchCount}`);
});

/** Limits that everything passes. */
const TINY: Partial<CollectorLimits> = {
  streamMaxAgeMs: 10,
  streamMaxByteLength: 1,
  unitMaxAgeMs: 10,
  unitMaxRecords: 1,
  unitMaxRecordByteLength: 1,
  objectMaxByteLength: 1,
};

Deno.test("Collector ends units where a source says so, and nowhere else", async () => {
  const { source, units, run, until, triggers, metrics, time } = setup(TINY, { cutsUnits: true });
  source.feed(fakeBatch("a/0", 0), { ...fakeBatch("a/0", 1), cut: "block" }, fakeBatch("a/0", 2));
  await until(() => time.nowMs > 60_000);
  assertEquals([units.length, source.commits], [0, []], "no age, no size");
  const seals = () =>
    metrics.samples().filter(({ name }) => name === "collector_seals_total").map(({ labels, value }) => [
      labels.trigger,
      value,
    ]);
  assertEquals(seals(), [["block", 1]]);
  source.feed({ ...fakeBatch("a/0", 3), cut: "unit" }, fakeBatch("a/0", 4), "end");
  await until(() => source.closed);
  await run;
  const ranges = units.map(({ ranges }) => ranges.map(({ start, next }) => `${start}-${next}`));
  assertEquals([ranges, triggers()], [[["0-4"], ["4-5"]], ["cut", "end"]]);
  assertEquals(source.commits, ["a/0@1 4", "a/0@1 5"]);
  assertEquals(units.map(({ outputs }) => outputs.length), [2, 1], "a piece a block");
  assertEquals(seals(), [["block", 1], ["unit", 2]]);
});

Deno.test("Collector drops the open unit of a source that cuts units when it is stopped, and commits those before", async () => {
  const { source, units, run, stop, until, block } = setup({}, { cutsUnits: true });
  const written = Promise.withResolvers<void>();
  block(written.promise);
  source.feed({ ...fakeBatch("a/0", 0), cut: "unit" }, fakeBatch("a/0", 1));
  await until(() => source.batches.length === 0);
  stop.abort(new DOMException("stop", "AbortError"));
  written.resolve();
  await until(() => source.closed);
  await run;
  assertEquals([units.length, source.commits], [1, ["a/0@1 1"]]);
});

Deno.test("Collector drops the open unit of a source that cuts units when it fails", async () => {
  const { source, units, run, until } = setup({}, { cutsUnits: true });
  source.feed({ ...fakeBatch("a/0", 0), cut: "unit" }, fakeBatch("a/0", 1), new FatalError("b.gz is truncated"));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "b.gz is truncated");
  assertEquals([units.length, source.commits], [1, ["a/0@1 1"]]);
});

Deno.test("Collector says so when a unit that a source cuts is larger than the memory", async () => {
  const { source, units, run, until } = setup({ memoryByteLength: 1 << 20 }, { cutsUnits: true });
  const batches = Array.from({ length: 40 }, (_, i) => fakeBatch("a/0", i, { byteLength: 100_000 }));
  source.feed(...batches.map((batch) => ({ ...batch, cut: "block" as const })));
  await until(() => source.closed);
  await assertRejects(() => run, FatalError, "a single unit fills the 1048576 bytes of memory for buffers");
  assertEquals([units, source.commits], [[], []]);
});

Deno.test("Collector lets a source that cuts units wait while units are being written", async () => {
  const { source, units, run, until, block, triggers } = setup({ memoryByteLength: 1 << 20 }, { cutsUnits: true });
  const written = Promise.withResolvers<void>();
  block(written.promise);
  const batches = Array.from({ length: 40 }, (_, i) => fakeBatch("a/0", i, { byteLength: 100_000 }));
  source.feed(
    ...batches.map((batch, i) => ({ ...batch, cut: i % 4 === 3 ? "unit" as const : "block" as const })),
    "end",
  );
  let left = -1;
  await until(() => left === (left = source.batches.length) && left < 40);
  assert(left > 0, "it would have read everything");
  written.resolve();
  await until(() => source.closed);
  await run;
  assertEquals([units.length, triggers(), source.commits.at(-1)], [10, ["cut"], "a/0@1 40"]);
});
