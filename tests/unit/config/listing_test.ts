import { assertEquals } from "@std/assert";
import { formatListing } from "../../../src/config/listing.ts";

Deno.test("formatListing() groups keys, aligns origins and leaves out what has no value", () => {
  const entries = [
    { section: "One", key: "a", text: "1", origin: "default" },
    { section: "One", key: "long.key", text: "value", origin: "c.properties:3" },
    { section: "One", key: "none", text: undefined, origin: "default" },
    { section: "Two", key: "b", text: "x".repeat(100), origin: "--set" },
  ];
  assertEquals(
    formatListing(entries),
    `One
  a = 1             (default)
  long.key = value  (c.properties:3)

Two
  b = ${"x".repeat(100)}  (--set)
`,
  );
  assertEquals(formatListing([]), "\n");
});
