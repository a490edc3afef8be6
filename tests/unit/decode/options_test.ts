import { assertEquals, assertThrows } from "@std/assert";
import { collectionOfSource, nameProblem } from "../../../src/records/names.ts";
import { decodeOptions } from "../../../src/decode/options.ts";
import { configOf } from "./harness.ts";

Deno.test("decoding has the original's defaults where it has them", () => {
  const { timeField, userField, userType, allowedCollections, dataFormat, jsonLayout } = configOf();
  assertEquals([timeField, userField, userType, allowedCollections], ["_time", "_user", "STRING", undefined]);
  assertEquals([dataFormat, jsonLayout], ["AUTO", "AUTO"]);
  assertEquals(decodeOptions.arrivalField.defaultValue, "_shard_time");
});

Deno.test("options refuse names that tables can't have", () => {
  assertThrows(() => decodeOptions.project.parse(".."), RangeError, 'the name is ".."');
  assertThrows(() => decodeOptions.collection.parse("x".repeat(101)), RangeError, "more than 100 characters");
  assertThrows(() => decodeOptions.metadataColumns.parse("topic,offset"), RangeError, "must be one of topic");
  assertEquals(decodeOptions.metadataColumns.parse("Topic, position"), ["topic", "position"]);
});

Deno.test("nameProblem() allows what only keys must escape", () => {
  for (const name of ["a", "A b", "ş", "a/b", "../a", "...", "a\\b", "😀"]) assertEquals(nameProblem(name), null);
  for (const name of ["", ".", "..", "\n", "a\u007f", "\ud800", "x".repeat(101)]) {
    assertEquals(nameProblem(name) === null, false);
  }
});

Deno.test("collectionOfSource() takes off what data files are called", () => {
  const cases = [["events", "events"], ["a/b/clicks.ndjson.gz", "clicks"], ["clicks.JSON", "clicks"], [".gz", ".gz"], [
    "v1.2.log.zst",
    "v1.2",
  ], ["shop.events", "shop.events"]];
  for (const [parent, collection] of cases) assertEquals(collectionOfSource(parent), collection);
});
