/**
 * The Kinesis source by itself: what it costs to read, and what it asks of the services.
 *
 *     deno run -A --config tests/deno.json tests/bench/kinesis_bench.ts [--records N] [--rounds N]
 *
 *  - read: GetRecords answers of a server in this process -> the SDK -> chunks -> batches, one shard after the other in
 *    one isolate, plain records and KPL aggregates; MB are the records' own bytes;
 *  - emulated: four shards of kinesalite in this process, which is what limits it;
 *  - calls: requests a minute of simulated time, of one worker with so many idle shards and a commit of each a minute;
 *  - read ahead: bytes that were read and not taken, with many full shards and a loop that is slower than they are.
 */
import { parseArgs } from "node:util";
import { SeededRandom } from "../../src/runtime/random.ts";
import { connectToAws } from "../../src/source/kinesis/aws/connect.ts";
import { DEFAULT_TUNING, KinesisSource } from "../../src/source/kinesis/kinesis_source.ts";
import { type KinesisConfig, kinesisOptions } from "../../src/source/kinesis/options.ts";
import type { RecordsPage } from "../../src/source/kinesis/aws/kinesis_api.ts";
import { RecordChunk } from "../../src/source/kinesis/shards/record_chunk.ts";
import { SdkKinesisApi } from "../../src/source/kinesis/aws/sdk_kinesis.ts";
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

/** A worker of a simulated stream, all of whose time is simulated. */
class SimWorker {
  readonly time = new SimTime();
  readonly stream: SimStream;
  readonly source: KinesisSource;
  /** By kind. */
  readonly calls = new Map<string, number>();
  /** Bytes of the pages that were read. */
  readByteLength = 0;

  constructor(shardCount: number, config: Partial<KinesisConfig> = {}) {
    const { time } = this;
    const stream = this.stream = new SimStream(shardCount, () => time.nowMs);
    const clock = new SimClock(time, NEVER, { skewMs: 0, drift: 1 });
    const random = new SeededRandom(1);
    const network = { clock, random, rates: { error: 0, lostAnswer: 0, slow: 0 } };
    const api = new SimKinesisApi(stream, { network, nowMs: () => time.nowMs, onRead() {}, maxPageRecords: 10_000 });
    const full = defaultConfig<KinesisConfig>(kinesisOptions, { stream: "s", ...config });
    const context = {
      runtime: testRuntime({ clock, random }),
      wants: { keys: false, headers: false },
      maxRecordByteLength: 1 << 20,
    };
    const store = new SimLeaseStore(new SimTable(), network, time);
    this.source = new KinesisSource(kinesisSettings(full), context, {
      workerId: "worker",
      tuning: DEFAULT_TUNING,
      connect: () => Promise.resolve({ api: this.#counted(api), store: this.#counted(store) }),
    });
  }

  async open(): Promise<void> {
    await this.time.drive(this.source.open(handlerOf(() => this.source), NEVER));
  }

  async run(untilMs: number): Promise<void> {
    while (this.time.nowMs < untilMs) {
      await turn();
      this.time.step();
    }
  }

  async close(): Promise<void> {
    await this.time.drive(this.source.close());
  }

  #counted<T extends object>(port: T): T {
    return new Proxy(port, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          this.calls.set(String(name), (this.calls.get(String(name)) ?? 0) + 1);
          const result = member.apply(target, args);
          if (name === "getRecords") result.then((page: RecordsPage) => this.#countBytes(page), () => {});
          return result;
        };
      },
    });
  }

  #countBytes({ records }: RecordsPage): void {
    for (const { data } of records) this.readByteLength += data.length;
  }
}

/** Requests a minute, by kind, with the default timings. */
export async function countCalls(shardCount: number, minutes: number): Promise<Readonly<Record<string, number>>> {
  const worker = new SimWorker(shardCount);
  const { time, stream, source, calls } = worker;
  await worker.open();
  const poll = async () => {
    const last = new Map<string, number>();
    for (;;) {
      const batch = await source.poll(LIMIT, NEVER);
      if (batch === "end") return;
      if (time.nowMs - (last.get(batch.split) ?? -Infinity) < 55_000) continue;
      last.set(batch.split, time.nowMs);
      await source.commit(batch.split, batch.epoch, batch.next, NEVER);
    }
  };
  void poll().catch(() => {});
  await worker.run(time.nowMs + 60_000);
  calls.clear();
  for (let i = 0; i < minutes; i++) {
    for (const shard of stream.openShards()) stream.put(shard);
    await worker.run(time.nowMs + 60_000);
  }
  await worker.close();
  const names: Record<string, string> = {
    update: "UpdateItem",
    scan: "Scan",
    get: "GetItem",
    coordinatorState: "GetItem of the fleet's table",
    put: "PutItem",
  };
  return Object.fromEntries(
    [...calls].filter(([name]) => name !== "serverTimeMs" && name !== "close").map((
      [name, count],
    ) => [names[name] ?? name, Math.round(count / minutes)]),
  );
}

/**
 * The most bytes that were read and not taken, while a loop that is slower than the shards takes everything; each shard
 * has `recordCount` records of `recordByteLength`, which share their bytes.
 */
export async function measureReadAhead(
  shardCount: number,
  { recordCount, recordByteLength }: { recordCount: number; recordByteLength: number },
): Promise<{ maxByteLength: number; reads: number; simulatedMs: number }> {
  const worker = new SimWorker(shardCount);
  const { time, stream, source } = worker;
  const data = new Uint8Array(recordByteLength);
  for (const shard of stream.openShards()) {
    for (let i = 0; i < recordCount; i++) stream.put(shard, undefined, data);
  }
  await worker.open();
  let takenByteLength = 0, maxByteLength = 0;
  const startMs = time.nowMs;
  for (const total = shardCount * recordCount * recordByteLength; takenByteLength < total;) {
    await worker.run(time.nowMs + 20); // 50 MB a second at the most
    maxByteLength = Math.max(maxByteLength, worker.readByteLength - takenByteLength);
    const batch = await time.drive(source.poll(LIMIT, NEVER));
    if (batch === "end") break;
    takenByteLength += batch.bytes.length;
  }
  const result = { maxByteLength, reads: worker.calls.get("getRecords") ?? 0, simulatedMs: time.nowMs - startMs };
  await worker.close();
  return result;
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
  for (const shards of [8, 300]) {
    print(`calls a minute, ${shards} shards: ${JSON.stringify(await countCalls(shards, 2))}`);
  }
  for (const recordByteLength of [500, 50_000]) {
    const recordCount = 4_000_000 / recordByteLength;
    const { maxByteLength, reads, simulatedMs } = await measureReadAhead(300, { recordCount, recordByteLength });
    print(
      `300 shards with 4 MB each, records of ${recordByteLength} bytes: at most ${
        (maxByteLength / 2 ** 20).toFixed(1)
      } MB ` +
        `read ahead (kinesis.prefetch-size is 32 MB), ${reads} reads, ${Math.round(simulatedMs / 1000)} s`,
    );
  }
  Deno.exit(0);
}
