import { assertEquals, assertRejects } from "@std/assert";
import type { Page } from "../../../src/columnar/page.ts";
import { FatalError } from "../../../src/runtime/errors.ts";
import { consoleTarget } from "../../../src/target/console.ts";
import type { FlushUnit } from "../../../src/records/flush_unit.ts";
import type { PageTarget } from "../../../src/target/target.ts";
import { MemoryOutput } from "../../support/memory_output.ts";
import { testRuntime } from "../../support/stored_object.ts";
import { pageOf } from "../encode/pages.ts";

const NEVER = new AbortController().signal;
const UNIT: FlushUnit = { name: "u", ranges: [] };

function create(stdout: MemoryOutput, rowFormat: "flat" | "rakam" = "flat"): PageTarget {
  return consoleTarget.create({ rowFormat, commit: false }, { runtime: testRuntime(), stdout }) as PageTarget;
}

async function insert(target: PageTarget, page: Page): Promise<void> {
  const inserter = target.insert(page.table, UNIT);
  inserter.addPage(page);
  await inserter.commit(NEVER);
}

const page = pageOf([
  { name: "_time", type: "TIMESTAMP", values: [1577836800000, 1577836800001] },
  { name: "_user", type: "VARCHAR", values: ["42", null] },
  { name: "url", type: "VARCHAR", values: ["/a", "/b"] },
]);

Deno.test("the console target writes a line a row in both formats", async () => {
  const table: ["flat" | "rakam", string][] = [
    [
      "flat",
      '{"$schema":"shop","$table":"click","_time":1577836800000,"_user":"42","url":"/a"}\n' +
      '{"$schema":"shop","$table":"click","_time":1577836800001,"url":"/b"}\n',
    ],
    [
      "rakam",
      '{"_time":1577836800000,"$schema":"shop","$table":"click","_user":"42","properties":{"url":"/a"}}\n' +
      '{"_time":1577836800001,"$schema":"shop","$table":"click","properties":{"url":"/b"}}\n',
    ],
  ];
  for (const [format, expected] of table) {
    const output = new MemoryOutput(7);
    await insert(create(output, format), page);
    assertEquals(output.text(), expected);
  }
});

Deno.test("the console target writes in small pieces, large rows too, and waits for a slow reader", async () => {
  const output = new MemoryOutput(Infinity);
  const target = create(output);
  const values = Array.from(
    { length: 300 },
    (_, i) => String.fromCharCode(97 + i % 26).repeat(i === 150 ? 300_000 : 3000),
  );
  const inserted = insert(target, pageOf([{ name: "text", type: "VARCHAR", values }]));
  const resume = output.stall();
  while (output.writes === 0) await Promise.resolve();
  assertEquals(output.writes, 1);
  resume();
  await inserted;
  assertEquals(output.rows().map((row) => row.text), values);
});

Deno.test("the console target ends with an error that says so when its reader has gone", async () => {
  const output = new MemoryOutput(100);
  output.break(new Deno.errors.BrokenPipe("Broken pipe (os error 32)"));
  const target = create(output);
  for (let i = 0; i < 2; i++) await assertRejects(() => insert(target, page), FatalError, "closed by its reader");
  output.break(new Error("input/output error"));
  await assertRejects(() => insert(target, page), FatalError, "cannot write to standard output: input/output error");
});
