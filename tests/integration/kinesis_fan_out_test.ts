/**
 * Enhanced fan-out, against an emulator that has it, over the event streams of HTTP. The emulator never ends the
 * subscription of a shard that was split: that is tested with a stream in memory.
 */
import { assert, assertEquals } from "@std/assert";
import {
  DeregisterStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  ListStreamConsumersCommand,
} from "@aws-sdk/client-kinesis";
import { SeededRandom } from "../../src/runtime/random.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import { FAST } from "../support/kinesis_harness.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { RowLedger } from "../support/row_ledger.ts";

Deno.test({
  name: "enhanced fan-out reads every record once, through a restart",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await KinesisServers.startLocal();
    const { kinesis } = servers;
    let total = 0;
    const StreamName = await servers.createStream(2);
    const put = async (count: number) => {
      const records = Array.from({ length: count }, () => {
        const text = `record ${total++}`;
        return { key: text, data: new TextEncoder().encode(text) };
      });
      await servers.put(StreamName, records);
    };
    const ledger = new RowLedger();
    let started = 0;
    const start = () => {
      const settings = servers.settings(StreamName, {
        enhancedFanOut: true,
        leaseTable: "fan-out-leases",
      });
      return new KinesisWorker({
        id: `worker-${++started}`,
        settings,
        tuning: FAST,
        ledger,
        runtime: { clock: new PatientClock(), random: new SeededRandom(1) },
        connect: (runtime, signal) => openSdkPorts(settings, runtime, signal),
        unitMaxAgeMs: 50,
      });
    };
    try {
      const { StreamDescriptionSummary } = await kinesis.send(new DescribeStreamSummaryCommand({ StreamName }));
      const { StreamARN } = StreamDescriptionSummary!;
      await put(100);
      let worker = start();
      await ledger.reaches(total);
      await put(100);
      await ledger.reaches(total);
      assertEquals(await worker.stop(), undefined);
      await put(100);
      // The emulator does not notice that a subscriber has gone; the service lets the next one take its place.
      await kinesis.send(new DeregisterStreamConsumerCommand({ StreamARN, ConsumerName: "fan-out-leases" }));
      worker = start();
      await ledger.reaches(total);
      await put(100);
      await ledger.reaches(total);
      assertEquals(await worker.stop(), undefined);
      assertEquals(ledger.duplicates, []);
      const { Consumers } = await kinesis.send(new ListStreamConsumersCommand({ StreamARN }));
      assertEquals(Consumers?.map(({ ConsumerName }) => ConsumerName), ["fan-out-leases"]);
      assert((worker.metrics.total("collector_kinesis_reads_total")) > 0);
    } finally {
      await servers.stop();
    }
  },
});
