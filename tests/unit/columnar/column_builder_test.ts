import { assertEquals } from "@std/assert";
import { isNull } from "../../../src/columnar/block.ts";
import { ByteAccount } from "../../../src/columnar/byte_account.ts";
import { newTableColumn } from "../../../src/columnar/nested_values.ts";
import { ColumnBuilder } from "../../../src/columnar/column_builder.ts";
import type { IntegerValues } from "../../../src/columnar/fixed_values.ts";
import { BIGINT, DOUBLE, INTEGER, JSON_TEXT, VARCHAR } from "../../../src/columnar/kinds.ts";
import type { VarcharValues } from "../../../src/columnar/varchar_values.ts";
import { widenToBigint, widenToDouble, widenToJson } from "../../../src/columnar/widen.ts";

function append(column: ColumnBuilder, values: readonly (number | null)[]): void {
  for (const value of values) {
    const row = column.rowCount;
    if (value === null) {
      column.appendNull(row);
      continue;
    }
    if (column.values === null) column.become(INTEGER);
    const integers = column.values as IntegerValues;
    const index = column.place(row);
    integers.reserve(index + 1);
    integers.values[index] = value;
    column.rowCount = row + 1;
  }
}

function nullsOf(column: ColumnBuilder): string {
  const block = column.block();
  return Array.from({ length: block.rowCount }, (_, row) => isNull(block, row) ? "-" : "x").join("");
}

Deno.test("rows are listed only when some are null", () => {
  const column = newTableColumn("c", new ByteAccount());
  append(column, [1, 2, 3]);
  assertEquals(column.block().rows, null);
  append(column, [null, 4]);
  assertEquals(nullsOf(column), "xxx-x");
  column.truncate(3);
  assertEquals(column.block().rows, null);
  column.pad(20);
  append(column, [5]);
  assertEquals(nullsOf(column), "xxx-----------------x");
  assertEquals(column.valueCount, 4);
});

Deno.test("a truncated null doesn't come back under a value", () => {
  const column = newTableColumn("c", new ByteAccount());
  append(column, [1, null, null]);
  column.truncate(1);
  append(column, [2, 3, null]);
  assertEquals(nullsOf(column), "xxx-");
  column.reset();
  append(column, [1, 2, 3, 4]);
  assertEquals(nullsOf(column), "xxxx");
});

Deno.test("a column of nulls becomes VARCHAR of nulls", () => {
  const column = newTableColumn("c", new ByteAccount());
  append(column, [null, null]);
  const block = column.block();
  assertEquals([block.type, nullsOf(column)], ["VARCHAR", "--"]);
});

Deno.test("widening keeps rows and nulls", () => {
  const column = newTableColumn("c", new ByteAccount());
  append(column, [1, null, -7]);
  widenToBigint(column);
  assertEquals(column.kind, BIGINT);
  assertEquals([...(column.block() as { values: BigInt64Array }).values.subarray(0, 2)].map(String), ["1", "-7"]);
  assertEquals(widenToDouble(column), true);
  assertEquals(column.kind, DOUBLE);
  assertEquals(widenToJson(column), true);
  assertEquals(column.kind, JSON_TEXT);
  const { bytes, offsets } = column.values as VarcharValues;
  assertEquals([...offsets.subarray(0, 3)], [0, 1, 3]);
  assertEquals(new TextDecoder().decode(bytes.subarray(0, 3)), "1-7");
  assertEquals(nullsOf(column), "x-x");
});

Deno.test("elements may not become JSON", () => {
  const column = new ColumnBuilder("", new ByteAccount());
  append(column, [1]);
  assertEquals(widenToJson(column), false);
  assertEquals(column.kind, INTEGER);
});

Deno.test("all memory goes back to the account", () => {
  const account = new ByteAccount();
  const column = newTableColumn("name", account);
  append(column, [1, 2, null, null, ...Array.from({ length: 1000 }, (_, i) => i)]);
  widenToBigint(column);
  column.reset();
  column.become(VARCHAR);
  column.release();
  account.trim(0);
  assertEquals(account.byteLength, 0);
});

Deno.test("small storage serves whichever column needs it next, and is released when none does", () => {
  const account = new ByteAccount();
  const columns = Array.from({ length: 20 }, (_, i) => new ColumnBuilder(`c${i}`, account));
  for (const column of columns.slice(0, 10)) append(column, [1, 2]);
  const used = account.byteLength;
  for (const column of columns) column.reset();
  for (const column of columns.slice(10)) append(column, [3, 4]);
  assertEquals(account.byteLength, used);
  assertEquals([...(columns[19].block() as { values: Int32Array }).values.subarray(0, 2)], [3, 4]);
  for (const column of columns) column.reset();
  account.trim(Infinity);
  assertEquals(account.byteLength, used, "all of it was needed");
  account.trim(Infinity);
  assertEquals(account.byteLength < used, true);
});
