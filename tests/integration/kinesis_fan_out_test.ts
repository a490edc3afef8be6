/**
 * Enhanced fan-out, against an emulator that has it, over the event streams of HTTP. The emulator never ends the
 * subscription of a shard that was split: that is tested with a stream in memory.
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import {
  CreateStreamCommand,
  DeregisterStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  ListStreamConsumersCommand,
  PutRecordsCommand,
} from "@aws-sdk/client-kinesis";
import { createFetchHandler } from "../../src/runtime/aws/fetch_handler.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { openSdkPorts } from "../../src/source/kinesis/sdk_ports.ts";
import { FAST, sharedServers } from "../support/kinesis_harness.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { RowLedger } from "../support/row_ledger.ts";

const SCRIPT = fileURLToPath(new URL("../support/kinesis_local.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** The emulator's process, and where it listens. */
async function startKinesisLocal(): Promise<{ url: string; stop(): Promise<void> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--config", CONFIG, SCRIPT],
    env: {
      CREATE_STREAM_DURATION: "20ms",
      REGISTER_STREAM_CONSUMER_DURATION: "20ms",
      SHARD_LIMIT: "100",
      LOG_LEVEL: "ERROR",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!/PORT \d+\n/.test(said)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`kinesis-local ended: ${said}`);
    said += value;
  }
  const port = /PORT (\d+)\n/.exec(said)![1];
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

Deno.test({
  name: "enhanced fan-out reads every record once, through a restart",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const servers = await sharedServers();
    const local = await startKinesisLocal();
    const { handler, close } = createFetchHandler();
    const kinesis = new KinesisClient({
      region: "us-east-1",
      endpoint: local.url,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      requestHandler: handler,
    });
    const StreamName = "pushed";
    let total = 0;
    const put = async (count: number) => {
      const Records = Array.from({ length: count }, () => {
        const text = `record ${total++}`;
        return { PartitionKey: text, Data: new TextEncoder().encode(text) };
      });
      await kinesis.send(new PutRecordsCommand({ StreamName, Records }));
    };
    const active = async () => {
      for (;;) {
        const { StreamDescriptionSummary: found } = await kinesis.send(
          new DescribeStreamSummaryCommand({ StreamName }),
        );
        if (found?.StreamStatus === "ACTIVE") return found.StreamARN;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const ledger = new RowLedger();
    let started = 0;
    const start = () => {
      const settings = servers.settings(StreamName, {
        kinesisEndpoint: local.url,
        enhancedFanOut: true,
        leaseTable: "fan-out-leases",
      });
      return new KinesisWorker({
        id: `worker-${++started}`,
        settings,
        tuning: FAST,
        ledger,
        runtime: { clock: new SystemClock(), random: new SeededRandom(1) },
        connect: (runtime, signal) => openSdkPorts(settings, runtime, signal),
        unitMaxAgeMs: 50,
      });
    };
    try {
      await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 2 }));
      const StreamARN = await active();
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
      kinesis.destroy();
      close();
      await local.stop();
    }
  },
});
