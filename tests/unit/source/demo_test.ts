import { join } from "node:path";
import { assert, assertEquals, assertGreater, assertLessOrEqual, assertNotEquals, assertRejects } from "@std/assert";
import { FatalError, InvariantError } from "../../../src/runtime/errors.ts";
import { type DemoConfig, demoSource } from "../../../src/source/demo.ts";
import { EventWriter, makeTemplates } from "../../../src/source/sample/event_writer.ts";
import { sampleEvents } from "../../../src/source/sample/sample.ts";
import { generateSample } from "../../../src/source/sample/generate.ts";
import type { RecordBatch } from "../../../src/records/record_batch.ts";
import type { Source, SourceHandler } from "../../../src/source/source.ts";
import { splitPart } from "../../../src/records/position.ts";
import { textsOf } from "../../support/batch_texts.ts";
import { defaultConfig } from "../../support/default_config.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { testRuntime } from "../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const LIMIT = { maxBytes: 1 << 20, maxRows: 100_000 };
const IGNORE: SourceHandler = { assigned: () => Promise.resolve(), revoking: () => Promise.resolve(), lost() {} };

async function open(fields: Partial<DemoConfig>, clock = new ManualClock()): Promise<Source> {
  const config = defaultConfig(demoSource.options, fields);
  const context = {
    runtime: testRuntime({ clock }),
    wants: { keys: false, headers: false },
    maxRecordByteLength: 1 << 20,
  };
  const source = demoSource.create(config, context);
  await source.open(IGNORE, NEVER);
  return source;
}

async function batches(source: Source, limit = LIMIT): Promise<RecordBatch[]> {
  const all: RecordBatch[] = [];
  for (let batch; (batch = await source.poll(limit, NEVER)) !== "end";) all.push(batch);
  return all;
}

async function allTexts(fields: Partial<DemoConfig>, limit = LIMIT): Promise<Map<string, string[]>> {
  const source = await open({ rate: 0, ...fields });
  const bySplit = new Map<string, string[]>();
  for (const batch of await batches(source, limit)) {
    bySplit.set(batch.split, [...(bySplit.get(batch.split) ?? []), ...textsOf(batch)]);
  }
  await source.close();
  return bySplit;
}

Deno.test("the demo makes the same events from the same seed, in batches of any size", async () => {
  const config = { total: 300, splits: 3, seed: 5 };
  const first = await allTexts(config);
  assertEquals(await allTexts(config, { maxBytes: 5000, maxRows: 7 }), first);
  assertEquals([...first.values()].map(({ length }) => length), [100, 100, 100]);
  const other = [...(await allTexts({ ...config, seed: 6 })).entries()];
  assert(other.every(([split]) => !first.has(split)), "another seed gave the same split names");
  assertNotEquals(other[0][1], [...first.values()][0]);
  assertNotEquals([...first.values()][0], [...first.values()][1]);
});

Deno.test("the demo gives a split the same events, however many splits and events there are", async () => {
  const few = await allTexts({ total: 20, splits: 1 });
  const many = await allTexts({ total: 403, splits: 4 });
  assertEquals(few.get("demo-1/0"), many.get("demo-1/0")?.slice(0, 20));
  assertEquals([...many.values()].map(({ length }) => length), [101, 101, 101, 100]);
});

Deno.test("the demo's events are whole JSON, of two projects and five collections, with times of their own", async () => {
  const [events] = [...(await allTexts({ total: 5000, splits: 1 })).values()].map((all) =>
    all.map((t) => JSON.parse(t))
  );
  assertEquals(new Set(events.map(({ project }) => project)).size, 2);
  assertEquals(new Set(events.map(({ collection }) => collection)).size, 5);
  events.forEach(({ properties }, i) => {
    assertEquals(new Date(properties._time).getTime(), Date.UTC(2026, 8, 1, 6) + 10 * i);
    assert(/^u1[01]\d{4}$/.test(properties._user), properties._user);
  });
  assertGreater(new Set(events.map(({ properties }) => properties._user)).size, 3000);
});

Deno.test("EventWriter writes far events too, within a week", () => {
  const writer = new EventWriter(makeTemplates(1), { seed: 1, stream: 3 });
  const bytes = new Uint8Array(writer.maxEventByteLength);
  for (const index of [0, 59_999, 8_639_999, 2 ** 31, 2 ** 32, 2 ** 40]) {
    const end = writer.write(bytes, 0, index);
    const { properties } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    const timeMs = new Date(properties._time).getTime();
    assertEquals(timeMs, writer.timeMs(index));
    assertLessOrEqual(timeMs, Date.UTC(2026, 8, 8, 6));
  }
});

/** How many events come until the clock has reached `untilMs`. */
async function countUntil(source: Source, clock: ManualClock, untilMs: number): Promise<number> {
  let rows = 0;
  const stop = new AbortController();
  const polling = (async () => {
    for (;;) {
      const batch = await source.poll(LIMIT, stop.signal);
      if (batch === "end") return;
      rows += batch.rowCount;
    }
  })().catch((error) => {
    if (error !== "enough") throw error;
  });
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  await turn();
  while (clock.monotonicMs() < untilMs) {
    clock.advance(Math.min(untilMs / 287, untilMs - clock.monotonicMs())); // no divisor of any rate
    await turn();
  }
  stop.abort("enough");
  await polling;
  return rows;
}

for (const [rate, seconds] of [[1000, 2], [7, 10], [0.5, 20], [123_456.7, 1]] as const) {
  Deno.test(`the demo keeps to ${rate} events a second, without drift`, async () => {
    const clock = new ManualClock();
    const source = await open({ rate }, clock);
    const rows = await countUntil(source, clock, seconds * 1000);
    const portion = Math.max(1, rate / 10);
    assertLessOrEqual(rows, rate * seconds);
    assertGreater(rows, rate * seconds - 2 * portion);
    await source.close();
  });
}

Deno.test("the demo's waits end with the signal, and lose no events", async () => {
  const clock = new ManualClock();
  const source = await open({ rate: 1, total: 2, splits: 1 }, clock);
  const stop = new AbortController();
  const poll = source.poll(LIMIT, stop.signal);
  stop.abort(new Error("stop"));
  await assertRejects(() => poll, Error, "stop");
  clock.advance(10_000);
  const all = await batches(source);
  assertEquals(all.flatMap(textsOf).length, 2);
  await source.close();
});

Deno.test("the demo goes on where it was with a checkpoint file, and begins anew without one", () =>
  inScratchDirectory(async (directory) => {
    const config = { rate: 0, total: 100, splits: 2, checkpoint: join(directory, "checkpoint.json") };
    const first = await open(config);
    const [one, two] = [await first.poll({ maxBytes: 1 << 20, maxRows: 30 }, NEVER), await first.poll(LIMIT, NEVER)];
    assert(one !== "end" && two !== "end");
    await assertRejects(() => first.commit(one.split, one.epoch, "31", NEVER), InvariantError);
    await first.commit(one.split, one.epoch, one.next, NEVER);
    await first.commit(two.split, two.epoch, two.next, NEVER);
    await assertRejects(() => open(config), FatalError, "in use");
    await first.close();
    const second = await open(config);
    const rest = await batches(second);
    assertEquals(rest.map(({ split, start, next }) => [splitPart(split), start, next]), [["0", "30", "50"]]);
    assertGreater(rest[0].epoch, one.epoch);
    await second.close();
    assertEquals((await allTexts({ total: 100, splits: 2 })).size, 2);
  }));

Deno.test("the sample events are what their generator makes, and fit", async () => {
  const text = await Deno.readTextFile(new URL("../../../src/source/sample/events.json", import.meta.url));
  assert(text === generateSample(), "run src/source/sample/generate.ts");
  assertLessOrEqual(text.length, 400_000);
  const { bytes, timeMs } = await sampleEvents();
  const events = new TextDecoder().decode(bytes).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(events.length, 1000);
  for (const { project, collection, properties } of events) {
    assertEquals([typeof project, typeof collection], ["string", "string"]);
    assertGreater(timeMs, new Date(properties._time).getTime());
  }
});
