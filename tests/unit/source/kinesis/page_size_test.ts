import { assertEquals } from "@std/assert";
import { PageSize } from "../../../../src/source/kinesis/shards/page_size.ts";

Deno.test("a page's size follows the pages before, within its bounds", () => {
  const size = new PageSize(undefined, 4 << 20);
  assertEquals([size.expectedBytes, size.recordLimit], [1 << 20, 10]);
  const cases: [number, number, number, number][] = [
    // records, bytes -> expected bytes, records to ask for
    [100, 100_000, 200_000, 200],
    [200, 1 << 20, 2 << 20, 400],
    [400, 10 << 20, 4 << 20, 160],
    [0, 0, 64 << 10, 160],
    [100, 100, 64 << 10, 10_000],
    [1, 10 << 20, 4 << 20, 1],
    [5, 0, 64 << 10, 10_000],
  ];
  for (const [records, bytes, expectedBytes, limit] of cases) {
    size.note(records, bytes);
    assertEquals([size.expectedBytes, size.recordLimit], [expectedBytes, limit], `${records} ${bytes}`);
  }
});

Deno.test("a page's size keeps to what was configured", () => {
  const size = new PageSize(7, 1000);
  assertEquals([size.expectedBytes, size.recordLimit], [1000, 7]);
  size.note(7, 7);
  assertEquals([size.expectedBytes, size.recordLimit], [1000, 7]);
});
