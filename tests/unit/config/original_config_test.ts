import { assertEquals, assertThrows } from "@std/assert";
import { resolveConfig } from "../../../src/config/resolve.ts";
import { REGISTRY } from "../../../src/registry.ts";
import { ConfigError } from "../../../src/runtime/errors.ts";

/** A config as deployments of the original collector have them. */
const KAFKA_TO_S3 = `# collector, production
stream.source=kafka
target=S3

kafka.nodes=10.0.1.11,10.0.1.12:9093,\\
            10.0.1.13
kafka.topic=events
kafka.offset='earliest'
kafka.group.id=presto_streaming
kafka.session.timeout.ms=12000
kafka.request.timeout.ms=15000
max.poll.records=100000
historical.worker=false
kafka.historical-data-topic=

stream.max-flush-duration = 15s
stream.memory-max-flush-ratio=0.1
middleware.max-flush-duration=1.5m
memory.heap-ratio=0.6
committer.thread.count=4

target.aws.region=eu-west-1
target.aws.s3-bucket=events
target.access-key=
target.secret-access-key=
target.aws.s3-max-data-size=256MB

metadata.store.jdbc.url=jdbc:postgresql://user:password@db:5432/rakam
metadata.store.jdbc.max-connection=10
log-active=false
log-identifier=collector
company-name=acme
license.keyname=key
raptor.node.id=1
backup.threads=5
committer.duplicate-handler-rocksdb-directory=/tmp/rocksdb
`;

const KINESIS = `stream.source=kinesis
target=s3
kinesis.stream=events
kinesis.max-records-per-batch=1000
kinesis.consumer-dynamodb-table=rakam-kinesis-worker
aws.enable-cloudwatch=true
aws.kinesis-endpoint=http://localhost:4567
aws.dynamodb-endpoint=http://localhost:4568
aws.region=eu-west-1
aws.access-key=AKIAEXAMPLE
aws.secret-access-key=secret
aws.s3-bulk-bucket=bulk
aws.s3-endpoint=http://localhost:9000
target.aws.s3-bucket=events
`;

function resolve(contents: string, environment: Readonly<Record<string, string>> = {}) {
  const file = { name: "config.properties", contents };
  return resolveConfig({ registry: REGISTRY, file, sets: [], environment });
}

Deno.test("a config of the original for Kafka and S3 works, with warnings for what is different", () => {
  const environment = { RAKAM_KAFKA_TOPIC: "events-live", RAKAM_STREAM_MAX__FLUSH__DURATION: "5s", RAKAM_FOO: "1" };
  const { config, warnings, notes } = resolve(KAFKA_TO_S3, environment);
  const kafka = config.source.config as Record<string, unknown>;
  assertEquals(kafka.nodes, ["10.0.1.11", "10.0.1.12:9093", "10.0.1.13"]);
  assertEquals([kafka.topic, kafka.offset, kafka.historicalTopic], ["events-live", "earliest", undefined]);
  assertEquals(config.target.name, "s3");
  assertEquals((config.target.config as Record<string, unknown>).accessKey, undefined);
  const { streamMaxFlushDurationMs, middlewareMaxFlushDurationMs, committerThreadCount } = config.pipeline;
  assertEquals([streamMaxFlushDurationMs, middlewareMaxFlushDurationMs, committerThreadCount], [5000, 90_000, 4]);
  const schema = "ignored: no metadata database is used; tables and columns are found out from the records themselves";
  const logs = "ignored: logs go to standard error, see log.level and log.format";
  const raptor = "ignored: there is no raptor target; rows go to the target that the target key names";
  assertEquals(warnings.map(({ origin, key, message }) => `${origin}: ${key}: ${message}`), [
    "config.properties:8: kafka.offset: quotes are not part of the value: write kafka.offset=earliest",
    `config.properties:28: metadata.store.jdbc.url: ${schema}`,
    `config.properties:29: metadata.store.jdbc.max-connection: ${schema}`,
    `config.properties:30: log-active: ${logs}`,
    `config.properties:31: log-identifier: ${logs}`,
    `config.properties:32: company-name: ${logs}`,
    "config.properties:33: license.keyname: ignored: no license is asked for",
    `config.properties:34: raptor.node.id: ${raptor}`,
    `config.properties:35: backup.threads: ${raptor}`,
    "config.properties:36: committer.duplicate-handler-rocksdb-directory: ignored: no rows are dropped as duplicates; " +
    "source.metadata-columns adds columns by which readers can",
    "environment RAKAM_FOO: foo: unknown key, ignored",
  ]);
  assertEquals(notes, []);
});

Deno.test("a config of the original for Kinesis works, its secrets hidden", () => {
  const { config, warnings, listing } = resolve(KINESIS);
  const kinesis = config.source.config as Record<string, unknown>;
  assertEquals([kinesis.stream, kinesis.maxRecordsPerBatch, kinesis.enableCloudwatch], ["events", 1000, true]);
  assertEquals(warnings, []);
  const shown = listing.filter(({ key }) => key.endsWith("access-key")).map(({ key, text }) => `${key}=${text}`);
  assertEquals(shown.slice(0, 2), ["aws.access-key=***", "aws.secret-access-key=***"]);
});

Deno.test("Kafka's options have the original's defaults and refuse what can't be", () => {
  const text = "stream.source=kafka\ntarget=s3\ntarget.aws.s3-bucket=b\nkafka.topic=t\n";
  const config = resolve(`${text}kafka.nodes=h`).config.source.config as Record<string, unknown>;
  const expected = {
    topic: "t",
    offset: "latest",
    groupId: "presto_streaming",
    sessionTimeoutMs: 12_000,
    requestTimeoutMs: 15_000,
    maxPollRecords: 300_000,
    historicalTopic: undefined,
    historicalWorker: false,
    outdatedDayIndex: 1,
    historicalMaxFlushDurationMs: 1_800_000,
    historicalMaxFlushRecords: 500_000,
  };
  assertEquals(Object.fromEntries(Object.keys(expected).map((field) => [field, config[field]])), expected);
  for (const nodes of ["a,b:9092", "[::1]:9092", "kafka-1.internal:1"]) resolve(`${text}kafka.nodes=${nodes}`);
  for (const node of ["http://h:1", "h:", "h:0", "h:65536", "a b", "h:1:2", "::1"]) {
    const error = assertThrows(() => resolve(`${text}kafka.nodes=ok,${node}`), ConfigError);
    assertEquals(error.problems.map(({ message }) => message), [
      `"${node}" is no broker: write host or host:port, without a protocol (got "ok,${node}")`,
    ]);
  }
});

Deno.test("keys that need each other are reported where they stand", () => {
  const text = "stream.source=kafka\ntarget=s3\nkafka.nodes=h\nkafka.topic=t\ntarget.aws.s3-bucket=s3://events/x\n" +
    "target.compression=gzip\ntarget.compression.level=12\n";
  const error = assertThrows(() => resolve(text), ConfigError);
  assertEquals(error.problems.map(({ origin, key }) => `${origin}: ${key}`), [
    "config.properties:5: target.aws.s3-bucket",
    "config.properties:7: target.compression.level",
  ]);
});
