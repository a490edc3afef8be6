import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { PutRecordsCommand } from "@aws-sdk/client-kinesis";
import { assertEquals } from "@std/assert";
import { SOURCES } from "../../src/registry.ts";
import { fileSource } from "../../src/source/file.ts";
import { KinesisRanges } from "../../src/source/kinesis/ranges/kinesis_ranges.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import type { SourceComponent, SourceContext } from "../../src/source/source.ts";
import { defaultConfig } from "../support/default_config.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { type PartitionLog, recordOf } from "../support/kafka_log.ts";
import { sharedServers } from "../support/kinesis_harness.ts";
import { aggregate } from "../support/kpl.ts";
import { testRuntime } from "../support/stored_object.ts";
import { type RangeBackend, rangeContract, type RangeHarness } from "./range_contract.ts";

function context(): SourceContext {
  return { runtime: testRuntime(), wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
}

/** Records of several lengths, empty ones among them. */
function recordsOf(split: number, count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => i % 11 === 3 ? "" : JSON.stringify({ split, i, text: "x".repeat(i * 37 % 300) }),
  );
}

const later = (split: number) => JSON.stringify({ split, late: true });

/** Records in files, a file a split, written as `encode` says. */
function inFiles(encode: (text: string) => Uint8Array): RangeHarness["start"] {
  return async ({ splits, records: count }): Promise<RangeBackend> => {
    const directory = await Deno.makeTempDir({ prefix: "file-ranges-" });
    const records = Array.from({ length: splits }, (_, split) => recordsOf(split, count));
    const path = (split: number) => join(directory, `events-${split}.ndjson`);
    const write = (split: number, lines: string[]) => Deno.writeFile(path(split), encode(lines.join("")));
    await Promise.all(records.map((lines, split) => write(split, lines.map((line) => `${line}\n`))));
    const config = defaultConfig(fileSource.options, { path: [join(directory, "*")] });
    return {
      records,
      create: () => fileSource.ranges!(config, context()),
      append: async () => {
        for (let split = 0; split < splits; split++) {
          await Deno.writeFile(path(split), encode(`${later(split)}\n`), { append: true });
        }
      },
      stop: () => Deno.remove(directory, { recursive: true }),
    };
  };
}

/** Some batches of several records, some of them in transactions; batches that compaction took, and aborted ones. */
function writeLog(log: PartitionLog, records: readonly string[], split: number): void {
  for (let i = 0, batch = 0; i < records.length; i += 7, batch++) {
    const values = records.slice(i, i + 7).map((value) => recordOf(value === "" ? null : value));
    const producerId = BigInt(split), transactional = { attributes: 16, producerId };
    if (batch % 3 === 1) {
      log.values(["taken", "back"], transactional);
      log.endTransaction(producerId, false);
      log.write({ records: values, ...transactional });
      log.endTransaction(producerId, true);
    } else log.write({ records: values });
    if (batch % 4 === 2) {
      const gone = log.end;
      log.values(["compacted", "away"]);
      log.compact((base) => base !== gone);
    }
  }
}

function inTopic({ splits, records: count }: { splits: number; records: number }): Promise<RangeBackend> {
  const cluster = new FakeKafka();
  const logs = cluster.createTopic("events", splits);
  const records = logs.map((_, split) => recordsOf(split, count));
  logs.forEach((log, split) => writeLog(log, records[split], split));
  const config = defaultConfig(kafkaSource.options, {
    nodes: cluster.nodes,
    topic: "events",
    fetchMaxWaitMs: 20,
    requestTimeoutMs: 10_000,
    isolationLevel: "read_committed",
  });
  const fetchSizes = [1 << 20, 1, 700, 2500];
  let made = 0;
  return Promise.resolve({
    records,
    create: () => {
      const partitionMaxByteLength = fetchSizes[made++ % fetchSizes.length];
      return kafkaSource.ranges!({ ...config, partitionMaxByteLength }, context());
    },
    append: () => {
      logs.forEach((log, split) => log.values([later(split)]));
      return Promise.resolve();
    },
    stop: () => Promise.resolve(cluster.stop()),
  });
}

const utf8 = new TextEncoder();

/** Plain records and aggregates of them. */
function kinesisRecords(records: readonly string[]): Uint8Array[] {
  const data: Uint8Array[] = [];
  for (let i = 0; i < records.length; i += 4) {
    const some = records.slice(i, i + 4).map((record) => utf8.encode(record));
    if (i % 8 === 0) data.push(aggregate(some.map((bytes) => ({ key: "k", data: bytes }))));
    else data.push(...some);
  }
  return data;
}

/** Records in shards. */
async function inShards({ splits, records: count }: { splits: number; records: number }): Promise<RangeBackend> {
  const servers = await sharedServers();
  const stream = await servers.createStream(splits);
  const shards = await servers.shards(stream);
  const put = async (shard: number, data: readonly Uint8Array[]) => {
    const ExplicitHashKey = shards[shard].HashKeyRange!.StartingHashKey;
    const Records = data.map((Data) => ({ PartitionKey: "k", ExplicitHashKey, Data }));
    const { FailedRecordCount } = await servers.kinesis.send(new PutRecordsCommand({ StreamName: stream, Records }));
    assertEquals(FailedRecordCount, 0);
  };
  // Plain records can't be empty.
  const records = shards.map((_, shard) => recordsOf(shard, count).map((record) => record === "" ? "-" : record));
  await Promise.all(records.map((some, shard) => put(shard, kinesisRecords(some))));
  const settings = servers.settings(stream);
  const tuning = { marginMs: 20, minIntervalMs: 1, bytesPerSecond: Infinity };
  return {
    records,
    create: () => {
      const own = context();
      return new KinesisRanges(settings, own, {
        connect: (signal) => openSdkPorts(settings, own.runtime, signal),
        tuning,
      });
    },
    append: async () => {
      await passed(SERVICE_TIME_STEP_MS + 100);
      await Promise.all(shards.map((_, shard) => put(shard, [utf8.encode(later(shard))])));
    },
    stop: () => Promise.resolve(),
  };
}

/** A range ends by the service's time, which is known to the second. */
const SERVICE_TIME_STEP_MS = 1000;

/** Waits: ranges of a stream are told apart by the time at which records arrived. */
async function passed(ms: number): Promise<void> {
  for (const start = Date.now(); Date.now() <= start + ms;) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** A source may have several: its ways of reading are quite different ones. */
const HARNESSES: Readonly<Record<string, Readonly<Record<string, RangeHarness>>>> = {
  file: {
    "file": { start: inFiles((text) => utf8.encode(text)) },
    // Packed files are written once; one that isn't whole yet is read to the end that it has then.
    "file (gzip)": { start: inFiles((text) => gzipSync(text)), complete: true },
    "file (zstd)": { start: inFiles((text) => zstdCompressSync(text)), complete: true },
  },
  kafka: { "kafka": { start: inTopic, servesHere: true } },
  kinesis: { "kinesis": { start: inShards, servesHere: true } },
};

Deno.test("every registered source that has ranges has its place in the contract tests", () => {
  const sources: [string, Pick<SourceComponent<never>, "ranges">][] = Object.entries(SOURCES);
  const missing = sources.filter(([name, { ranges }]) => ranges !== undefined && !(name in HARNESSES));
  assertEquals(missing.map(([name]) => name), []);
});

for (const harnesses of Object.values(HARNESSES)) {
  for (const [name, harness] of Object.entries(harnesses)) rangeContract(name, harness);
}
