import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { comparePositions } from "../../../src/records/position.ts";
import {
  decodeExpected,
  decodeRange,
  encodeClaim,
  encodeExpected,
  encodeRange,
  sortablePosition,
} from "../../../src/verify/sort_records.ts";

Deno.test("sortablePosition() has the order of comparePositions()", () => {
  const part = fc.oneof(
    fc.constantFrom("0", "00", "1", "9", "10", "09", "99", "100", "9".repeat(64)),
    fc.bigInt({ min: 0n, max: 10n ** 60n }).map(String),
  );
  const position = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(":"));
  fc.assert(
    fc.property(position, position, (a, b) => {
      // As it stands in a record: with a zero character behind it.
      const [left, right] = [a, b].map((one) => Buffer.from(`${sortablePosition(one)}\0`));
      assertEquals(Math.sign(Buffer.compare(left, right)), comparePositions(a, b));
    }),
    { seed: 1, numRuns: 3000 },
  );
});

Deno.test("records come back as they were, unknown times too", () => {
  const range = {
    ...{
      split: "a/0",
      start: "5",
      next: "7:1",
      manifest: '_manifests/a/"x".json',
      records: 1,
      rows: 2,
      deadLetters: 3,
    },
    ...{ dropped: 4, minTimestamp: NaN, maxTimestamp: 6, gap: null, counted: true, log: "" },
  };
  assertEquals(decodeRange(new TextEncoder().encode(encodeRange(range))), range);
  const claim = { split: "a/0", start: "5", next: "7:1", report: '_replays/j/"x".json' };
  assertEquals(decodeRange(new TextEncoder().encode(encodeClaim(claim))), claim);
  const expected = {
    ...{ key: "ünï/😀", manifest: "m", byteLength: 1, sha256: "aa", rows: 2, rawByteLength: null, isRemade: true },
    wrong: { kind: "wrong-size", message: "x", key: "k" } as const,
    ...{ isDeadLetters: true, minTimestamp: -1, maxTimestamp: NaN },
  };
  assertEquals(decodeExpected(new TextEncoder().encode(encodeExpected(expected))), expected);
});
