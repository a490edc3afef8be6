import { assertEquals } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import { AssignmentWatch } from "../../../../src/source/kinesis/leases/assignment.ts";
import type { Item, LeaseStore } from "../../../../src/source/kinesis/leases/lease_store.ts";
import { WorkerRow } from "../../../../src/source/kinesis/leases/worker_row.ts";
import { ManualClock } from "../../../support/manual_clock.ts";
import { testRuntime } from "../../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const clock = new ManualClock();
const NOW_S = Math.floor(clock.now() / 1000);

const stateItem = (cv: string): Item => ({
  leaseKey: { S: "Migration3.0" },
  entityType: { S: "CLIENT_VERSION_MIGRATION" },
  cv: { S: cv },
});
const rowItem = (worker: string, ageS: number, fields: Item = {}): Item => ({
  wid: { S: worker },
  lut: { N: String(NOW_S - ageS) },
  ...fields,
});
const leaseTableRow = (worker: string, ageS: number): Item => ({
  leaseKey: { S: worker },
  entityType: { S: "WORKER_METRIC_STATS" },
  lut: { N: String(NOW_S - ageS) },
});

interface Tables {
  readonly lease?: readonly Item[];
  /** Items of the coordinator's table; an error: it may not be read. */
  readonly coordinator?: readonly Item[] | Error;
  readonly workers?: readonly Item[] | Error;
}

function storeOf({ lease = [], coordinator = [], workers = [] }: Tables): LeaseStore {
  const of = (items: readonly Item[] | Error) =>
    items instanceof Error ? Promise.reject(items) : Promise.resolve(items);
  const store: Partial<LeaseStore> = {
    get: (key) => Promise.resolve(lease.find(({ leaseKey }) => leaseKey?.S === key)),
    scan: () => Promise.resolve([...lease]),
    workerRows: async () => [...await of(workers)],
    coordinatorState: async (key) => (await of(coordinator)).find(({ leaseKey }) => leaseKey?.S === key),
  };
  return store as LeaseStore;
}

/** What the watch decides, and what it says. */
async function look(configured: "auto" | "take" | "leader", tables: Tables): Promise<[string, string]> {
  const said: string[] = [];
  const note = (level: string) => (message: string) => void said.push(`${level} ${message}`);
  const base = testRuntime({ clock });
  const runtime = { ...base, log: { ...base.log, info: note("info"), warn: note("warn") } };
  const watch = new AssignmentWatch(storeOf(tables), runtime, { configured, failoverTimeMs: 30_000 });
  await watch.look(NEVER);
  await watch.look(NEVER);
  assertEquals(said.length <= 1, true, said.join("|")); // it isn't said again
  return [watch.current, said.join("|").slice(0, 40)];
}

const LED = "a KCL 3 fleet shares the shards out";
const V3 = stateItem("CLIENT_VERSION_3X"), ROLLBACK = stateItem("CLIENT_VERSION_3X_WITH_ROLLBACK");

Deno.test("auto follows a fleet that is alive and has a leader, and no other", async () => {
  const cases: [string, Tables, string, string][] = [
    ["nobody", {}, "take", ""],
    ["3.5, all in the lease table", { lease: [V3, leaseTableRow("w", 10)] }, "leader", `info ${LED}`],
    ["3.0, tables of their own", { coordinator: [V3], workers: [rowItem("w", 10)] }, "leader", `info ${LED}`],
    ["on the way to 3", { coordinator: [ROLLBACK], workers: [rowItem("w", 10)] }, "leader", `info ${LED}`],
    [
      "3 as 2",
      { coordinator: [stateItem("CLIENT_VERSION_UPGRADE_FROM_2X")], workers: [rowItem("w", 1)] },
      "take",
      "",
    ],
    ["3 back to 2", { lease: [stateItem("CLIENT_VERSION_2X"), leaseTableRow("w", 1)] }, "take", ""],
    ["a fleet of the past", { lease: [V3, leaseTableRow("w", 121)] }, "take", "info no worker of the KCL 3 fleet"],
    [
      "collectors alone",
      { coordinator: [V3], workers: [rowItem("w", 1, { collector: { S: "1" } })] },
      "take",
      "info no worker of the KCL 3 fleet",
    ],
    ["no right to look", { coordinator: new FatalError("no right") }, "take", ""],
    [
      "no right to look at the rows",
      { coordinator: [V3], workers: new FatalError("no right") },
      "take",
      "info no worker of the KCL 3 fleet",
    ],
  ];
  for (const [name, tables, expected, said] of cases) {
    const [current, found] = await look("auto", tables);
    assertEquals([name, current, found.slice(0, said.length || undefined)], [name, expected, said]);
  }
});

Deno.test("what the config says is kept, and a contradiction is said", async () => {
  const led: Tables = { lease: [V3, leaseTableRow("w", 10)] };
  assertEquals(await look("take", led), ["take", "warn the leader of a KCL 3 fleet assigns"]);
  assertEquals(await look("take", {}), ["take", ""]);
  assertEquals(await look("leader", led), ["leader", ""]);
  assertEquals(await look("leader", {}), ["leader", "warn no KCL 3 worker that could lead is "]);
});

const AUTO = { configured: "auto", failoverTimeMs: 30_000 } as const;
const LOCK: Item = { leaseKey: { S: "Leader" }, entityType: { S: "LEADER" } };

Deno.test("auto notices that a fleet begins, and that it ends", async () => {
  const lease: Item[] = [];
  const watch = new AssignmentWatch(storeOf({ lease }), testRuntime({ clock }), AUTO);
  const stop = new AbortController();
  const running = watch.loop(stop.signal);
  const next = async (expected: string) => {
    clock.advance(60_000);
    for (let i = 0; i < 100 && watch.current !== expected; i++) await Promise.resolve();
    assertEquals(watch.current, expected);
    while (clock.sleeping === 0) await Promise.resolve();
  };
  await next("take");
  lease.push(V3, LOCK, leaseTableRow("w", -120)); // of the next look
  await next("leader");
  await next("leader");
  await next("take");
  stop.abort();
  await running;
});

/** Time goes on in steps of 5 s, as often as leases are renewed here; returns after how long the watch sees no leader, s. */
async function timeToNotice(
  { before, after, renewed = 0, maxS = 90 }: {
    before: readonly Item[];
    after: readonly Item[];
    renewed?: number;
    maxS?: number;
  },
): Promise<number | undefined> {
  const clock = new ManualClock(), lease: Item[] = [], coordinator: Item[] = [];
  const fill = (items: readonly Item[], counter: number) => {
    const locks = items.filter(({ key }) => key !== undefined);
    coordinator.splice(0, Infinity, ...locks.map(({ key, ...lock }) => ({ ...lock, leaseKey: key })));
    const others = items.filter(({ key }) => key === undefined);
    lease.splice(
      0,
      Infinity,
      ...others.map((item) => item.leaseCounter === undefined ? item : { ...item, leaseCounter: { N: `${counter}` } }),
    );
  };
  const watch = new AssignmentWatch(storeOf({ lease, coordinator }), testRuntime({ clock }), AUTO);
  const stop = new AbortController();
  let changes = 0;
  fill(before, 1);
  await watch.look(NEVER);
  const running = watch.loop(stop.signal, () => changes++);
  const step = async () => {
    clock.advance(5_000);
    for (let i = 0; i < 200; i++) await Promise.resolve();
  };
  for (let i = 0; i < 7; i++) {
    fill(before, 2 + i);
    await step();
  }
  assertEquals([watch.current, changes], ["leader", 0]);
  let seconds = 0;
  for (; watch.current === "leader" && seconds < maxS; seconds += 5) {
    fill(after, renewed === 0 ? 100 : 100 + Math.floor(seconds / renewed));
    await step();
  }
  assertEquals(changes, watch.current === "take" ? 1 : 0);
  stop.abort();
  await running;
  return watch.current === "take" ? seconds : undefined;
}

const leaseOwnedBy = (owner: string): Item => ({
  leaseKey: { S: "shard-1" },
  leaseOwner: { S: owner },
  leaseCounter: { N: "0" },
  checkpoint: { S: "100" },
});

Deno.test("auto notices a fleet that has stopped in order within 30 s, however fresh its rows are", async () => {
  const fresh = leaseTableRow("w", -600), kept = leaseOwnedBy("w"), free = { ...kept, leaseOwner: undefined! };
  const oldLock: Item = { key: { S: "Leader" } };
  const us: Item = { ...leaseTableRow("c", 0), collector: { S: "1" } };
  const cases: [string, Parameters<typeof timeToNotice>[0], boolean][] = [
    ["keeps its leases", { before: [V3, LOCK, fresh, kept], after: [V3, fresh, kept] }, true],
    ["gives its leases up", { before: [V3, LOCK, fresh, kept], after: [V3, fresh, free] }, true],
    ["lock in the other table", { before: [V3, oldLock, fresh, kept], after: [V3, fresh, kept] }, true],
    [
      "a collector renews",
      { before: [V3, LOCK, fresh, us, kept], after: [V3, fresh, us, leaseOwnedBy("c")], renewed: 5 },
      true,
    ],
    [
      "another of its workers renews",
      { before: [V3, LOCK, fresh, kept], after: [V3, fresh, kept], renewed: 10 },
      false,
    ],
    ["its leader is there", { before: [V3, LOCK, fresh, kept], after: [V3, LOCK, fresh, kept] }, false],
    ["its leader is there, elsewhere", { before: [V3, oldLock, fresh], after: [V3, oldLock, fresh] }, false],
  ];
  for (const [name, world, stopped] of cases) {
    const seconds = await timeToNotice(world);
    assertEquals([name, seconds !== undefined && seconds <= 30], [name, stopped]);
    if (!stopped) assertEquals([name, seconds], [name, undefined]);
  }
});

Deno.test("a worker's row goes where the fleet's rows are", async () => {
  const moved = (tm: string): Item => ({
    leaseKey: { S: "TableMigration3.5" },
    tm: { S: `TABLE_MIGRATION_STATUS_${tm}` },
  });
  const cases: [readonly Item[], boolean, "lease table" | "own table"][] = [
    [[], true, "own table"],
    [[], false, "lease table"],
    [[moved("INIT")], true, "own table"],
    [[moved("DEPLOYED")], true, "own table"],
    [[moved("PENDING")], true, "lease table"],
    [[moved("COMPLETE")], true, "lease table"],
    [[moved("COMPLETE")], false, "lease table"],
  ];
  for (const [lease, hasOwnTable, expected] of cases) {
    const written: (readonly [string, Item])[] = [];
    const store: Partial<LeaseStore> = {
      ...storeOf({ lease }),
      putWorkerRow: (row) => {
        if (hasOwnTable) written.push(["own table", row]);
        return Promise.resolve(hasOwnTable);
      },
      update: () => Promise.resolve(false),
      put: (row) => Promise.resolve(written.push(["lease table", row]) > 0),
    };
    await new WorkerRow(store as LeaseStore, { workerId: "me", runtime: testRuntime({ clock }) }).put(NEVER);
    const key = expected === "own table" ? "wid" : "leaseKey";
    assertEquals(written.map(([table, row]) => [table, row[key]?.S]), [[expected, "me"]]);
  }
});
