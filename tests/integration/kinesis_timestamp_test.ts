/** AT_TIMESTAMP over a stream that was resharded before and after the moment, through the whole loop. */
import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../src/runtime/random.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import { FAST } from "../support/kinesis_harness.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { RowLedger } from "../support/row_ledger.ts";

Deno.test({
  name: "AT_TIMESTAMP begins at its moment in every shard, also in children of shards that had ended before",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await KinesisServers.startLocal();
    const clock = new PatientClock(), encoder = new TextEncoder();
    const stream = await servers.createStream(2);
    const put = async (name: string, count: number) => {
      const values = Array.from({ length: count }, (_, i) => `${name} ${i}`);
      await servers.put(stream, values.map((value) => ({ key: value, data: encoder.encode(value) })));
    };
    await put("before", 20);
    await servers.split(stream, (await servers.openShards(stream))[0]);
    await put("before, in a child", 20);
    await clock.sleep(5);
    const initialTimestampMs = clock.now();
    await clock.sleep(5);
    await put("after", 20);
    const open = await servers.openShards(stream);
    await servers.merge(stream, open[1], open[2]);
    await put("after, in a grandchild", 20);
    const settings = servers.settings(stream, { initialPosition: "AT_TIMESTAMP", initialTimestampMs });
    const ledger = new RowLedger();
    const worker = new KinesisWorker({
      id: "worker",
      settings,
      tuning: FAST,
      ledger,
      runtime: { clock, random: new SeededRandom(1) },
      connect: (runtime, signal) => openSdkPorts(settings, runtime, signal),
      unitMaxAgeMs: 50,
    });
    const due = () => [...ledger.copies.keys()].filter((value) => value.startsWith("after")).length;
    for (let count = 1; due() < 40; count++) await ledger.reaches(count);
    assertEquals(await worker.stop(), undefined);
    assertEquals([...ledger.copies.keys()].filter((value) => value.startsWith("before")), []);
    assertEquals([ledger.copies.size, ledger.duplicates], [40, []]);
    await servers.stop();
  },
});
