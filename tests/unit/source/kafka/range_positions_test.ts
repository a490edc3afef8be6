import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import { parseOffsets } from "../../../../src/source/kafka/ranges/range_positions.ts";

const VALID: readonly [string, readonly string[], number | Record<string, number>][] = [
  ["1000", ["a"], 1000],
  [" 0 ", ["a", "b"], 0],
  ["0:1000,3:2500", ["a"], { "a/0": 1000, "a/3": 2500 }],
  ["0:1, 1:2", ["a"], { "a/0": 1, "a/1": 2 }],
  ["a.b-c/0:7,d/12:9007199254740991", ["a.b-c", "d"], { "a.b-c/0": 7, "d/12": 9007199254740991 }],
  ["a/0:7", ["a"], { "a/0": 7 }],
];

for (const [text, topics, expected] of VALID) {
  Deno.test(`parseOffsets() reads "${text}"`, () => {
    const edge = parseOffsets(text, topics);
    assertEquals(edge.kind === "all" ? edge.offset : Object.fromEntries(edge.offsets), expected);
  });
}

const INVALID: readonly [string, readonly string[], string][] = [
  ["", ["a"], "something is missing"],
  ["0:1,", ["a"], "something is missing"],
  ["-1", ["a"], '"-1" is no partition with its offset'],
  ["1e3", ["a"], '"1e3" is no partition with its offset'],
  ["1000,2000", ["a"], '"1000" is no partition with its offset'],
  ["0:1,0:2", ["a"], "a/0 comes twice"],
  ["0:1,a/0:1", ["a"], "a/0 comes twice"],
  ["0:1", ["a", "b"], `"0:1" doesn't say which of a, b`],
  ["c/0:1", ["a", "b"], "topic c isn't read (a, b)"],
  ["9007199254740992", ["a"], "9007199254740992 is too large"],
  ["0:9007199254740992", ["a"], "9007199254740992 is too large"],
  ["2026-01-01T00:00:00Z", ["a"], "is no partition with its offset"],
];

for (const [text, topics, message] of INVALID) {
  Deno.test(`parseOffsets() refuses "${text}" of ${topics}`, () => {
    const error = assertThrows(() => parseOffsets(text, topics), FatalError);
    assertStringIncludes(error.message, message);
    assertStringIncludes(error.message, 'Write an offset for every partition ("1000")');
  });
}
