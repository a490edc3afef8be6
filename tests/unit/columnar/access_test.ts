import { assertEquals, assertThrows } from "@std/assert";
import {
  getBoolean,
  getDouble,
  getInteger,
  getLong,
  getString,
  getValue,
  isNull,
} from "../../../src/columnar/access.ts";
import type { Block } from "../../../src/columnar/block.ts";
import { detachPages } from "../../../src/columnar/detach.ts";
import type { Page } from "../../../src/columnar/page.ts";
import { decode } from "../decode/harness.ts";

const DOC = `{"i":-5,"l":9007199254740993,"small":3000000000,"d":0.5,"b":true,"s":"é\\n","day":"2026-11-01",
  "ms":"2026-11-01T00:00:00.001Z","_time":1793491200000,"list":[1,null,3],"map":{"a":"x","__proto__":"y","a":"z"},
  "json":[{"k":[1.50]},9007199254740993]}`;

function page(): Page {
  return decode([DOC, "{}"], { jsonLayout: "PLAIN" }).pages[0];
}

function blockOf({ columns, blocks }: Page, name: string): Block {
  return blocks[columns.findIndex((column) => column.name === name)];
}

Deno.test("typed getters read what fits them", () => {
  const read = page();
  assertEquals(getInteger(blockOf(read, "i"), 0), -5);
  assertEquals(getDouble(blockOf(read, "i"), 0), -5);
  assertEquals(getLong(blockOf(read, "i"), 0), -5n);
  assertEquals(getLong(blockOf(read, "l"), 0), 9_007_199_254_740_993n);
  assertEquals(getDouble(blockOf(read, "small"), 0), 3e9);
  assertEquals(getDouble(blockOf(read, "d"), 0), 0.5);
  assertEquals(getBoolean(blockOf(read, "b"), 0), true);
  assertEquals(getString(blockOf(read, "s"), 0), "é\n");
  assertEquals(getInteger(blockOf(read, "day"), 0), 20_758);
  assertEquals(getString(blockOf(read, "day"), 0), "2026-11-01");
  assertEquals(getString(blockOf(read, "ms"), 0), "2026-11-01T00:00:00.001Z");
  assertEquals(getLong(blockOf(read, "ms"), 0), 1_793_491_200_001n);
  assertEquals(getString(blockOf(read, "_time"), 0), "1793491200000");
  assertEquals(getString(blockOf(read, "json"), 0), '[{"k":[1.50]},9007199254740993]');
  for (const block of read.blocks) assertEquals([isNull(block, 0), isNull(block, 1)], [false, true]);
});

Deno.test("typed getters refuse blocks of other types", () => {
  const read = page();
  assertThrows(() => getInteger(blockOf(read, "d"), 0), TypeError, "its type is DOUBLE");
  assertThrows(() => getDouble(blockOf(read, "s"), 0), TypeError, "its type is VARCHAR");
  assertThrows(() => getLong(blockOf(read, "d"), 0), TypeError, "its type is DOUBLE");
  assertThrows(() => getBoolean(blockOf(read, "i"), 0), TypeError, "its type is INTEGER");
  assertThrows(() => getString(blockOf(read, "list"), 0), TypeError, "its type is ARRAY(INTEGER)");
});

Deno.test("getValue() gives values as JSON.parse does, and exact integers", () => {
  const read = page();
  const values = read.blocks.map((block) => getValue(block, 0));
  const expected = JSON.parse(DOC);
  const map = Object.getOwnPropertyDescriptor(expected, "map")!.value;
  assertEquals(
    Object.fromEntries(read.columns.map(({ name }, i) => [name, values[i]])),
    { ...expected, l: 9_007_199_254_740_993n, map },
  );
  assertEquals(read.blocks.map((block) => getValue(block, 1)), read.blocks.map(() => null));
});

Deno.test("detachPages() copies a page into arrays of exactly its size", () => {
  const read = page();
  const before = read.blocks.map((block) => getValue(block, 0));
  const { pages: [copy], transfer } = detachPages([read]);
  assertEquals(copy.blocks.map((block) => getValue(block, 0)), before);
  assertEquals(copy.columns, read.columns);
  assertEquals(new Set(transfer).size, transfer.length);
  const moved = structuredClone(copy, { transfer });
  assertEquals(moved.blocks.map((block) => getValue(block, 0)), before);
  assertEquals(moved.eventTimes.length, 2);
  assertEquals([...transfer].every((buffer) => buffer.byteLength === 0), true);
  assertEquals(read.blocks.map((block) => getValue(block, 0)), before);
});
