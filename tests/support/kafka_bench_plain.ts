/**
 * What one would write in an afternoon, in one isolate: kafkajs' eachBatch, JSON.parse, JSON.stringify and gzipSync, a
 * file for every 16 MB, then the commit.
 *
 *     deno run -A --config tests/deno.json tests/support/kafka_bench_plain.ts PORT GROUP DIRECTORY LEVEL
 */
import { Kafka, logLevel } from "kafkajs";
import { gzipSync } from "node:zlib";

const [port, groupId, directory, level] = Deno.args;
const FILE_BYTE_LENGTH = 16 << 20;

interface Envelope {
  readonly project: string;
  readonly collection: string;
  readonly properties: Record<string, unknown>;
}

const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], clientId: groupId, logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId, maxBytesPerPartition: 1 << 20, maxWaitTimeInMs: 100 });
await Deno.mkdir(directory, { recursive: true });
await consumer.connect();
await consumer.subscribe({ topic: "events", fromBeginning: true });

let lines: string[] = [], held = 0, files = 0;
const next = new Map<number, string>();

async function flush(): Promise<void> {
  if (lines.length === 0) return;
  await Deno.writeFile(`${directory}/${files++}.ndjson.gzip`, gzipSync(lines.join(""), { level: Number(level) }));
  lines = [];
  held = 0;
  await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic: "events", partition, offset })));
}

await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: true,
  eachBatch: async ({ batch, heartbeat }) => {
    for (const { value } of batch.messages) {
      const { project, collection, properties } = JSON.parse(value!.toString()) as Envelope;
      const { _time, _user, ...rest } = properties;
      const line = `${JSON.stringify({ _time, $schema: project, $table: collection, _user, properties: rest })}\n`;
      lines.push(line);
      held += line.length;
    }
    next.set(batch.partition, String(BigInt(batch.lastOffset()) + 1n));
    if (held >= FILE_BYTE_LENGTH) await flush();
    await heartbeat();
  },
});
setInterval(() => void flush(), 500);
