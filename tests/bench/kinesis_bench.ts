/**
 * The Kinesis source by itself: what it costs to read, and what it asks of the services.
 *
 *     deno run -A tests/bench/kinesis_bench.ts [--records N] [--rounds N]
 *
 *  - read: GetRecords answers of a server in this process -> the SDK -> chunks -> batches, one shard after the other in
 *    one isolate, plain records and KPL aggregates; MB are the records' own bytes;
 *  - emulated: four shards of kinesalite in this process, which is what limits it;
 *  - calls: requests a minute of simulated time, of one worker with so many idle shards and a commit of each a minute.
 */
import { parseArgs } from "node:util";
import { SeededRandom } from "../../src/runtime/random.ts";
import { connectToAws } from "../../src/source/kinesis/connect.ts";
import { DEFAULT_TUNING, KinesisSource } from "../../src/source/kinesis/kinesis_source.ts";
import { type KinesisConfig, kinesisOptions } from "../../src/source/kinesis/options.ts";
import { RecordChunk } from "../../src/source/kinesis/record_chunk.ts";
import { SdkKinesisApi } from "../../src/source/kinesis/sdk_kinesis.ts";
import { kinesisSettings } from "../../src/source/kinesis/settings.ts";
import type { Source, SourceHandler } from "../../src/source/source.ts";
import { SimClock, SimTime, turn } from "../sim/sim_clock.ts";
import { SimKinesisApi, SimStream } from "../sim/sim_kinesis.ts";
import { SimLeaseStore, SimTable } from "../sim/sim_lease_store.ts";
import { defaultConfig } from "../support/default_config.ts";
import { createSource } from "../support/kinesis_harness.ts";
import { KinesisServers } from "../support/kinesis_servers.ts";
import { aggregate } from "../support/kpl.ts";
import { testRuntime } from "../support/stored_object.ts";

const NEVER = new AbortController().signal;
const LIMIT = { maxBytes: 1 << 20, maxRows: 300_000 };
const RECORD_BYTES = 430;

export interface ReadResult {
  readonly records: number;
  readonly byteLength: number;
  /** The best round, ms. */
  readonly ms: number;
}

/** Takes assignments, commits starts, and otherwise lets things happen. */
function handlerOf(source: () => Source): SourceHandler {
  return {
    async assigned(split, epoch, start, { committed }) {
      if (!committed) await source().commit(split, epoch, start, NEVER);
    },
    revoking: () => Promise.resolve(),
    lost() {},
  };
}

/** A GetRecords answer with so many user records, in aggregates of so many (1: plain records). */
function answer(recordCount: number, perAggregate: number): Uint8Array<ArrayBuffer> {
  const random = new SeededRandom(1);
  const userRecord = () => new TextEncoder().encode(`{"id":"${random.hex((RECORD_BYTES - 9) / 2)}"}`);
  const Records = Array.from({ length: Math.ceil(recordCount / perAggregate) }, (_, i) => {
    const users = Array.from({ length: perAggregate }, () => ({ key: "key", data: userRecord() }));
    return {
      SequenceNumber: `4${String(i).padStart(55, "0")}`,
      PartitionKey: "key",
      ApproximateArrivalTimestamp: 1_790_000_000.123,
      Data: (perAggregate === 1 ? users[0].data : aggregate(users)).toBase64(),
    };
  });
  return new TextEncoder().encode(JSON.stringify({ Records, MillisBehindLatest: 0, NextShardIterator: "next" }));
}

export async function benchRead(recordCount: number, perAggregate: number, rounds: number): Promise<ReadResult> {
  const body = answer(recordCount, perAggregate);
  const headers = { "content-type": "application/x-amz-json-1.1" };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    await request.arrayBuffer();
    return new Response(body, { headers });
  });
  const endpoint = `http://127.0.0.1:${server.addr.port}`;
  const config = defaultConfig<KinesisConfig>(kinesisOptions, {
    stream: "s",
    kinesisEndpoint: endpoint,
    accessKey: "a",
    secretAccessKey: "b",
  } as Partial<KinesisConfig>);
  const api = new SdkKinesisApi(await connectToAws(kinesisSettings(config), testRuntime(), NEVER));
  let ms = Infinity, records = 0, byteLength = 0;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    records = byteLength = 0;
    const page = await api.getRecords("iterator", undefined, NEVER);
    const options = { wantsKeys: false, maxRecordByteLength: 1 << 20, from: "1" };
    const chunk = new RecordChunk(page.records, options);
    for (let next = "1"; chunk.left > 0;) {
      const batch = chunk.take({ split: "s/shard", epoch: 1n, start: next }, LIMIT);
      next = batch.next;
      records += batch.rowCount;
      byteLength += batch.bytes.length;
    }
    ms = Math.min(ms, performance.now() - start);
  }
  api.close();
  await server.shutdown();
  return { records, byteLength, ms };
}

export async function benchEmulated(recordCount: number, shardCount: number): Promise<ReadResult> {
  const servers = await KinesisServers.start();
  const stream = await servers.createStream(shardCount);
  const data = new TextEncoder().encode("x".repeat(RECORD_BYTES));
  await servers.put(stream, Array.from({ length: recordCount }, (_, i) => ({ key: `key ${i}`, data })));
  const source: Source = createSource(servers.settings(stream));
  const start = performance.now();
  await source.open(handlerOf(() => source), NEVER);
  let records = 0, byteLength = 0;
  while (records < recordCount) {
    const batch = await source.poll(LIMIT, NEVER);
    if (batch === "end") break;
    records += batch.rowCount;
    byteLength += batch.bytes.length;
    if (batch.rowCount > 0) await source.commit(batch.split, batch.epoch, batch.next, NEVER);
  }
  const ms = performance.now() - start;
  await source.close();
  await servers.stop();
  return { records, byteLength, ms };
}

/** Requests a minute, by kind, with the default timings. */
export async function countCalls(shardCount: number, minutes: number): Promise<Readonly<Record<string, number>>> {
  const time = new SimTime();
  const stream = new SimStream(shardCount, () => time.nowMs);
  const clock = new SimClock(time, NEVER, { skewMs: 0, drift: 1 });
  const random = new SeededRandom(1);
  const network = { clock, random, rates: { error: 0, lostAnswer: 0, slow: 0 } };
  const calls = new Map<string, number>();
  const counted = <T extends object>(port: T): T =>
    new Proxy(port, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          calls.set(String(name), (calls.get(String(name)) ?? 0) + 1);
          return member.apply(target, args);
        };
      },
    });
  const api = new SimKinesisApi(stream, { network, nowMs: () => time.nowMs, onRead() {} });
  const config = defaultConfig<KinesisConfig>(kinesisOptions, { stream: "s" } as Partial<KinesisConfig>);
  const runtime = testRuntime({ clock, random });
  const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
  const source: KinesisSource = new KinesisSource(kinesisSettings(config), context, {
    workerId: "worker",
    tuning: DEFAULT_TUNING,
    connect: () =>
      Promise.resolve({ api: counted(api), store: counted(new SimLeaseStore(new SimTable(), network, time)) }),
  });
  let open = false;
  const opened = source.open(handlerOf(() => source), NEVER).then(() => open = true);
  const poll = async () => {
    await opened;
    const last = new Map<string, { epoch: bigint; next: string; ms: number }>();
    for (;;) {
      const batch = await source.poll(LIMIT, NEVER);
      if (batch === "end") return;
      const before = last.get(batch.split);
      if (before !== undefined && time.nowMs - before.ms < 55_000) continue;
      last.set(batch.split, { epoch: batch.epoch, next: batch.next, ms: time.nowMs });
      await source.commit(batch.split, batch.epoch, batch.next, NEVER);
    }
  };
  void poll().catch(() => {});
  const run = async (untilMs: number) => {
    while (time.nowMs < untilMs) {
      await turn();
      time.step();
    }
  };
  while (!open) {
    await turn();
    time.step();
  }
  await run(time.nowMs + 60_000);
  calls.clear();
  for (let i = 0; i < minutes; i++) {
    for (const shard of stream.openShards()) stream.put(shard);
    await run(time.nowMs + 60_000);
  }
  let closed = false;
  void source.close().then(() => closed = true);
  while (!closed) {
    await turn();
    time.step();
  }
  const names: Record<string, string> = { update: "UpdateItem", scan: "Scan", get: "GetItem", put: "PutItem" };
  return Object.fromEntries(
    [...calls].filter(([name]) => name !== "serverTimeMs" && name !== "close").map((
      [name, count],
    ) => [names[name] ?? name, Math.round(count / minutes)]),
  );
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function report(what: string, { records, byteLength, ms }: ReadResult, shards = 1): void {
  const perSecond = records / ms * 1000, megabytes = byteLength / 2 ** 20 / ms * 1000;
  const each = shards === 1
    ? ""
    : `; a shard: ${Math.round(perSecond / shards)}/s, ${(megabytes / shards).toFixed(1)} MB/s`;
  print(`${what}: ${Math.round(perSecond)} records/s, ${megabytes.toFixed(1)} MB/s${each}`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { records: { type: "string", default: "20000" }, rounds: { type: "string", default: "15" } },
  });
  const rounds = Number(values.rounds);
  report("read, plain records", await benchRead(5000, 1, rounds));
  report("read, aggregates of 100", await benchRead(5000, 100, rounds));
  report("emulated, 4 shards", await benchEmulated(Number(values.records), 4), 4);
  for (const shards of [8, 200]) {
    print(`calls a minute, ${shards} shards: ${JSON.stringify(await countCalls(shards, 2))}`);
  }
  Deno.exit(0);
}
