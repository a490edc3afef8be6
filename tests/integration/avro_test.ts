/** Avro records through the whole loop: from files, Kafka and Kinesis, with a schema registry that fails at first. */
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { DecodeConfig } from "../../src/decode/options.ts";
import { StreamBuffer } from "../../src/decode/stream_buffer.ts";
import { FatalError } from "../../src/runtime/errors.ts";
import { type SchemaConfig, schemaSection } from "../../src/schema/options.ts";
import { SchemaStore } from "../../src/schema/schema_store.ts";
import { fileSource } from "../../src/source/file.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import { collect, type Collected } from "../support/collect.ts";
import { defaultConfig } from "../support/default_config.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { recordOf } from "../support/kafka_log.ts";
import { createSource, sharedServers } from "../support/kinesis_harness.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { FakeRegistry } from "../support/schema_registry.ts";
import { inScratchDirectory } from "../support/scratch.ts";
import { testRuntime } from "../support/stored_object.ts";
import { encodeDatums } from "../unit/decode/avro/avro_harness.ts";
import { batchOf, configOf, sealed } from "../unit/decode/harness.ts";

/** Pauses between tries take no time. */
const runtime = testRuntime({ clock: new PatientClock(), random: { next: () => 0, hex: () => "0" } });
const context = { runtime, wants: { keys: true, headers: false }, maxRecordByteLength: 1 << 20 };
const golden = (name: string) => new URL(`../golden/avro/${name}`, import.meta.url);

function storeOf(config: Partial<SchemaConfig>, decode: DecodeConfig): SchemaStore {
  return new SchemaStore(defaultConfig<SchemaConfig>(schemaSection.options, config), { decode, runtime });
}

function collectFiles(directory: string): Promise<Collected> {
  const decode = configOf();
  const config = defaultConfig(fileSource.options, {
    path: [join(directory, "*.avro*")],
    checkpoint: join(directory, "state", "checkpoint.json"),
  });
  return collect({ source: fileSource.create(config, context), decode, schemas: storeOf({}, decode), runtime });
}

Deno.test("container files, packed or not, give all their rows once", () =>
  inScratchDirectory(async (directory) => {
    const bytes = await Deno.readFile(golden("java.snappy.avro"));
    await Deno.writeFile(join(directory, "plain.avro"), bytes);
    await Deno.writeFile(join(directory, "packed.avro.gz"), gzipSync(bytes));
    const { rows, deadLetters, counts } = await collectFiles(directory);
    const expected = (await Deno.readTextFile(golden("fastavro.expected.ndjson"))).trimEnd().split("\n").length;
    assertEquals([rows.length, deadLetters.length], [2 * expected, 0]);
    assertEquals(rows.filter((row) => row.startsWith("default/plain ")).length, expected);
    assertEquals(counts.reduce((sum, { records }) => sum + records, 0), 2 * expected);
    assertEquals((await collectFiles(directory)).rows, []);
  }));

Deno.test("a container file that was cut off gives what is whole, and then an error", () =>
  inScratchDirectory(async (directory) => {
    const bytes = await Deno.readFile(golden("java.null.avro"));
    await Deno.writeFile(join(directory, "a.avro"), bytes.subarray(0, bytes.length - 100));
    const error = await assertRejects(() => collectFiles(directory), FatalError);
    assert(error.message.includes("it ends in the middle of a block: it is truncated"), error.message);
    await Deno.writeFile(join(directory, "a.avro"), bytes);
    const { rows } = await collectFiles(directory);
    assert(rows.length > 0 && rows.length <= 100, `${rows.length} rows`);
  }));

Deno.test("a damaged block of a container file is a dead letter, and the blocks around it are rows", () =>
  inScratchDirectory(async (directory) => {
    const bytes = await Deno.readFile(golden("java.snappy.avro"));
    bytes[bytes.length - 40] ^= 0xff; // in the last block's contents
    await Deno.writeFile(join(directory, "a.avro"), bytes);
    const { rows, deadLetters } = await collectFiles(directory);
    assert(rows.length > 0 && rows.length < 100, `${rows.length} rows`);
    assertEquals(deadLetters.map((line) => JSON.parse(line).code), ["malformed-avro"]);
  }));

/** Six blocks of five records: n is 0 to 29. */
function sixBlocks(): { bytes: Uint8Array<ArrayBuffer>; blocks: number[] } {
  const text = (value: string) => [2 * value.length, ...new TextEncoder().encode(value)];
  const sync = Array.from("0123456789abcdef", (character) => character.charCodeAt(0));
  const bytes = [0x4f, 0x62, 0x6a, 1, 2, ...text("avro.schema")];
  const schema = '{"type":"record","name":"E","fields":[{"name":"n","type":"int"}]}';
  bytes.push(2 * schema.length & 0x7f | 0x80, schema.length >> 6, ...text(schema).slice(1), 0, ...sync);
  const blocks: number[] = [];
  for (let first = 0; first < 30; first += 5) {
    blocks.push(bytes.length);
    bytes.push(10, 10, ...Array.from({ length: 5 }, (_, i) => 2 * (first + i)), ...sync);
  }
  return { bytes: Uint8Array.from(bytes), blocks };
}

const DAMAGE: [what: string, at: number, value: number, lost: number][] = [
  ["sync marker", 10, 0, 0],
  ["size that is too large", 1, 60, 5],
  ["size that is too small", 1, 6, 2],
  ["size beyond all bounds", 1, 0xff, 5],
  ["count below zero", 0, 9, 5],
];
for (const [what, at, value, lost] of DAMAGE) {
  Deno.test(`a container file with a damaged ${what} goes on at the next sync marker`, () =>
    inScratchDirectory(async (directory) => {
      const { bytes, blocks } = sixBlocks();
      bytes[blocks[2] + at] = value;
      await Deno.writeFile(join(directory, "a.avro"), bytes);
      const { rows, deadLetters, counts } = await collectFiles(directory);
      const numbers = rows.map((row) => Number(/"n":(\d+)/.exec(row)![1]));
      assertEquals(numbers.filter((n) => n < 10 || n >= 20).length, 20);
      assertEquals([30 - numbers.length, new Set(numbers).size], [lost, numbers.length]);
      assertEquals(deadLetters.map((line) => JSON.parse(line).code), ["malformed-avro"]);
      assertEquals(counts.reduce((sum, { deadLetters }) => sum + deadLetters, 0), 1);
      const buffer = new StreamBuffer(configOf());
      buffer.append(batchOf([bytes]));
      const inRecord = sealed(buffer);
      assertEquals([inRecord.pages[0].positionCount, inRecord.deadLetters.length], [numbers.length, 1]);
    }));
}

const CLICK = { type: "record", name: "Click", fields: [{ name: "n", type: "int" }] };
const PRICE = { type: "record", name: "Price", fields: [{ name: "amount", type: "double" }] };

function framed(id: number, datum: Uint8Array): Uint8Array {
  return Uint8Array.from([0, 0, 0, 0, id, ...datum]);
}

Deno.test("records from Kafka wait for a registry that is down, in the registry's wire format", async () => {
  await using registry = new FakeRegistry();
  registry.add(1, CLICK);
  registry.add(2, PRICE);
  registry.faults.push("error", "reset", "error", "throttle");
  const cluster = new FakeKafka();
  const [log] = cluster.createTopic("events", 1);
  const clicks = encodeDatums(CLICK, Array.from({ length: 50 }, (_, n) => ({ n }))).map((datum) => framed(1, datum));
  const prices = encodeDatums(PRICE, [{ amount: 0.5 }]).map((datum) => framed(2, datum));
  const records = [...clicks, ...prices, framed(3, Uint8Array.of(0)), new TextEncoder().encode('{"n":"json"}')];
  log.write({ records: records.map((value) => recordOf(null, { value })) });
  const decode = configOf({ avroCollection: "NAME" });
  const config = defaultConfig(kafkaSource.options, {
    nodes: cluster.nodes,
    topic: "events",
    offset: "earliest",
    fetchMaxWaitMs: 20,
  });
  const { rows, deadLetters } = await collect({
    source: kafkaSource.create(config, context),
    decode,
    schemas: storeOf({ registryUrls: [registry.url] }, decode),
    runtime,
    until: 53,
  });
  cluster.stop();
  assertEquals(
    rows.filter((row) => row.startsWith("default/Click ")),
    clicks.map((_, n) => `default/Click {"n":${n}}`),
  );
  assertEquals(rows.filter((row) => !row.startsWith("default/Click ")), [
    'default/Price {"amount":0.5}',
    'default/events {"n":"json"}',
  ]);
  assertEquals(deadLetters.map((line) => JSON.parse(line).code), ["unknown-schema"]);
});

Deno.test("records whose registry was down until the stop come in the next run", async () => {
  const cluster = new FakeKafka();
  const [log] = cluster.createTopic("events", 1);
  const clicks = encodeDatums(CLICK, [{ n: 1 }, { n: 2 }]).map((datum) => framed(1, datum));
  log.write({ records: clicks.map((value) => recordOf(null, { value })) });
  const decode = configOf({ dataFormat: "AVRO" });
  const config = defaultConfig(kafkaSource.options, {
    nodes: cluster.nodes,
    topic: "events",
    offset: "earliest",
    fetchMaxWaitMs: 20,
  });
  await using registry = new FakeRegistry();
  registry.faults.push(...Array(1000).fill("error"));
  const stop = new AbortController();
  const running = collect({
    source: kafkaSource.create(config, context),
    decode,
    schemas: storeOf({ registryUrls: [registry.url] }, decode),
    runtime: testRuntime(),
    stop: stop.signal,
  });
  while (registry.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort(new DOMException("stopped", "AbortError"));
  assertEquals((await running).rows, []);
  registry.faults.length = 0;
  registry.add(1, CLICK);
  const { rows } = await collect({
    source: kafkaSource.create(config, context),
    decode,
    schemas: storeOf({ registryUrls: [registry.url] }, decode),
    runtime,
    until: 2,
  });
  cluster.stop();
  assertEquals(rows, ['default/events {"n":1}', 'default/events {"n":2}']);
});

Deno.test({
  name: "records from Kinesis in the original's framing find their schema by the partition key",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    inScratchDirectory(async (directory) => {
      await Deno.mkdir(join(directory, "shop"));
      await Deno.writeTextFile(join(directory, "shop", "click.avsc"), JSON.stringify(CLICK));
      await Deno.writeTextFile(join(directory, "shop", "price.avsc"), JSON.stringify(PRICE));
      const servers = await sharedServers();
      const stream = await servers.createStream(1);
      const [click] = encodeDatums(CLICK, [{ n: 7 }]), [price] = encodeDatums(PRICE, [{ amount: 0.25 }]);
      await servers.put(stream, [
        { key: "shop|click", data: Uint8Array.from([0, ...click]) },
        { key: "Shop|click", data: Uint8Array.from([2, 10, ...new TextEncoder().encode("price"), ...price]) },
        { key: "shop|other", data: Uint8Array.from([0, ...click]) },
      ]);
      const decode = configOf({ dataFormat: "AVRO", avroEncoding: "RAKAM" });
      const { rows, deadLetters } = await collect({
        source: createSource(servers.settings(stream), context),
        decode,
        schemas: storeOf({ schemaDirectory: directory }, decode),
        runtime,
        until: 3,
      });
      assertEquals(rows.toSorted(), ['shop/click {"n":7}', 'shop/price {"amount":0.25}']);
      assertEquals(deadLetters.map((line) => JSON.parse(line).code), ["unknown-schema"]);
    }),
});
