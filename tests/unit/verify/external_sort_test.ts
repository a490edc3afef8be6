import { assert, assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { ExternalSort } from "../../../src/verify/external_sort.ts";
import { inScratchDirectory } from "../../support/scratch.ts";

async function sortAll(records: readonly string[], memoryByteLength: number, directory?: string): Promise<string[]> {
  const sort = new ExternalSort({ memoryByteLength, directory });
  try {
    for (const record of records) {
      if (sort.isFull) await sort.spill();
      sort.add(record);
    }
    assertEquals(sort.total, records.length);
    const sorted: string[] = [];
    for await (const record of sort.sorted()) sorted.push(new TextDecoder().decode(record));
    return sorted;
  } finally {
    sort.close();
  }
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

Deno.test("ExternalSort sorts what Array.sort sorts, by bytes, however little memory it has", async () => {
  const part = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.constantFrom("topic/0\0", "topic/1\0", "", "\u{ff5e}", "\u{1f600}", "é"),
  );
  const record = fc.array(part, { maxLength: 3 }).map((parts) => parts.join(""));
  const property = fc.asyncProperty(
    fc.array(record, { maxLength: 200 }),
    fc.constantFrom(1, 20, 300, 1e6),
    async (records, memoryByteLength) => {
      assertEquals(await sortAll(records, memoryByteLength), records.toSorted(byBytes));
    },
  );
  await fc.assert(property, { seed: 1, numRuns: 60 });
});

Deno.test("ExternalSort takes records longer than its buffers", async () => {
  const records = [3_000_000, 0, 700_000, 1_500_000, 1].map((length, i) => String.fromCharCode(98 - i).repeat(length));
  for (const memoryByteLength of [1000, 1e8]) {
    const sorted = await sortAll(records, memoryByteLength);
    assertEquals(sorted.map((text) => text.length), [0, 1, 1_500_000, 700_000, 3_000_000]);
  }
});

Deno.test("ExternalSort keeps its runs in the directory it is told, and leaves nothing there", async () => {
  const directory = await Deno.makeTempDir({ prefix: "external-sort-" });
  try {
    const records = Array.from({ length: 500 }, (_, i) => String(i * 7919 % 500).padStart(4, "0"));
    assertEquals(await sortAll(records, 100, directory), records.toSorted());
    assertEquals([...Deno.readDirSync(directory)], []);
    const sort = new ExternalSort({ memoryByteLength: 10, directory });
    for (const record of records.slice(0, 100)) {
      sort.add(record);
      await sort.spill();
    }
    for await (const _ of sort.sorted()) break;
    sort.close();
    sort.close();
    assertEquals([...Deno.readDirSync(directory)], []);
    await Deno.remove(directory);
    const failing = new ExternalSort({ memoryByteLength: 10, directory });
    failing.add("x");
    const error = await failing.spill().catch((error) => error);
    assert(error instanceof Deno.errors.NotFound);
  } finally {
    await Deno.remove(directory).catch(() => {});
  }
});

/** How many of this process's open files were made in the directory; other tests open files, too. */
function openFilesOf(directory: string): number {
  const paths = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return ""; // closed since
      throw error;
    }
  });
  return paths.filter((path) => path.startsWith(`${directory}/`)).length;
}

Deno.test({
  name: "ExternalSort keeps few files open, however often it spills",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inScratchDirectory(async (directory) => {
      const sort = new ExternalSort({ memoryByteLength: 1, directory });
      let most = 0;
      for (let i = 0; i < 200; i++) {
        sort.add(String(i * 77 % 200).padStart(3, "0"));
        await sort.spill();
        most = Math.max(most, openFilesOf(directory));
      }
      assertGreater(most, 1);
      assertLessOrEqual(most, 70);
      const sorted = await Array.fromAsync(sort.sorted(), (record) => Number(new TextDecoder().decode(record)));
      assertEquals(sorted, Array.from({ length: 200 }, (_, i) => i));
      sort.close();
      assertEquals(openFilesOf(directory), 0);
    }),
});
