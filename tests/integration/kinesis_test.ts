import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../src/runtime/random.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import { type FaultFront, startFaultFront } from "../support/kinesis_front.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import type { Source, SourceHandler } from "../../src/source/source.ts";
import { textsOf } from "../support/batch_texts.ts";
import { createSource, FAST, sharedServers } from "../support/kinesis_harness.ts";
import type { KinesisServers } from "../support/kinesis_servers.ts";
import { KinesisWorker } from "../support/kinesis_worker.ts";
import { aggregate } from "../support/kpl.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { RowLedger } from "../support/row_ledger.ts";
import { until } from "../support/until.ts";

const encoder = new TextEncoder();
/** Leases expire after this; short, so that tests are. */
const FAILOVER_MS = 1000;

/** Collectors over one stream, one table and one ledger. */
class Fleet {
  readonly servers: KinesisServers;
  readonly stream: string;
  readonly table: string;
  readonly ledger = new RowLedger();
  readonly workers: KinesisWorker[] = [];
  readonly fronts: FaultFront[] = [];
  #settings: Partial<KinesisSettings> = {};
  #made = 0;
  #put = 0;

  private constructor(servers: KinesisServers, stream: string) {
    this.servers = servers;
    this.stream = stream;
    this.table = `${stream}-leases`;
  }

  static async create(shardCount: number): Promise<Fleet> {
    const servers = await sharedServers();
    return new Fleet(servers, await servers.createStream(shardCount));
  }

  /** From now on requests go through fronts that may fail. */
  useFronts(): { kinesis: FaultFront; dynamodb: FaultFront } {
    const kinesis = startFaultFront(this.servers.kinesisUrl, 1),
      dynamodb = startFaultFront(this.servers.dynamodbUrl, 2);
    this.fronts.push(kinesis, dynamodb);
    this.#settings = { kinesisEndpoint: kinesis.url, dynamodbEndpoint: dynamodb.url };
    return { kinesis, dynamodb };
  }

  start(fields: Partial<KinesisSettings> = {}): KinesisWorker {
    const settings = this.servers.settings(this.stream, { failoverTimeMs: FAILOVER_MS, ...this.#settings, ...fields });
    const worker = new KinesisWorker({
      id: `worker-${++this.#made}`,
      settings,
      tuning: FAST,
      ledger: this.ledger,
      runtime: { clock: new PatientClock(), random: new SeededRandom(this.#made) },
      connect: (runtime, signal) => openSdkPorts(settings, runtime, signal),
      unitMaxAgeMs: 60,
    });
    this.workers.push(worker);
    return worker;
  }

  async put(count: number): Promise<void> {
    const first = this.#put;
    this.#put += count;
    await this.servers.put(
      this.stream,
      Array.from({ length: count }, (_, i) => ({ key: `k${first + i}`, data: encoder.encode(`record ${first + i}`) })),
    );
  }

  /** Waits until everything that was put is stored. */
  async drained(): Promise<void> {
    await this.ledger.reaches(this.#put);
    assertEquals(this.ledger.copies.size, this.#put);
  }

  /** Waits until each of these workers holds so many shards. */
  async balanced(...counts: readonly number[]): Promise<void> {
    const sorted = (numbers: readonly number[]) => [...numbers].sort().join();
    await until(
      "each has its shards",
      () => sorted(this.workers.map(({ shardCount }) => shardCount)) === sorted(counts),
    );
  }

  remove(worker: KinesisWorker): void {
    this.workers.splice(this.workers.indexOf(worker), 1);
  }

  async stop(): Promise<void> {
    const errors = await Promise.all(this.workers.map((worker) => worker.stop()));
    assertEquals(errors.filter((error) => error !== undefined), []);
    await Promise.all(this.fronts.map((front) => front.close()));
  }
}

/** The servers live in this process, across tests. */
function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, fn: run, sanitizeOps: false, sanitizeResources: false });
}

test("four collectors share eight shards, and write every record", async () => {
  const fleet = await Fleet.create(8);
  await fleet.put(400);
  // A third of the failover time is what a stop has to give leases up: enough on a machine that is busy with other tests.
  for (let i = 0; i < 4; i++) fleet.start({ failoverTimeMs: 3000 });
  await fleet.balanced(2, 2, 2, 2);
  await fleet.put(400);
  await fleet.drained();
  await fleet.stop();
  const owners = (await fleet.servers.items(fleet.table)).filter(({ leaseOwner }) => leaseOwner !== undefined);
  assertEquals(owners, []);
});

test("a collector that stops hands its shards over at once, and nothing is written twice", async () => {
  const fleet = await Fleet.create(4);
  const first = fleet.start({ failoverTimeMs: 60_000 });
  await fleet.put(200);
  await fleet.drained();
  assertEquals(await first.stop(), undefined);
  fleet.remove(first);
  await fleet.put(200);
  // Its leases would expire in a minute; its look at the table is what takes them.
  fleet.start({ failoverTimeMs: 60_000 });
  await fleet.drained();
  assertEquals(fleet.ledger.duplicates, []);
  await fleet.stop();
});

test("the shards of a collector that was killed are taken over after the failover time", async () => {
  const fleet = await Fleet.create(4);
  const first = fleet.start();
  await fleet.put(100);
  await fleet.drained();
  const second = fleet.start();
  first.kill();
  fleet.remove(first);
  await fleet.put(300);
  await fleet.balanced(4);
  await fleet.drained();
  assertEquals(second.shardCount, 4);
  await fleet.stop();
});

test("shards that split and merge under load are read parents first, without loss", async () => {
  const fleet = await Fleet.create(3);
  const { servers, stream } = fleet;
  for (let i = 0; i < 2; i++) fleet.start();
  await fleet.put(200);
  let open = await servers.openShards(stream);
  await servers.split(stream, open[0]);
  await fleet.put(200);
  await servers.merge(stream, open[1], open[2]);
  await fleet.put(200);
  open = await servers.openShards(stream);
  await servers.split(stream, open.at(-1)!);
  await fleet.put(200);
  await fleet.drained();
  const ended = async () =>
    (await servers.items(fleet.table)).filter(({ checkpoint }) => checkpoint.S === "SHARD_END").length;
  await until("four leases are left", async () => (await servers.items(fleet.table)).length - await ended() === 4);
  // Once all children are under way, nobody needs their parents' leases.
  await fleet.put(200);
  await fleet.drained();
  await until("the ended ones are deleted", async () => await ended() === 0);
  await fleet.stop();
});

test("every record arrives when servers throttle, fail, lose answers and expire iterators", async () => {
  const fleet = await Fleet.create(4);
  const { kinesis, dynamodb } = fleet.useFronts();
  Object.assign(kinesis.faults, { throttled: 0.1, failed: 0.1, lostAnswer: 0.05, expiredIterator: 0.1 });
  Object.assign(dynamodb.faults, { throttled: 0.05, failed: 0.05, lostAnswer: 0.1 });
  for (let i = 0; i < 3; i++) fleet.start();
  for (let i = 0; i < 5; i++) {
    await fleet.put(100);
    await fleet.ledger.reaches(100 * i);
  }
  await fleet.drained();
  for (const kind of ["ProvisionedThroughputExceededException", "ExpiredIteratorException", "InternalFailure"]) {
    assert((kinesis.injected.get(kind) ?? 0) > 0, `no ${kind} was injected`);
  }
  for (const { faults } of [kinesis, dynamodb]) {
    Object.assign(faults, { throttled: 0, failed: 0, lostAnswer: 0, expiredIterator: 0 });
  }
  await fleet.stop();
});

const NEVER = new AbortController().signal;

/** A loop that commits starts, and nothing else by itself. */
function handlerOf(source: () => Source) {
  const starts = new Map<string, string>();
  const handler: SourceHandler = {
    async assigned(split, epoch, start, { committed }) {
      starts.set(split, start);
      if (!committed) await source().commit(split, epoch, start, NEVER);
    },
    revoking: () => Promise.resolve(),
    lost() {},
  };
  return { handler, starts };
}

/** The next rows, as text. */
async function rows(source: Source, count: number, maxRows = 1000): Promise<{ batch: RecordBatch; values: string[] }> {
  const values: string[] = [];
  for (;;) {
    const batch = await source.poll({ maxBytes: 1 << 20, maxRows }, NEVER);
    assert(batch !== "end");
    values.push(...textsOf(batch));
    if (values.length >= count) return { batch, values };
  }
}

test("a restart inside an aggregate repeats nothing", async () => {
  const { servers, stream, table } = await Fleet.create(1);
  const users = Array.from({ length: 7 }, (_, i) => ({ key: "k", data: encoder.encode(`user ${i}`) }));
  await servers.put(stream, [
    { key: "a", data: encoder.encode("plain") },
    { key: "b", data: aggregate(users) },
    { key: "c", data: encoder.encode("last") },
  ]);
  const found: string[] = [];
  for (const count of [1, 3, 2, 3]) {
    const source: Source = createSource(servers.settings(stream));
    await source.open(handlerOf(() => source).handler, NEVER);
    const { batch, values } = await rows(source, count, count);
    found.push(...values);
    await source.commit(batch.split, batch.epoch, batch.next, NEVER);
    await source.close();
    if (found.length === 4) {
      const [item] = await servers.items(table);
      assertEquals(item.checkpointSubSequenceNumber, { N: "2" });
    }
  }
  assertEquals(found, ["plain", ...users.map((_, i) => `user ${i}`), "last"]);
});

test("LATEST begins where the stream was at the first start, also after a restart that read nothing", async () => {
  const { servers, stream, table } = await Fleet.create(1);
  await servers.put(stream, [{ key: "a", data: encoder.encode("before") }]);
  // The service's clock shows whole seconds: what came in the same one may come along.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const settings = servers.settings(stream, { initialPosition: "LATEST" });
  const first: Source = createSource(settings);
  await first.open(handlerOf(() => first).handler, NEVER);
  const started = async () => (await servers.items(table))[0]?.collectorStartTimestamp !== undefined;
  await until("it has a lease", started);
  await first.close();
  assertEquals((await servers.items(table))[0].checkpoint, { S: "LATEST" });
  await servers.put(stream, [{ key: "a", data: encoder.encode("meanwhile") }]);
  const second: Source = createSource(settings);
  const { handler, starts } = handlerOf(() => second);
  await second.open(handler, NEVER);
  const { batch, values } = await rows(second, 1);
  assertEquals([values, [...starts.values()]], [["meanwhile"], ["2"]]);
  await second.commit(batch.split, batch.epoch, batch.next, NEVER);
  assertEquals((await servers.items(table))[0].collectorStartTimestamp, undefined);
  await second.close();
});

test("AT_TIMESTAMP begins at its moment", async () => {
  const { servers, stream } = await Fleet.create(1);
  await servers.put(stream, [{ key: "a", data: encoder.encode("before") }]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const initialTimestampMs = new PatientClock().now();
  await servers.put(stream, [{ key: "a", data: encoder.encode("after") }]);
  const source: Source = createSource(
    servers.settings(stream, { initialPosition: "AT_TIMESTAMP", initialTimestampMs }),
  );
  const { handler, starts } = handlerOf(() => source);
  await source.open(handler, NEVER);
  assertEquals((await rows(source, 1)).values, ["after"]);
  assertEquals([...starts.values()], ["0"]);
  await source.close();
});

test("a hundred shards are read within the bytes that may be read ahead", async () => {
  const { servers, stream } = await Fleet.create(100);
  const data = new Uint8Array(10_000);
  for (let i = 0; i < 400; i += 50) {
    await servers.put(stream, Array.from({ length: 50 }, (_, j) => ({ key: `k${i + j}`, data })));
  }
  // Nothing is committed: a lease that expired, be the machine ever so slow, would have its rows come again.
  const settings = servers.settings(stream, { prefetchByteLength: 1 << 20, failoverTimeMs: 60_000 });
  const source: Source = createSource(settings);
  await source.open(handlerOf(() => source).handler, NEVER);
  const splits = new Set<string>();
  for (let count = 0; count < 400;) {
    const batch = await source.poll({ maxBytes: 1 << 20, maxRows: 1000 }, NEVER);
    assert(batch !== "end");
    count += batch.rowCount;
    splits.add(batch.split);
  }
  assert(splits.size > 90, `${splits.size} shards had records`);
  await source.close();
});
