import { assertEquals, assertThrows } from "@std/assert";
import {
  type KinesisConfig,
  kinesisOptions,
  parseEndpoint,
  parseTimestamp,
} from "../../../../src/source/kinesis/options.ts";
import { kinesisConfigProblems, kinesisSettings } from "../../../../src/source/kinesis/settings.ts";
import { defaultConfig } from "../../../support/default_config.ts";

const ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/events";

function config(fields: Partial<KinesisConfig> = {}): KinesisConfig {
  return defaultConfig<KinesisConfig>(kinesisOptions, { stream: "events", ...fields } as Partial<KinesisConfig>);
}

Deno.test("kinesisConfigProblems() finds what doesn't go together, and nothing else", () => {
  const cases: [Partial<KinesisConfig>, string[]][] = [
    [{}, []],
    [{ stream: ARN }, []],
    [{ stream: ARN, region: "eu-west-1" }, []],
    [{ stream: ARN, region: "us-east-1" }, ["aws.region"]],
    [{ stream: "no stream" }, ["kinesis.stream"]],
    [{ stream: "arn:aws:kinesis:eu-west-1:1:stream/x" }, ["kinesis.stream"]],
    [{ leaseTable: "a" }, ["kinesis.consumer-dynamodb-table"]],
    [{ initialPosition: "AT_TIMESTAMP" }, ["kinesis.initial-timestamp"]],
    [{ initialPosition: "LATEST", initialTimestamp: "1" }, ["kinesis.initial-timestamp"]],
    [{ initialPosition: "AT_TIMESTAMP", initialTimestamp: "1" }, []],
    [{ accessKey: "a" }, ["aws.secret-access-key"]],
    [{ secretAccessKey: "a" }, ["aws.access-key"]],
    [{ sessionToken: "a" }, ["aws.session-token"]],
    [{ assumeRoleExternalId: "a" }, ["aws.assume-role-external-id"]],
    [{ tableTags: ["team=data", "env"] }, ["kinesis.lease-table-tags"]],
  ];
  for (const [fields, keys] of cases) {
    assertEquals(kinesisConfigProblems(config(fields)).map(({ key }) => key), keys, JSON.stringify(fields));
  }
});

Deno.test("kinesisSettings() takes ARNs, endpoints, moments and tags apart", () => {
  const settings = kinesisSettings(config({
    stream: ARN,
    kinesisEndpoint: "localhost:4567",
    initialTimestamp: "2026-01-31T12:00:00+01:00",
    tableTags: ["team = data", "env=a=b"],
  }));
  assertEquals([settings.streamName, settings.streamArn, settings.region], ["events", ARN, "eu-west-1"]);
  assertEquals(settings.kinesisEndpoint, "https://localhost:4567");
  assertEquals(settings.initialTimestampMs, Date.parse("2026-01-31T11:00:00Z"));
  assertEquals(settings.tags, [{ name: "team", value: "data" }, { name: "env", value: "a=b" }]);
  const plain = kinesisSettings(config());
  assertEquals([plain.streamName, plain.streamArn, plain.region], ["events", undefined, undefined]);
});

Deno.test("the defaults are those of the original collector's workers", () => {
  const { initialPosition, failoverTimeMs, leaseTable, enableCloudwatch, enhancedFanOut } = config();
  assertEquals(
    [initialPosition, failoverTimeMs, leaseTable, enableCloudwatch, enhancedFanOut],
    ["TRIM_HORIZON", 30_000, "rakam-kinesis-worker", true, false],
  );
});

Deno.test("parseTimestamp() and parseEndpoint() refuse what could be meant otherwise", () => {
  assertEquals(parseTimestamp("1790000000000"), 1_790_000_000_000);
  for (const text of ["2026-01-31", "2026-01-31T12:00:00", "yesterday", "-1", "2026-13-01T00:00:00Z"]) {
    assertThrows(() => parseTimestamp(text), RangeError);
  }
  assertEquals(parseEndpoint("http://127.0.0.1:4567/"), "http://127.0.0.1:4567");
  for (const text of ["ftp://x", "https://user:secret@x", "http://x?y=1", "http://"]) {
    assertThrows(() => parseEndpoint(text), RangeError);
  }
});
