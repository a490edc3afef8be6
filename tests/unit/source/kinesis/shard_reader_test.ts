import { assertEquals } from "@std/assert";
import type { Gap } from "../../../../src/records/gap.ts";
import { ByteBudget } from "../../../../src/runtime/byte_budget.ts";
import { RetriableError } from "../../../../src/runtime/errors.ts";
import { Metrics } from "../../../../src/runtime/metrics.ts";
import { END_POSITION, positionAfter } from "../../../../src/source/kinesis/leases/checkpoint.ts";
import { HeldLease } from "../../../../src/source/kinesis/leases/held_lease.ts";
import {
  ExpiredIteratorError,
  type IteratorPlace,
  type KinesisApi,
  type PushedPage,
  type RecordsPage,
  ShardGoneError,
  type StreamRecord,
} from "../../../../src/source/kinesis/aws/kinesis_api.ts";
import { parseLease } from "../../../../src/source/kinesis/leases/lease.ts";
import { LeaseTable } from "../../../../src/source/kinesis/leases/lease_table.ts";
import { endBatch } from "../../../../src/source/kinesis/shards/record_chunk.ts";
import { SHARD_LIMITS, ShardReader } from "../../../../src/source/kinesis/shards/shard_reader.ts";
import { SimClock, SimTime, turn } from "../../../sim/sim_clock.ts";
import { SimLeaseStore, SimTable } from "../../../sim/sim_lease_store.ts";
import { testRuntime } from "../../../support/stored_object.ts";

const LIMIT = { maxBytes: 1 << 20, maxRows: 1000 };
const CALM = { error: 0, lostAnswer: 0, slow: 0 };

function records(...sequences: readonly number[]): StreamRecord[] {
  return sequences.map((sequence) => ({
    sequence: String(sequence),
    data: new TextEncoder().encode(`r${sequence}`),
    partitionKey: "k",
    arrivalMs: 0,
  }));
}

type Asked = string;

/** Answers of the stream, one after the other; the last one for ever. */
interface Script {
  readonly reads?: (RecordsPage | Error)[];
  readonly pushes?: (readonly PushedPage[] | Error)[];
  readonly checkpoint?: string;
}

class World {
  readonly asked: { readonly what: Asked; readonly atMs: number }[] = [];
  readonly time = new SimTime();
  readonly reader: ShardReader;
  readonly held: HeldLease;
  readonly running: Promise<void>;
  readonly metrics = new Metrics();
  /** What batches said is lost. */
  readonly gaps: Gap[] = [];

  constructor({ reads = [], pushes = [], checkpoint = "TRIM_HORIZON" }: Script) {
    const clock = new SimClock(this.time, new AbortController().signal, { skewMs: 0, drift: 1 });
    const runtime = testRuntime({ clock, metrics: this.metrics });
    const network = { clock, random: runtime.random, rates: CALM };
    const table = new LeaseTable(new SimLeaseStore(new SimTable(), network, this.time), "me", runtime);
    const lease = parseLease({ leaseKey: { S: "x" }, leaseCounter: { N: "1" }, checkpoint: { S: checkpoint } })!;
    this.held = new HeldLease(lease, {
      table,
      clock,
      failoverTimeMs: 1e9,
      sentMs: 0,
      epoch: 1n,
      reportsThroughput: false,
    });
    const ask = (what: string) => void this.asked.push({ what, atMs: Math.round(this.time.nowMs) });
    const next = <T>(answers: (T | Error)[]): Promise<T> => {
      const answer = answers.length > 1 ? answers.shift()! : answers[0];
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
    const describe = (place: IteratorPlace) => `${place.type}${"sequence" in place ? ` ${place.sequence}` : ""}`;
    const api: Partial<KinesisApi> = {
      getIterator: (_shard, place) => {
        ask(describe(place));
        return Promise.resolve("iterator");
      },
      getRecords: () => {
        ask("read");
        return next(reads);
      },
      subscribe: async (_shard, place) => {
        ask(describe(place));
        const pages = await next(pushes);
        return (async function* () {
          yield* pages;
        })();
      },
    };
    this.reader = new ShardReader({
      api: api as KinesisApi,
      runtime,
      split: "s/x",
      held: this.held,
      start: positionAfter(lease.checkpoint),
      startTimestampMs: undefined,
      bound: null,
      limits: { maxRecords: undefined, pollIntervalMs: 1000, maxPageBytes: 10 << 20, ...SHARD_LIMITS },
      subscribes: pushes.length > 0,
      wantsKeys: false,
      maxRecordByteLength: 1000,
      budget: new ByteBudget(1 << 24),
      calls: new ByteBudget(4),
      onReady() {},
    });
    this.running = this.reader.run();
    this.#tick();
  }

  /** Time goes on even while nobody waits for it. */
  #tick(): void {
    this.time.add(this.time.nowMs + 20, () => this.#tick());
  }

  /** Lets everything happen until the simulated time, taking whatever there is. Returns the positions after each batch. */
  async until(untilMs: number, takes = true): Promise<string[]> {
    const positions: string[] = [];
    for (;;) {
      await turn();
      while (takes && this.reader.ready) positions.push(this.#take());
      if (this.time.nowMs >= untilMs) return positions;
      this.time.step();
    }
  }

  #take(): string {
    const batch = this.reader.take(LIMIT);
    if (batch !== "end" && batch.gap !== undefined) this.gaps.push(batch.gap);
    return batch === "end" ? "end" : batch.next;
  }

  get times(): number[] {
    return this.asked.filter(({ what }) => what === "read").map(({ atMs }) => atMs);
  }

  async stop(): Promise<void> {
    this.held.letGo();
    await turn();
    await this.running;
  }
}

const page = (found: StreamRecord[], more = true): RecordsPage => ({
  records: found,
  nextIterator: more ? "next" : undefined,
  behindLatestMs: 0,
});

Deno.test("a reader begins at the record of its checkpoint, and leaves that out", async () => {
  const world = new World({ reads: [page(records(7, 8)), page(records())], checkpoint: "7" });
  assertEquals(await world.until(100), ["8:1"]);
  assertEquals(world.asked[0].what, "AT_SEQUENCE_NUMBER 7");
  await world.stop();
});

Deno.test("a reader pauses after empty reads, and asks no more than 5 times a second otherwise", async () => {
  const empty = new World({ reads: [page(records())] });
  await empty.until(10_000);
  const gaps = empty.times.slice(1).map((time, i) => time - empty.times[i]);
  assertEquals(gaps.every((gap) => gap >= 1000 && gap <= 1501), true, gaps.join());
  await empty.stop();
  let sequence = 0;
  const reads: RecordsPage[] = Array.from({ length: 30 }, () => page(records(++sequence)));
  const busy = new World({ reads });
  await busy.until(2000);
  assertEquals(busy.times.length, 11);
  await busy.stop();
});

Deno.test("a reader keeps to 2 MB a second", async () => {
  const large = (sequence: number) => page([{ ...records(sequence)[0], data: new Uint8Array(4 << 20) }]);
  const world = new World({ reads: [large(1), large(2), large(3), large(4)] });
  await world.until(5500);
  assertEquals(world.times, [0, 2000, 4000]);
  await world.stop();
});

Deno.test("a reader goes on where it was when its iterator has expired", async () => {
  const reads = [page(records(1, 2)), new ExpiredIteratorError("old"), page(records(2, 3)), page(records())];
  const world = new World({ reads });
  assertEquals(await world.until(900), ["2:1", "3:1"]);
  const places = world.asked.filter(({ what }) => what !== "read").map(({ what }) => what);
  assertEquals(places, ["TRIM_HORIZON", "AT_SEQUENCE_NUMBER 2"]);
  assertEquals(world.metrics.total("collector_kinesis_expired_iterators_total"), 1);
  await world.stop();
});

Deno.test("a reader gets a new iterator when it has waited for longer than they live", async () => {
  const world = new World({ reads: [page(records(1)), page(records(2)), page(records(3))] });
  await world.until(1000, false); // nobody takes: two chunks wait
  assertEquals(world.times.length, 2);
  await world.until(400_000, false);
  assertEquals(await world.until(400_500), ["1:1", "2:1", "3:1"]);
  assertEquals(world.asked.filter(({ what }) => what.includes(" 2")).length, 1);
  await world.stop();
});

Deno.test("a reader backs off while it is throttled, and loses nothing", async () => {
  const throttled = new RetriableError("slow down", { throttled: true });
  const world = new World({ reads: [...Array(6).fill(throttled), page(records(1)), page(records())] });
  assertEquals(await world.until(60_000), ["1:1"]);
  const gaps = world.times.slice(1, 7).map((time, i) => time - world.times[i]);
  gaps.forEach((gap, i) => assertEquals(gap >= 200 * 2 ** i && gap <= 10_001, true, gaps.join()));
  await world.stop();
});

Deno.test("a reader says when the record of its checkpoint has left the stream", async () => {
  const cases: [number[], number][] = [[[7, 8], 0], [[9], 1], [[], 1]];
  for (const [sequences, skips] of cases) {
    const pages = [page(records()), page(records(...sequences)), page(records(20)), page(records())];
    const world = new World({ reads: pages, checkpoint: "7" });
    await world.until(5000);
    assertEquals([world.reader.skips, world.metrics.total("collector_kinesis_skips_total")], [skips, skips]);
    const first = sequences[0] ?? 20;
    const gap = { reason: "expired", start: "7:1", next: `${first}:0`, records: null } as const;
    assertEquals(world.gaps, skips === 0 ? [] : [gap]);
    await world.stop();
  }
  const pushed = [{ records: records(9), continuation: "9", behindLatestMs: 0 }];
  const world = new World({ checkpoint: "7", pushes: [pushed, new RetriableError("not now")] });
  await world.until(5000);
  assertEquals(world.gaps, [{ reason: "expired", start: "7:1", next: "9:0", records: null }], "pushed");
  await world.stop();
});

Deno.test("a reader that is far behind goes on at once after a page without records", async () => {
  const behind = { ...page(records()), behindLatestMs: 60_000 };
  const world = new World({ reads: [behind, behind, behind, page(records(1)), page(records())] });
  assertEquals(await world.until(1500), ["1:1"]);
  assertEquals(world.times.slice(0, 4), [0, 200, 400, 600]);
  await world.stop();
});

Deno.test("a reader that is paused asks for nothing more, and gives nothing", async () => {
  const world = new World({ reads: [page(records(1)), page(records(2)), page(records(3))] });
  await world.until(100);
  world.reader.paused = true;
  assertEquals(await world.until(5000), []);
  assertEquals(world.times.length <= 3, true);
  world.reader.paused = false;
  assertEquals((await world.until(6000)).at(-1), "3:1");
  await world.stop();
});

Deno.test("a reader ends with the shard, after its last record", async () => {
  for (const last of [page(records(2), false), page(records(), false)]) {
    const world = new World({ reads: [page(records(1)), last] });
    assertEquals((await world.until(5000)).at(-1), "end");
    await world.running;
    assertEquals(world.reader.ready, false);
  }
});

Deno.test("a reader ends a shard that has left the stream", async () => {
  const world = new World({ reads: [page(records(1)), new ShardGoneError("gone")] });
  assertEquals(await world.until(5000), ["1:1", "end"]);
  await world.running;
  const place = { split: "s/x", epoch: 1n, start: world.reader.delivered };
  const gap = { reason: "expired", start: "1:1", next: END_POSITION, records: null } as const;
  assertEquals(endBatch(place, { gone: world.reader.shardGone }).gap, gap);
});

Deno.test("a reader stops, and says so, when something can't be mended", async () => {
  const world = new World({ reads: [new TypeError("a bug")] });
  await world.until(1000);
  await world.running;
  assertEquals((world.reader.failure as Error).message, "a bug");
});

Deno.test("a reader that is pushed to subscribes again where it was, until the shard's end", async () => {
  const pushed = (found: StreamRecord[], continuation: string | undefined): PushedPage => ({
    records: found,
    continuation,
    behindLatestMs: 0,
  });
  const world = new World({
    checkpoint: "7",
    pushes: [
      [pushed(records(7, 8), "8"), pushed(records(), "9"), pushed(records(10), "12")],
      new RetriableError("another subscription is active"),
      [pushed(records(13), "13"), pushed(records(), undefined)],
    ],
  });
  assertEquals(await world.until(20_000), ["8:1", "10:1", "13:1", "end"]);
  assertEquals(world.asked.map(({ what }) => what), [
    "AT_SEQUENCE_NUMBER 7",
    "AFTER_SEQUENCE_NUMBER 12",
    "AFTER_SEQUENCE_NUMBER 12",
  ]);
  await world.running;
});
