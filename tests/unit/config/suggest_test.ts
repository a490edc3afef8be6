import { assertEquals } from "@std/assert";
import { editDistance, nearest } from "../../../src/config/suggest.ts";

Deno.test("editDistance() counts inserts, deletes, replacements and swaps of neighbours", () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["abc", "abc", 0],
    ["abc", "abd", 1],
    ["abc", "acb", 1],
    ["abc", "xabc", 1],
    ["kitten", "sitting", 3],
    ["ca", "abc", 3],
  ];
  for (const [a, b, distance] of cases) {
    assertEquals(editDistance(a, b), distance, `${a} ${b}`);
    assertEquals(editDistance(b, a), distance, `${b} ${a}`);
  }
});

Deno.test("nearest() finds what was meant, or nothing", () => {
  const keys = [
    "kafka.topic",
    "kafka.nodes",
    "kafka.group.id",
    "stream.max-flush-duration",
    "target.aws.s3-bucket",
    "target",
  ];
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["kafka.tpoic", "kafka.topic"],
    ["kafka.topics", "kafka.topic"],
    ["Kafka.Topic", "kafka.topic"],
    ["kafka.group-id", "kafka.group.id"],
    ["stream.max.flush.duration", "stream.max-flush-duration"],
    ["s3-bucket", "target.aws.s3-bucket"],
    ["s3.bucket", "target.aws.s3-bucket"],
    ["tarhet", "target"],
    ["node.environment", undefined],
    ["x", undefined],
    ["", undefined],
  ];
  for (const [name, expected] of cases) assertEquals(nearest(name, keys), expected, name);
});

Deno.test("nearest() keeps to the edits it is allowed", () => {
  assertEquals(nearest("kafka.tpoics", ["kafka.topic"], 2), "kafka.topic");
  assertEquals(nearest("kafka.tpoixs", ["kafka.topic"], 2), undefined);
  assertEquals(nearest("topic", ["kafka.topic"], 2), undefined);
});
