/**
 * The Kafka source alone: reads, drops the records, commits every 16 MB.
 *
 *     deno run -A --config tests/deno.json tests/support/kafka_bench_source.ts PORT GROUP
 */
import { Metrics } from "../../src/runtime/metrics.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { SystemRandom } from "../../src/runtime/random.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import { defaultConfig } from "./default_config.ts";

const [port, groupId] = Deno.args;
const NEVER = new AbortController().signal;
const COMMIT_BYTE_LENGTH = 16 << 20;
const COMMIT_MS = 100;

const runtime = { clock: new SystemClock(), random: new SystemRandom(), metrics: new Metrics(), log: silentLog };
const config = defaultConfig(kafkaSource.options, {
  nodes: [`127.0.0.1:${port}`],
  topic: "events",
  groupId,
  clientId: groupId,
  offset: "earliest",
});
const source = kafkaSource.create(config, {
  runtime,
  wants: { keys: false, headers: false },
  maxRecordByteLength: 1 << 20,
});
const last = new Map<string, RecordBatch>();
let held = 0, commits: Promise<unknown> = Promise.resolve();

function commit(): void {
  const batches = [...last.values()];
  last.clear();
  held = 0;
  commits = commits.then(() =>
    Promise.all(batches.map(({ split, epoch, next }) => source.commit(split, epoch, next, NEVER)))
  );
}

await source.open({
  async assigned(split, epoch, start, { committed }) {
    if (!committed) await source.commit(split, epoch, start, NEVER);
  },
  revoking: () => Promise.resolve(),
  lost() {},
}, NEVER);
setInterval(commit, COMMIT_MS);
while (true) {
  const batch = await source.poll({ maxBytes: 1 << 20, maxRows: 300_000 }, NEVER);
  if (batch === "end") break;
  last.set(batch.split, batch);
  held += batch.bytes.length;
  if (held >= COMMIT_BYTE_LENGTH) commit();
}
