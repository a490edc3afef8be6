import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Aggregate, readAggregate } from "../../../../src/source/kinesis/shards/aggregate.ts";
import { aggregate, concat, seal } from "../../../support/kpl.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function contents(bytes: Uint8Array, { starts, ends }: Aggregate): string[] {
  return starts.map((start, i) => text(bytes.subarray(start, ends[i])));
}

function keys(bytes: Uint8Array, { keyIndexes, keyStarts, keyEnds }: Aggregate): string[] {
  return keyIndexes.map((index) => text(bytes.subarray(keyStarts[index], keyEnds[index])));
}

function read(bytes: Uint8Array): Aggregate {
  const found = readAggregate(bytes);
  assert(found !== null && found !== "broken");
  return found;
}

Deno.test("readAggregate() finds the user records and their keys", () => {
  const bytes = aggregate([
    { key: "a", data: utf8("one") },
    { key: "b", data: utf8("") },
    { key: "a", data: utf8("x".repeat(1000)) },
  ]);
  const found = read(bytes);
  assertEquals(contents(bytes, found), ["one", "", "x".repeat(1000)]);
  assertEquals(keys(bytes, found), ["a", "b", "a"]);
  assertEquals(found.broken, 0);
});

Deno.test("readAggregate() reads what another library wrote", () => {
  // Recorded from aws-kinesis-agg 4.2.8: keys "k" and "other", one with an explicit hash key.
  const hex = "f3899ac20a016b0a056f74686572120531323334351a0b08001a077b2261223a317d1a0d080110001a077b2262223a327d" +
    "1a0b08001a077b2263223a337db6f512640f6482dc33a73555272a92e9";
  const bytes = Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
  assertEquals(contents(bytes, read(bytes)), ['{"a":1}', '{"b":2}', '{"c":3}']);
  assertEquals(keys(bytes, read(bytes)), ["k", "other", "k"]);
});

Deno.test("readAggregate() takes what has another digest, or no room for one, for a plain record", () => {
  const bytes = aggregate([{ key: "a", data: utf8("one") }]);
  const wrong = bytes.slice();
  wrong[wrong.length - 1] ^= 1;
  const records = [wrong, bytes.slice(0, 10), bytes.slice(0, -1), utf8('{"a":1}'), new Uint8Array(0), bytes.slice(1)];
  for (const record of records) assertEquals(readAggregate(record), null);
});

Deno.test("readAggregate() calls a message broken that it can't read", () => {
  const whole = aggregate([{ key: "a", data: utf8("one") }]).slice(4, -16);
  const cut = seal(whole.slice(0, -1));
  const records = [
    cut,
    seal(Uint8Array.of(0)),
    seal(Uint8Array.of(0x1a, 0xff)),
    seal(Uint8Array.of(0x1f)),
    seal(new Uint8Array(12).fill(0xff)),
  ];
  for (const record of records) assertEquals(readAggregate(record), "broken");
});

Deno.test("readAggregate() leaves a user record that it can't read as it is, beside the others", () => {
  const broken = utf8("\x08\x00nonsense");
  const noData = Uint8Array.of(8, 0);
  const bytes = aggregate([{ key: "a", data: utf8("one") }, broken, noData, { key: "b", data: utf8("two") }]);
  const found = read(bytes);
  assertEquals(contents(bytes, found), ["one", text(broken), text(noData), "two"]);
  assertEquals(found.broken, 2);
});

Deno.test("readAggregate() skips fields that it doesn't know", () => {
  const message = aggregate([{ key: "a", data: utf8("one") }]).slice(4, -16);
  const unknown = Uint8Array.of(0x78, 0x96, 1, 0x7a, 2, 9, 9, 0x7d, 1, 2, 3, 4, 0x79, 1, 2, 3, 4, 5, 6, 7, 8);
  const bytes = seal(concat(unknown, message, unknown));
  assertEquals(contents(bytes, read(bytes)), ["one"]);
  assertEquals(read(seal(new Uint8Array(0))).starts, []);
});

Deno.test("readAggregate() reads back whatever is written, and never throws", () => {
  const record = fc.record({ key: fc.string(), data: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), (records) => {
      const bytes = aggregate(records);
      const found = read(bytes);
      assertEquals(found.starts.map((start, i) => bytes.slice(start, found.ends[i])), records.map(({ data }) => data));
      assertEquals(keys(bytes, found), records.map(({ key }) => text(utf8(key))));
    }),
    { seed: 1, numRuns: 100 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (message) => {
      readAggregate(seal(message));
    }),
    { seed: 2, numRuns: 2000 },
  );
});
