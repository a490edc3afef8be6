import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import { SOURCES } from "../../src/registry.ts";
import { demoSource } from "../../src/source/demo.ts";
import { fileSource } from "../../src/source/file.ts";
import { kafkaSource } from "../../src/source/kafka.ts";
import { FileSource } from "../../src/source/file/file_source.ts";
import type { FileConfig } from "../../src/source/file/options.ts";
import { EventWriter, makeTemplates } from "../../src/source/sample/event_writer.ts";
import type { SourceContext } from "../../src/source/source.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { defaultConfig } from "../support/default_config.ts";
import { kinesisHarness } from "../support/kinesis_harness.ts";
import { testRuntime } from "../support/stored_object.ts";
import { type SourceBackend, sourceContract, type SourceHarness } from "./source_contract.ts";

function context(): SourceContext {
  return { runtime: testRuntime(), wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
}

/** Lines of several lengths, an empty one among them. */
function lines(count: number): string[] {
  return Array.from({ length: count }, (_, i) => i === 3 ? "" : JSON.stringify({ i, text: "x".repeat(i * 7 % 50) }));
}

/** Records in one file, written as `encode` says. */
function inFile(encode: (text: string) => Uint8Array, fields: Partial<FileConfig> = {}) {
  return async (recordCount: number): Promise<SourceBackend> => {
    const directory = await Deno.makeTempDir({ prefix: "file-source-" });
    const records = lines(recordCount);
    await Deno.writeFile(join(directory, "events.ndjson"), encode(records.map((line) => `${line}\n`).join("")));
    const config = defaultConfig(fileSource.options, {
      path: [join(directory, "*.ndjson")],
      checkpoint: join(directory, "state", "checkpoint.json"),
      scanIntervalMs: 10,
      ...fields,
    });
    return {
      records,
      create: () => fileSource.create(config, context()),
      stop: () => Deno.remove(directory, { recursive: true }),
    };
  };
}

/** Records on standard input, in pieces that end anywhere. */
function onStandardInput(recordCount: number): Promise<SourceBackend> {
  const records = lines(recordCount);
  const bytes = new TextEncoder().encode(records.map((line) => `${line}\r\n`).join(""));
  let at = 0;
  const read = (into: Uint8Array) => {
    const piece = bytes.subarray(at, Math.min(at + 13, at + into.length));
    into.set(piece);
    at += piece.length;
    return Promise.resolve(piece.length === 0 ? null : piece.length);
  };
  const sample = () => Promise.reject(new Error("nobody asked for the sample events"));
  const config = defaultConfig(fileSource.options, { path: ["-"] });
  return Promise.resolve({
    records,
    create: () => new FileSource(config, context(), { standardInput: { read }, sample }),
    stop: () => Promise.resolve(),
  });
}

async function demoEvents(total: number): Promise<SourceBackend> {
  const directory = await Deno.makeTempDir({ prefix: "demo-source-" });
  const checkpoint = join(directory, "checkpoint.json");
  const config = defaultConfig(demoSource.options, { rate: 0, total, seed: 7, splits: 1, checkpoint });
  const writer = new EventWriter(makeTemplates(7), { seed: 7, stream: 0 });
  const bytes = new Uint8Array(writer.maxEventByteLength);
  const decoder = new TextDecoder();
  return {
    records: Array.from({ length: total }, (_, i) => decoder.decode(bytes.subarray(0, writer.write(bytes, 0, i)))),
    create: () => demoSource.create(config, context()),
    stop: () => Deno.remove(directory, { recursive: true }),
  };
}

/** Records in one partition, several to a record batch. */
function inTopic(recordCount: number): Promise<SourceBackend> {
  const cluster = new FakeKafka();
  const [log] = cluster.createTopic("events", 1);
  const records = lines(recordCount);
  for (let i = 0; i < recordCount; i += 7) log.values(records.slice(i, i + 7));
  const config = defaultConfig(kafkaSource.options, {
    nodes: cluster.nodes,
    topic: "events",
    offset: "earliest",
    fetchMaxWaitMs: 20,
  });
  return Promise.resolve({
    records,
    create: () => kafkaSource.create(config, context()),
    stop: () => Promise.resolve(cluster.stop()),
  });
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A source may have several: its ways of reading are quite different ones. */
const HARNESSES: Readonly<Record<string, Readonly<Record<string, SourceHarness>>>> = {
  file: {
    "file": { start: inFile(utf8), ends: true, resumes: true },
    "file (gzip)": { start: inFile((text) => gzipSync(text)), ends: true, resumes: true },
    "file (zstd)": { start: inFile((text) => zstdCompressSync(text)), ends: true, resumes: true },
    "file (followed)": { start: inFile(utf8, { follow: true }), ends: false, resumes: true },
    "file (standard input)": { start: onStandardInput, ends: true, resumes: false },
  },
  kafka: { "kafka": { start: inTopic, ends: false, resumes: true, servesHere: true } },
  demo: { "demo": { start: demoEvents, ends: true, resumes: true } },
  kinesis: { "kinesis": kinesisHarness },
};

Deno.test("every registered source has its place in the contract tests", () => {
  assertEquals(Object.keys(SOURCES).filter((name) => !(name in HARNESSES)), []);
});

for (const harnesses of Object.values(HARNESSES)) {
  for (const [name, harness] of Object.entries(harnesses)) sourceContract(name, harness);
}
