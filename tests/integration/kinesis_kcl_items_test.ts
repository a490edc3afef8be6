/** Items of the lease table as KCL workers of each version write them: taken over, worked on, and given back whole. */
import { assert, assertEquals } from "@std/assert";
import type { Item } from "../../src/source/kinesis/leases/lease_store.ts";
import { WorkerRow } from "../../src/source/kinesis/leases/worker_row.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { SilentWorld } from "../support/kinesis_table.ts";
import { testRuntime } from "../support/stored_object.ts";

const SEQUENCE = "49680478795460188555212863115272971761237870900905246722";
const LATER = "49680478795460188555212863115272971761237870900905246999";

/** As a 1.x worker of a plain application leaves it. */
const KCL_1 = {
  leaseKey: { S: "shardId-000000000000" },
  leaseOwner: { S: "host-1:6f1c" },
  leaseCounter: { N: "1041" },
  ownerSwitchesSinceCheckpoint: { N: "2" },
  checkpoint: { S: SEQUENCE },
  checkpointSubSequenceNumber: { N: "7" },
  parentShardId: { SS: ["shardId-000000000007", "shardId-000000000008"] },
};

/** 2.x: hash range, children of a shard that ended, and a checkpoint that was begun. */
const KCL_2 = {
  ...KCL_1,
  leaseKey: { S: "shardId-000000000001" },
  pendingCheckpoint: { S: LATER },
  pendingCheckpointSubSequenceNumber: { N: "3" },
  pendingCheckpointState: { B: Uint8Array.of(0, 1, 254, 255) },
  startingHashKey: { S: "0" },
  endingHashKey: { S: "340282366920938463463374607431768211455" },
};

/** 3.x: throughput and the kind of the item; and something that only a later version knows. */
const KCL_3 = {
  ...KCL_2,
  leaseKey: { S: "shardId-000000000002" },
  throughputKBps: { N: "17.5" },
  entityType: { S: "LEASE" },
  checkpointOwnerTimeoutTimestampMillis: { N: "1790000000000" },
  somethingNew: { M: { a: { L: [{ N: "1" }, { BOOL: true }] } } },
};

/** Rows that share the table and are no leases. */
const OTHERS: readonly Item[] = [
  { leaseKey: { S: "Leader" }, entityType: { S: "LEADER" }, leaseCounter: { N: "5" }, leaseOwner: { S: "host-1" } },
  { leaseKey: { S: "Migration3.0" }, entityType: { S: "CLIENT_VERSION_MIGRATION" }, cv: { S: "CLIENT_VERSION_3X" } },
  {
    leaseKey: { S: "stream-x" },
    entityType: { S: "STREAM" },
    checkpoint: { S: "TRIM_HORIZON" },
    leaseCounter: { N: "0" },
  },
  { leaseKey: { S: "worker-1" }, entityType: { S: "WORKER_METRIC_STATS" }, sts: { M: {} }, lut: { N: "1" } },
  {
    leaseKey: { S: "TableMigration3.5" },
    entityType: { S: "TABLE_MIGRATION" },
    tm: { S: "TABLE_MIGRATION_STATUS_COMPLETE" },
  },
  { leaseKey: { S: "nonsense" }, leaseCounter: { N: "1" }, checkpoint: { S: "YESTERDAY" } },
];

function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false });
}

/** The item without what a write may change. */
function untouched(item: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { leaseCounter: _1, leaseOwner: _2, ownerSwitchesSinceCheckpoint: _3, ...rest } = item;
  return rest;
}

for (const [version, item] of Object.entries({ "1": KCL_1, "2": KCL_2, "3": KCL_3 })) {
  test(`a lease of KCL ${version} is taken, renewed and given back with all its attributes`, async () => {
    const { table, store, read } = await SilentWorld.with([item]);
    const [lease] = await table.list(store.signal);
    assertEquals([lease.owner, lease.counter, lease.checkpoint], ["host-1:6f1c", 1041n, {
      sequence: SEQUENCE,
      sub: 7,
    }]);
    const taken = await table.take(lease, store.signal);
    assertEquals((await read(lease.key))?.ownerSwitchesSinceCheckpoint, { N: "3" });
    const renewed = await table.renew(taken!, store.signal);
    assertEquals((await read(lease.key))?.leaseOwner, { S: "me" });
    assert(await table.giveUp(renewed!, store.signal));
    const after = (await read(lease.key))!;
    assertEquals(untouched(after), untouched(item));
    assertEquals([after.leaseOwner, after.leaseCounter], [undefined, { N: "1044" }]);
  });

  test(`a lease of KCL ${version} is checkpointed, and keeps what it is not about`, async () => {
    const { table, store, read } = await SilentWorld.with([item]);
    const [lease] = await table.list(store.signal);
    const taken = await table.take(lease, store.signal);
    assert(await table.checkpoint(taken!, { sequence: LATER, sub: 2 }, store.signal));
    const after = (await read(lease.key))!;
    const {
      pendingCheckpoint: _1,
      pendingCheckpointSubSequenceNumber: _2,
      pendingCheckpointState: _3,
      ...kept
    } = item as typeof KCL_2;
    assertEquals(untouched(after), {
      ...untouched(kept),
      checkpoint: { S: LATER },
      checkpointSubSequenceNumber: { N: "2" },
    });
    assertEquals(after.ownerSwitchesSinceCheckpoint, { N: "0" });
  });
}

test("what is no lease is neither taken nor touched", async () => {
  const { table, store, read } = await SilentWorld.with(OTHERS);
  assertEquals(await table.list(store.signal), []);
  for (const item of OTHERS) assertEquals(await read(item.leaseKey.S!), item);
});

test("a write with an old counter changes nothing", async () => {
  const { table, store, read, other } = await SilentWorld.with([KCL_2]);
  const [lease] = await table.list(store.signal);
  const mine = (await table.take(lease, store.signal))!;
  const theirs = (await other.take(mine, store.signal))!;
  const before = await read(lease.key);
  assertEquals(await table.renew(mine, store.signal), undefined);
  assertEquals(await table.checkpoint(mine, { sequence: LATER, sub: 0 }, store.signal), undefined);
  assertEquals(await table.setChildren(mine, ["x"], store.signal), undefined);
  assertEquals(await table.take(lease, store.signal), undefined);
  assertEquals(await table.giveUp(mine, store.signal), false);
  assertEquals(await table.delete(mine, store.signal), false);
  assertEquals(await read(lease.key), before);
  assert(await other.renew(theirs, store.signal));
});

test("writes whose answers are lost are known to have happened", async () => {
  const { table, store, read } = await SilentWorld.with([KCL_2]);
  const [lease] = await table.list(store.signal);
  store.loseNext();
  const taken = (await table.take(lease, store.signal))!;
  assertEquals(taken.counter, 1042n);
  store.loseNext();
  const renewed = (await table.renew(taken, store.signal))!;
  assertEquals(renewed.counter, 1043n);
  store.loseNext();
  const moved = (await table.checkpoint(renewed, { sequence: LATER, sub: 0 }, store.signal))!;
  assertEquals([moved.counter, (await read(lease.key))?.checkpoint], [1044n, { S: LATER }]);
  // A renewal that seemed to have failed for good, then a checkpoint with the counter from before it.
  await table.renew(moved, store.signal);
  assertEquals((await table.checkpoint(moved, { sequence: `${LATER}1`, sub: 0 }, store.signal))?.counter, 1046n);
});

test("a leader's handoff is noticed, finished under its own conditions, and then let go", async () => {
  const { table, store, read, put } = await SilentWorld.with([KCL_3]);
  const [lease] = await table.list(store.signal);
  const mine = (await table.take(lease, store.signal))!;
  // The leader: the next owner, and us as the one who still checkpoints.
  await put({
    ...(await read(lease.key))!,
    leaseOwner: { S: "next" },
    checkpointOwner: { S: "me" },
    leaseCounter: { N: String(mine.counter + 1n) },
  });
  const handing = (await table.renew(mine, store.signal))!;
  assertEquals([handing.owner, handing.checkpointOwner, handing.counter], ["next", "me", mine.counter + 2n]);
  const done = (await table.checkpoint(handing, { sequence: LATER, sub: 0 }, store.signal))!;
  assert(await table.endHandoff(done, store.signal));
  const after = (await read(lease.key))!;
  assertEquals([after.leaseOwner, after.checkpointOwner, after.checkpoint], [{ S: "next" }, undefined, { S: LATER }]);
  assertEquals(after.leaseCounter, { N: String(done.counter + 1n) });
  assertEquals(await table.renew(done, store.signal), undefined);
  assertEquals(await table.endHandoff(done, store.signal), false);
});

test("a worker's row is where the fleet has its own, with what a leader looks at", async () => {
  const clock = { ...testRuntime().clock, now: () => 1_790_000_000_999 };
  const runtime = testRuntime({ clock: clock as Clock });
  // As of 3.5: in the lease table. (What stands in the table of its own before that is tested beside a leader.)
  const { store, read, table } = await SilentWorld.with(OTHERS);
  const row = new WorkerRow(store, { workerId: "me:1", runtime });
  const expected = {
    leaseKey: { S: "me:1" },
    entityType: { S: "WORKER_METRIC_STATS" },
    lut: { N: "1790000000" },
    sts: { M: {} },
    opr: { M: {} },
    collector: { S: "1" },
  };
  await row.put(store.signal);
  assertEquals(await read("me:1"), expected);
  clock.now = () => 1_790_000_031_000;
  await row.put(store.signal);
  assertEquals(await read("me:1"), { ...expected, lut: { N: "1790000031" } });
  assertEquals(await table.list(store.signal), []); // it is no lease
});
