import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import fc from "fast-check";
import { NO_PROGRESS } from "../../../src/replay/job_file.ts";
import { InvariantError } from "../../../src/runtime/errors.ts";
import type { RecordBatch } from "../../../src/records/record_batch.ts";
import type { FakeRecords, FakeSplit } from "./fake_ranges.ts";
import { NEVER, type ReadUnit, ReplayReader } from "./replay_reader.ts";

const MB = 1 << 20;

/** Lengths around those at which turns end, empty records and positions without a record among them. */
const record = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 400_000 }) },
  { weight: 2, arbitrary: fc.constantFrom<(number | "gap")[]>(0, 0, MB / 2, MB / 2, MB / 4, MB - 1, MB, 3 * MB) },
  { weight: 1, arbitrary: fc.constant<"gap">("gap") },
);

/** Up to 40 splits; some come after one or two others, wherever these stand, or after one that isn't in the plan. */
const splits: fc.Arbitrary<FakeSplit[]> = fc.array(
  fc.record({
    records: fc.array(record, { minLength: 1, maxLength: 20 }) as fc.Arbitrary<FakeRecords>,
    openEnd: fc.boolean(),
    generation: fc.nat({ max: 3 }),
    parents: fc.array(fc.nat({ max: 1000 }), { maxLength: 2 }),
  }),
  { minLength: 1, maxLength: 40 },
).map((all) => {
  const nameOf = (i: number) => `s/${i}`;
  return all.map(({ records, openEnd, generation, parents }, i) => {
    const older = all.flatMap((other, j) => other.generation < generation ? [nameOf(j)] : []);
    const after = parents.map((parent) => older[parent % (older.length + 1)] ?? "s/expired");
    return { split: nameOf(i), records, openEnd, after };
  });
});

const seeds = fc.array(fc.nat(), { minLength: 2, maxLength: 2 });
const unitByteLengths = fc.constantFrom(MB, 3 * MB, 9 * MB, 20 * MB, 1000 * MB);

async function readWhole(all: readonly FakeSplit[], unitByteLength: number, seed: number): Promise<ReadUnit[]> {
  const reader = new ReplayReader(all, { unitByteLength, seed });
  assert(await reader.run(Infinity));
  assertEquals(reader.saved.length, reader.units.length);
  return reader.units;
}

Deno.test("ReplaySource returns the same units, blocks and records however the batches are cut", async () => {
  await fc.assert(
    fc.asyncProperty(splits, unitByteLengths, seeds, async (all, unitByteLength, [one, other]) => {
      assertEquals(await readWhole(all, unitByteLength, one), await readWhole(all, unitByteLength, other));
    }),
    { seed: 1, numRuns: 600 },
  );
});

Deno.test("ReplaySource returns every record once, and each split in its order", async () => {
  await fc.assert(
    fc.asyncProperty(splits, unitByteLengths, fc.nat(), async (all, unitByteLength, seed) => {
      const units = await readWhole(all, unitByteLength, seed);
      const records = units.flatMap(({ blocks }) =>
        blocks.flatMap((block) => block.split(" ").filter((id) => id !== ""))
      );
      for (const { split, records: lengths } of all) {
        const own = records.filter((id) => id.startsWith(`${split}:`));
        const expected = lengths.flatMap((length, position) => length === "gap" ? [] : [`${split}:${position}`]);
        assertEquals(own, expected);
      }
    }),
    { seed: 2, numRuns: 50 },
  );
});

Deno.test("ReplaySource goes on with the same units after a stop at any point", async () => {
  await fc.assert(
    fc.asyncProperty(
      splits,
      unitByteLengths,
      fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 5 }),
      fc.nat(),
      async (all, unitByteLength, stops, seed) => {
        const durable: ReadUnit[] = [];
        let progress = NO_PROGRESS, finished = false;
        for (let life = 0; !finished; life++) {
          const reader = new ReplayReader(all, { unitByteLength, seed: seed + life, progress });
          finished = await reader.run(stops[life] ?? Infinity);
          durable.push(...reader.units.slice(0, reader.saved.length));
          // As it is kept: a file of JSON.
          const { positions, rotation } = reader.saved.at(-1) ?? progress;
          progress = { positions: new Map(positions), rotation: JSON.parse(JSON.stringify(rotation)), missing: [] };
        }
        assertEquals(durable, await readWhole(all, unitByteLength, seed + 99));
      },
    ),
    { seed: 3, numRuns: 600 },
  );
});

/** `count` splits with a record of this length each. */
function small(count: number, byteLength = 10): FakeSplit[] {
  return Array.from({ length: count }, (_, i) => ({ split: `s/${i}`, records: [byteLength] }));
}

Deno.test("ReplaySource reads 16 splits in turn, and the next in the plan when one ends", async () => {
  const all = small(40).map((split, i) => i === 3 ? { ...split, records: Array(100).fill(MB) } : split);
  const reader = new ReplayReader(all, { unitByteLength: 1000 * MB, seed: 1 });
  await reader.open();
  await reader.poll();
  assertEquals(reader.ranges.begun.length, 16);
  while (await reader.poll());
  assertEquals(reader.ranges.begun.map(([split]) => split), all.map(({ split }) => split));
  assertEquals(reader.assigned, reader.ranges.begun);
});

Deno.test("ReplaySource reads splits after those that they come after, wherever these stand", async () => {
  const all: FakeSplit[] = [
    { split: "child", records: [1], after: ["parent", "expired"] },
    { split: "grandchild", records: [1], after: ["child"] },
    { split: "parent", records: [1, 1, MB, 1] },
    ...small(20),
  ];
  const reader = new ReplayReader(all, { unitByteLength: MB, seed: 1 });
  assert(await reader.run(Infinity));
  const order = reader.units.flatMap(({ blocks }) => blocks.flatMap((block) => block.split(" ")));
  const at = (id: string) => order.indexOf(id);
  assert(at("parent:3") < at("child:0") && at("child:0") < at("grandchild:0"), order.join(" "));
  assertEquals(order.length, 26);
});

Deno.test("ReplaySource goes on with the splits that took turns, not with earlier ones that wait for a place", async () => {
  const child = (split: string): FakeSplit => ({ split, records: [MB / 2, MB / 2], after: ["parent"] });
  const others = small(20).map(({ split }) => ({ split, records: Array(6).fill(MB / 2) }));
  const all = [child("a"), child("b"), child("c"), { split: "parent", records: [1] }, ...others];
  const whole = new ReplayReader(all, { unitByteLength: 5 * MB, seed: 1 });
  assert(await whole.run(Infinity));
  for (const [i, progress] of whole.saved.entries()) {
    const rest = new ReplayReader(all, { unitByteLength: 5 * MB, seed: 1, progress });
    assert(await rest.run(Infinity));
    assertEquals(rest.units, whole.units.slice(i + 1));
  }
});

Deno.test("ReplaySource covers positions without records at a split's end", async () => {
  const reader = new ReplayReader([{ split: "a", records: [MB, "gap", "gap"] }, { split: "b", records: ["gap"] }], {
    unitByteLength: MB,
    seed: 1,
  });
  assert(await reader.run(Infinity));
  assertEquals(reader.units, [
    { ranges: ["a [0,1)"], blocks: ["a:0"] },
    { ranges: ["a [1,3)", "b [0,1)"], blocks: [""] },
  ]);
});

Deno.test("ReplaySource returns records larger than a turn and than a unit", async () => {
  const reader = new ReplayReader([{ split: "a", records: [5, 7 * MB, 5, 2 * MB] }], { unitByteLength: MB, seed: 1 });
  assert(await reader.run(Infinity));
  assertEquals(reader.units.map(({ ranges }) => ranges), [["a [0,2)"], ["a [2,4)"]]);
});

Deno.test("ReplaySource ends units of records that have no bytes", async () => {
  const records = Array(700_000).fill(0);
  const reader = new ReplayReader([{ split: "a", records }], { unitByteLength: MB, seed: 1 });
  assert(await reader.run(Infinity));
  assert(reader.units.length > 1, "nothing would be kept before the end");
});

Deno.test("ReplaySource without splits has nothing to do", async () => {
  const reader = new ReplayReader([], { unitByteLength: MB, seed: 1 });
  assert(await reader.run(1));
  assertEquals([reader.units, reader.saved, reader.source.share], [[], [], NaN]);
});

/** Two units, cut and not committed. */
async function twoUnits(): Promise<ReplayReader> {
  const reader = new ReplayReader([{ split: "a", records: [MB, MB] }, { split: "b", records: [MB, MB] }], {
    unitByteLength: 2 * MB,
    seed: 1,
  });
  await reader.open();
  while (await reader.poll());
  assertEquals(reader.units.map(({ ranges }) => ranges), [["a [0,1)", "b [0,1)"], ["a [1,2)", "b [1,2)"]]);
  return reader;
}

/** Lets everything that can go on go on. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("ReplaySource keeps no part of a unit: a commit waits for those of the other splits", async () => {
  const reader = await twoUnits();
  let committed = false;
  const first = reader.source.commit("b", 1n, "1", NEVER).then(() => committed = true);
  await settle();
  assertEquals([committed, reader.saved.length, reader.source.done], [false, 0, false]);
  await reader.source.commit("a", 1n, "1", NEVER);
  await first;
  assertEquals([...reader.saved[0].positions], [["a", "1"], ["b", "1"]]);
  assertFalse(reader.source.done);
});

Deno.test("ReplaySource gives a commit up when it is told to, and goes on without it", async () => {
  const reader = await twoUnits();
  const stop = new AbortController();
  const first = reader.source.commit("a", 1n, "1", stop.signal);
  stop.abort(new Error("killed"));
  await assertRejects(() => first, Error, "killed");
  assertEquals(reader.saved, []);
});

Deno.test("ReplaySource waits once for all commits of a unit, however many splits it has", async () => {
  const splits = Array.from({ length: 50 }, (_, i) => ({ split: `s${i + 10}`, records: [1] }));
  const reader = new ReplayReader(splits, { unitByteLength: MB, seed: 1 });
  await reader.open();
  while (await reader.poll());
  const { signal } = new AbortController();
  let listeners = 0;
  const listen = signal.addEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof listen>) => {
    listeners++;
    listen(...args);
  };
  await Promise.all(splits.map(({ split }) => reader.source.commit(split, 1n, "1", signal)));
  assertEquals([listeners, reader.saved.length], [1, 1]);
});

Deno.test("ReplaySource fails the commits of a unit, and those after it, when its progress can't be kept", async () => {
  const reader = await twoUnits();
  reader.saveError = new Error("disk full");
  const both = [reader.source.commit("a", 1n, "1", NEVER), reader.source.commit("b", 1n, "1", NEVER)];
  for (const { status } of await Promise.allSettled(both)) assertEquals(status, "rejected");
  reader.saveError = null;
  const later = [reader.source.commit("a", 1n, "2", NEVER), reader.source.commit("b", 1n, "2", NEVER)];
  for (const { status } of await Promise.allSettled(later)) assertEquals(status, "rejected");
  assertEquals(reader.saved, [], "a later unit's progress would cover the lost one");
  await reader.source.close();
  assertEquals(reader.ranges.closed, 1);
});

Deno.test("ReplaySource refuses a commit where no unit ends, and a poll before it is open", async () => {
  const reader = await twoUnits();
  await assertRejects(() => reader.source.commit("a", 1n, "7", NEVER), InvariantError, "a at 7");
  await assertRejects(() => reader.source.commit("c", 1n, "1", NEVER), InvariantError, "c at 1");
  const unopened = new ReplayReader(small(1), { unitByteLength: MB, seed: 1 });
  await assertRejects(() => unopened.poll(), InvariantError, "poll before open");
});

Deno.test("ReplaySource loses nothing when a poll is given up", async () => {
  const reader = new ReplayReader(small(3), { unitByteLength: MB, seed: 1 });
  await reader.open();
  const stop = new AbortController();
  reader.ranges.onRead = () => {
    stop.abort(new Error("enough"));
    return Promise.resolve();
  };
  await assertRejects(() => reader.source.poll({ maxBytes: MB, maxRows: 10 }, stop.signal), Error, "enough");
  reader.ranges.onRead = () => Promise.resolve();
  while (await reader.poll());
  assertEquals(reader.units, [{ ranges: ["s/0 [0,1)", "s/1 [0,1)", "s/2 [0,1)"], blocks: ["s/0:0 s/1:0 s/2:0"] }]);
});

Deno.test("ReplaySource opens only what isn't read yet", async () => {
  const all = small(3);
  const progress = {
    positions: new Map([["s/0", "1"], ["s/1", "1"]]),
    rotation: { ended: ["s/0"], open: ["s/1"] },
    missing: ["records of s/0 expired"],
  };
  const reader = new ReplayReader(all, { unitByteLength: MB, seed: 1, progress });
  reader.ranges.missing = () => ["records of s/1 expired", "records of s/0 expired"];
  assert(await reader.run(Infinity));
  assertEquals(reader.saved.at(-1)!.missing, ["records of s/0 expired", "records of s/1 expired"]);
  assertEquals(reader.ranges.opened, ["s/1", "s/2"]);
  assertEquals(reader.ranges.begun, [["s/1", "1"], ["s/2", "0"]]);
  assertEquals(reader.units, [{ ranges: ["s/2 [0,1)"], blocks: ["s/2:0"] }]);
});

Deno.test("ReplaySource tells how much of the weights is done", async () => {
  const all: FakeSplit[] = [{ split: "a", records: [1, 1, 1] }, { split: "b", records: Array(7).fill(MB) }];
  const reader = new ReplayReader(all, { unitByteLength: MB, seed: 1 });
  assertEquals(reader.source.share, 0);
  await reader.open();
  const shares: number[] = [];
  while (await reader.poll()) shares.push(reader.source.share);
  assertEquals(shares, [...shares].sort((x, y) => x - y));
  assertEquals(shares.at(-1), 1);
});

Deno.test("ReplaySource asks for no more than fits the caller's limit", async () => {
  const reader = new ReplayReader(small(1, 100), { unitByteLength: MB, seed: 1 });
  await reader.open();
  const batch = await reader.source.poll({ maxBytes: 64 << 10, maxRows: 7 }, NEVER) as RecordBatch;
  assertEquals(batch.rowCount, 1);
  assertEquals(reader.ranges.limits, [{ maxBytes: 64 << 10, maxRows: 7 }]);
});
