import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { compareKeys } from "../../../src/target/compare_keys.ts";

Deno.test("compareKeys() orders keys as the bytes of their UTF-8", () => {
  const unit = fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom("a", "\u{ff5e}", "\u{1f600}", "é"),
  );
  const key = fc.array(unit, { maxLength: 3 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(key, key, (a, b) => {
      assertEquals(compareKeys(a, b), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { seed: 1, numRuns: 2000 },
  );
  assertEquals(["\u{1f600}", "\u{ff5e}", "z", "a", ""].sort(compareKeys), ["", "a", "z", "\u{ff5e}", "\u{1f600}"]);
});
