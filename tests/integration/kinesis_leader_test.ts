/** Beside a KCL 3 fleet whose leader (here: the test) assigns the shards. */
import { assert, assertEquals } from "@std/assert";
import { CreateTableCommand, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { SeededRandom } from "../../src/runtime/random.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import { FAST, sharedServers } from "../support/kinesis_harness.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { RowLedger } from "../support/row_ledger.ts";
import { until } from "../support/until.ts";

Deno.test({
  name: "a collector publishes its row, takes what a leader assigns, and hands over what it takes away",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await sharedServers();
    const stream = await servers.createStream(1);
    const settings = servers.settings(stream, { assignment: "leader", failoverTimeMs: 1000 });
    await servers.dynamodb.send(
      new CreateTableCommand({
        TableName: `${settings.leaseTable}-WorkerMetricStats`,
        AttributeDefinitions: [{ AttributeName: "wid", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "wid", KeyType: "HASH" }],
        BillingMode: "PAY_PER_REQUEST",
      }),
    );
    const ledger = new RowLedger();
    const start = (id: string) =>
      new KinesisWorker({
        id,
        settings,
        tuning: FAST,
        ledger,
        runtime: { clock: new PatientClock(), random: new SeededRandom(1) },
        connect: (runtime, signal) => openSdkPorts(settings, runtime, signal),
        unitMaxAgeMs: 60_000,
      });
    const first = start("first"), second = start("second");
    const row = async () => {
      const TableName = `${settings.leaseTable}-WorkerMetricStats`;
      const { Item } = await servers.dynamodb.send(new GetItemCommand({ TableName, Key: { wid: { S: "first" } } }));
      return Item;
    };
    await until("its row is there", async () => (await row().catch(() => undefined)) !== undefined);
    const { lut, ...rest } = (await row())!;
    assert(Math.abs(Number(lut.N) - new PatientClock().now() / 1000) < 60);
    assertEquals(rest, { wid: { S: "first" }, sts: { M: {} }, opr: { M: {} }, collector: { S: "1" } });

    const [lease] = await servers.items(settings.leaseTable);
    assertEquals(lease.leaseOwner, undefined); // nobody takes by himself
    const assign = async (owner: string, checkpointOwner?: string) => {
      const now = (await servers.item(settings.leaseTable, lease.leaseKey.S!))!;
      await servers.putItem(settings.leaseTable, {
        ...now,
        leaseOwner: { S: owner },
        leaseCounter: { N: String(Number(now.leaseCounter.N) + 1) },
        ...(checkpointOwner === undefined ? {} : { checkpointOwner: { S: checkpointOwner } }),
      });
    };
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
