/**
 * The bench's broker, in a process of its own: fills a topic with events, prints its port, and prints how long each
 * group took from its first fetch to the commit of the last record.
 *
 *     deno run -A --config tests/deno.json tests/support/kafka_bench_broker.ts ROWS SIZE PARTITIONS
 */
import { writeRecordBatch } from "../../src/source/kafka/records/record_batch_writer.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { type EventOptions, generateEvents } from "../bench/events.ts";
import { FakeKafka } from "./kafka_broker.ts";
import { startFauxqs } from "fauxqs";
import { SeededRandom } from "../../src/runtime/random.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";

const [rows, size, partitions] = [
  Number(Deno.args[0]),
  Deno.args[1] as EventOptions["size"] | "huge",
  Number(Deno.args[2]),
];
/** About what a producer with batch.size=64kB sends. */
const BATCH_BYTE_LENGTH = 64 << 10;
/** Rows are generated once and repeated: what repeats is far apart in the output. */
const DISTINCT_ROWS = 100_000;

/** One of 10 MB, of text that compresses somewhat. */
function hugeEvent(): Pick<RecordBatch, "bytes" | "offsets" | "rowCount"> {
  const random = new SeededRandom(1);
  let text = "";
  while (text.length < 10_000_000) text += `${Math.floor(random.next() * 2 ** 32).toString(16)} `;
  const properties = { _time: 1_700_000_000_000, text };
  const bytes = new TextEncoder().encode(JSON.stringify({ project: "shop", collection: "order", properties }));
  return { bytes, offsets: Uint32Array.of(0, bytes.length), rowCount: 1 };
}

function say(message: Record<string, string | number>): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
}

const cluster = new FakeKafka();
const logs = cluster.createTopic("events", partitions);
const events = size === "huge"
  ? hugeEvent()
  : generateEvents({ rowCount: Math.min(rows, DISTINCT_ROWS), layout: "RAKAM", size });
const perBatch = Math.max(1, Math.floor(BATCH_BYTE_LENGTH / (events.bytes.length / events.rowCount)));
let byteLength = 0;
for (let row = 0, batch = 0; row < rows; batch++) {
  const count = Math.min(perBatch, rows - row);
  const records = Array.from({ length: count }, (_, i) => {
    const at = (row + i) % events.rowCount;
    const value = events.bytes.subarray(events.offsets[at], events.offsets[at + 1]);
    byteLength += value.length;
    return { key: null, value, headers: [], timestamp: 1_700_000_000_000 + row + i };
  });
  logs[batch % partitions].appendBytes(writeRecordBatch({ records }));
  row += count;
}

const started = new Map<string, number>();
cluster.fault = ({ apiKey, clientId }) => {
  if (apiKey === ApiKey.Fetch && !started.has(clientId)) started.set(clientId, performance.now());
  return undefined;
};
const finished = new Set<string>();
setInterval(() => {
  for (const [groupId, { offsets }] of cluster.groups) {
    if (finished.has(groupId) || !started.has(groupId)) continue;
    if (!logs.every((log, i) => log.end === 0 || Number(offsets.get(`events/${i}`)?.offset ?? -1) >= log.end)) continue;
    finished.add(groupId);
    say({ groupId, ms: performance.now() - started.get(groupId)! });
  }
}, 5);
const s3 = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
s3.createBucket("bench");
say({ port: cluster.brokers[0].port, s3Port: s3.port, byteLength });
