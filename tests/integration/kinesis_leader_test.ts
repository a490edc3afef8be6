/** Beside a KCL 3 fleet whose leader (here: the test) assigns the shards. */
import { assert, assertEquals } from "@std/assert";
import { CreateTableCommand, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { SeededRandom } from "../../src/runtime/random.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import type { KinesisPorts } from "../../src/source/kinesis/aws/kinesis_ports.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import { FAST, sharedServers } from "../support/kinesis_harness.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { RowLedger } from "../support/row_ledger.ts";
import { until } from "../support/until.ts";

async function createWorkerTable({ leaseTable }: KinesisSettings): Promise<void> {
  await (await sharedServers()).dynamodb.send(
    new CreateTableCommand({
      TableName: `${leaseTable}-WorkerMetricStats`,
      AttributeDefinitions: [{ AttributeName: "wid", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "wid", KeyType: "HASH" }],
      BillingMode: "PAY_PER_REQUEST",
    }),
  );
}

async function workerRow({ leaseTable }: KinesisSettings, workerId: string) {
  const command = new GetItemCommand({
    TableName: `${leaseTable}-WorkerMetricStats`,
    Key: { wid: { S: workerId } },
  });
  return (await (await sharedServers()).dynamodb.send(command)).Item;
}

/** What the leader does; with a `checkpointOwner` it is a handoff. */
async function assignLease({ leaseTable }: KinesisSettings, key: string, owner: string, checkpointOwner?: string) {
  const servers = await sharedServers();
  const now = (await servers.item(leaseTable, key))!;
  await servers.putItem(leaseTable, {
    ...now,
    leaseOwner: { S: owner },
    leaseCounter: { N: String(Number(now.leaseCounter.N) + 1) },
    ...(checkpointOwner === undefined ? {} : { checkpointOwner: { S: checkpointOwner } }),
  });
}

/** A collector whose units are written at the end, or when something wants them. */
function start(
  id: string,
  settings: KinesisSettings,
  ledger: RowLedger,
  options: { watch?: (ports: KinesisPorts) => KinesisPorts; beforeWrite?: () => Promise<void> } = {},
): KinesisWorker {
  return new KinesisWorker({
    id,
    settings,
    tuning: FAST,
    ledger,
    runtime: { clock: new PatientClock(), random: new SeededRandom(1) },
    connect: async (runtime, signal) => {
      const ports = await openSdkPorts(settings, runtime, signal);
      return options.watch?.(ports) ?? ports;
    },
    beforeWrite: options.beforeWrite,
    unitMaxAgeMs: 60_000,
  });
}

Deno.test({
  name: "a collector publishes its row, takes what a leader assigns, and hands over what it takes away",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await sharedServers();
    const stream = await servers.createStream(1);
    const settings = servers.settings(stream, { assignment: "leader", failoverTimeMs: 1000 });
    await createWorkerTable(settings);
    const ledger = new RowLedger();
    const first = start("first", settings, ledger), second = start("second", settings, ledger);
    const row = () => workerRow(settings, "first");
    await until("its row is there", async () => (await row().catch(() => undefined)) !== undefined);
    const { lut, ...rest } = (await row())!;
    assert(Math.abs(Number(lut.N) - new PatientClock().now() / 1000) < 60);
    assertEquals(rest, { wid: { S: "first" }, sts: { M: {} }, opr: { M: {} }, collector: { S: "1" } });

    const [lease] = await servers.items(settings.leaseTable);
    assertEquals(lease.leaseOwner, undefined); // nobody takes by himself
    const assign = (owner: string, checkpointOwner?: string) =>
      assignLease(settings, lease.leaseKey.S!, owner, checkpointOwner);
    await assign("first");
    await until("the first has the shard", () => first.shardCount === 1);
    const data = new TextEncoder().encode("one");
    await servers.put(stream, [{ key: "k", data }]);
    await until("it has read the record", () => first.metrics.total("collector_records_total") === 1);
    assertEquals(ledger.rows, []); // it would be flushed in a minute
    await assign("second", "first");
    await until("the second has the shard", () => second.shardCount === 1);
    assertEquals(first.shardCount, 0);
    assertEquals(ledger.copies.get("one"), 1);
    const after = (await servers.item(settings.leaseTable, lease.leaseKey.S!))!;
    assertEquals([after.leaseOwner, after.checkpointOwner], [{ S: "second" }, undefined]);
    assert(after.checkpoint.S !== "TRIM_HORIZON");
    const throughput = async () => (await servers.item(settings.leaseTable, lease.leaseKey.S!))?.throughputKBps;
    await until("its throughput is there", async () => await throughput() !== undefined);
    assertEquals(await Promise.all([first.stop(), second.stop()]), [undefined, undefined]);
    assertEquals(ledger.duplicates, []);
  },
});

Deno.test({
  name: "a stop retires the worker's row while the leases are still renewed, and leaves nothing assigned to it",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await sharedServers();
    const stream = await servers.createStream(2);
    const settings = servers.settings(stream, { assignment: "leader", failoverTimeMs: 3000 });
    await createWorkerTable(settings);
    const written: string[] = [];
    const watch = (ports: KinesisPorts): KinesisPorts => {
      const { store } = ports;
      const putWorkerRow = store.putWorkerRow.bind(store), update = store.update.bind(store);
      store.putWorkerRow = (row, signal) => {
        written.push(row.lut.N === "0" ? "retired" : "fresh");
        return putWorkerRow(row, signal);
      };
      store.update = (key, change, signal) => {
        if (change.remove?.includes("leaseOwner")) written.push("given up");
        return update(key, change, signal);
      };
      return ports;
    };
    const storing = Promise.withResolvers<void>(), ledger = new RowLedger();
    const worker = start("worker", settings, ledger, { watch, beforeWrite: () => storing.promise });
    await until("its row is there", async () => (await workerRow(settings, "worker").catch(() => {})) !== undefined);
    const [held, late] = (await servers.items(settings.leaseTable)).map(({ leaseKey }) => leaseKey.S!);
    await assignLease(settings, held, "worker");
    await until("it has the shard", () => worker.shardCount === 1);
    const data = new TextEncoder().encode("one");
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    await servers.put(stream, keys.map((key) => ({ key, data })));
    await until("it has read of it", () => worker.metrics.total("collector_records_total") > 0);

    const stopped = worker.stop();
    await until("its row is retired", async () => (await workerRow(settings, "worker"))?.lut.N === "0");
    const counter = async () => (await servers.item(settings.leaseTable, held))!.leaseCounter.N;
    const before = await counter();
    await until("the lease is renewed", async () => await counter() !== before);
    await assignLease(settings, late, "worker"); // by a leader that had looked at the rows before
    storing.resolve();
    assertEquals(await stopped, undefined);
    assertEquals(written, ["fresh", "retired", "given up", "given up"]);
    const owned = (await servers.items(settings.leaseTable)).filter(({ leaseOwner }) => leaseOwner !== undefined);
    assertEquals(owned, []);
    assertEquals(ledger.rows.length, worker.metrics.total("collector_records_total"));
  },
});
