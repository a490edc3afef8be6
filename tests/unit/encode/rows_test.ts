import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Page } from "../../../src/columnar/page.ts";
import type { ScalarType, TimestampForm } from "../../../src/columnar/types.ts";
import { OutputBuffer } from "../../../src/encode/output_buffer.ts";
import { planRows, type RowFormat, type RowNames } from "../../../src/encode/row_plan.ts";
import { Scratch } from "../../../src/encode/scratch.ts";
import { RowWalk } from "../../../src/encode/write_rows.ts";
import { type ColumnSpec, pageOf, type Value } from "./pages.ts";

const NO_NAMES: RowNames = { project: false, table: false };

/** `partRows`: so many rows of a run are written at a time. */
function encode(page: Page, format: RowFormat, names = NO_NAMES, partRows = Infinity): string {
  const out = new OutputBuffer(0);
  const walk = new RowWalk(new Scratch(0, 0));
  walk.begin(planRows(page, format, names), page.positionCount);
  while (walk.advance()) {
    for (let row = walk.start; row < walk.end; row += partRows) {
      walk.write(out, row, Math.min(walk.end, row + partRows));
    }
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(out.written());
}

const flat = (columns: readonly ColumnSpec[], names?: RowNames) => encode(pageOf(columns), "flat", names);

/** A value's text, by the plainest means. */
function text(type: string, value: Value, form: TimestampForm = "EPOCH_MS"): string {
  if (value === null) return "null";
  if (type === "JSON") return value as string;
  if (type === "VARCHAR") return JSON.stringify(value);
  if (type === "DATE") return JSON.stringify(new Date(Number(value) * 86_400_000).toISOString().slice(0, 10));
  if (type !== "TIMESTAMP") return Object.is(value, -0) ? "-0" : String(value);
  const iso = (epochMs: number) => new Date(epochMs).toISOString().slice(0, -1);
  const number = Number(value), epochMs = Math.floor(number / 1000);
  switch (form) {
    case "EPOCH_MS":
      return String(number);
    case "ISO_S":
      return `"${iso(number).slice(0, -4)}Z"`;
    case "ISO_MS":
      return `"${iso(number)}Z"`;
    case "ISO_US":
      return `"${iso(epochMs)}${String(number - epochMs * 1000).padStart(3, "0")}Z"`;
  }
}

function nestedText({ type, form }: ColumnSpec, value: Value): string {
  const nested = /^(ARRAY|MAP)\((\w+)\)$/.exec(type);
  if (nested === null) return text(type, value, form);
  const items = value as readonly Value[];
  if (nested[1] === "ARRAY") return `[${items.map((item) => text(nested[2], item, form)).join(",")}]`;
  const entries = items as unknown as readonly (readonly [string, Value])[];
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${text(nested[2], item, form)}`).join(",")}}`;
}

function rowText(columns: readonly ColumnSpec[], row: number): string {
  const members = columns.filter(({ values }) => values[row] !== null);
  return `{${
    members.map((column) => `${JSON.stringify(column.name)}:${nestedText(column, column.values[row])}`).join(",")
  }}\n`;
}

Deno.test("flat rows hold every type, each in its own form", () => {
  const columns: ColumnSpec[] = [
    { name: "b", type: "BOOLEAN", values: [true, false] },
    { name: "i", type: "INTEGER", values: [-(2 ** 31), 2 ** 31 - 1] },
    { name: "l", type: "BIGINT", values: [2n ** 63n - 1n, -(2n ** 63n)] },
    { name: "d", type: "DOUBLE", values: [-0, 1.5e300] },
    { name: "v", type: "VARCHAR", values: ["plain", ""] },
    { name: "e", type: "VARCHAR", values: ['say "hi"\n\u0001', "\\"] },
    { name: "day", type: "DATE", values: [20_758, -1] },
    { name: "ms", type: "TIMESTAMP", values: [1_577_836_800_000, -5] },
    { name: "s", type: "TIMESTAMP", form: "ISO_S", values: [1_577_836_800_000, 0] },
    { name: "m", type: "TIMESTAMP", form: "ISO_MS", values: [1_577_836_800_001, -1] },
    { name: "us", type: "TIMESTAMP", form: "ISO_US", values: [1_577_836_800_000_001, -1] },
    { name: "j", type: "JSON", values: ['{"a":[1,{"b":null}]}', "1e400"] },
    { name: "array", type: "ARRAY(VARCHAR)", values: [["x", null, 'y"'], []] },
    { name: "map", type: "MAP(DOUBLE)", values: [[["k", 1.5], ['"', null]], []] },
  ];
  assertEquals(
    flat(columns),
    '{"b":true,"i":-2147483648,"l":9223372036854775807,"d":-0,"v":"plain","e":"say \\"hi\\"\\n\\u0001",' +
      '"day":"2026-11-01","ms":1577836800000,"s":"2020-01-01T00:00:00Z","m":"2020-01-01T00:00:00.001Z",' +
      '"us":"2020-01-01T00:00:00.000001Z","j":{"a":[1,{"b":null}]},"array":["x",null,"y\\""],' +
      '"map":{"k":1.5,"\\"":null}}\n' +
      '{"b":false,"i":2147483647,"l":-9223372036854775808,"d":1.5e+300,"v":"","e":"\\\\",' +
      '"day":"1969-12-31","ms":-5,"s":"1970-01-01T00:00:00Z","m":"1969-12-31T23:59:59.999Z",' +
      '"us":"1969-12-31T23:59:59.999999Z","j":1e400,"array":[],"map":{}}\n',
  );
});

function columnsText(columns: readonly ColumnSpec[], rowCount: number): string {
  return Array.from({ length: rowCount }, (_, row) => rowText(columns, row)).join("");
}

Deno.test("flat rows leave nulls out, wherever they stand, and a row of nulls is an empty object", () => {
  const values = (bits: number) => [0, 1, 2, 3, 4, 5, 6, 7].map((row) => (row >> bits) & 1 ? row : null);
  const columns = [0, 1, 2].map((bit): ColumnSpec => ({ name: `c${bit}`, type: "INTEGER", values: values(bit) }));
  assertEquals(flat(columns), [0, 1, 2, 3, 4, 5, 6, 7].map((row) => rowText(columns, row)).join(""));
});

Deno.test("rows of many columns with few values hold those values in the columns' order", () => {
  const count = 700;
  const columns = Array.from({ length: 60 }, (_, c): ColumnSpec => ({
    name: `column ${c}`,
    type: c % 3 === 0 ? "VARCHAR" : "INTEGER",
    values: Array.from({ length: count }, (_, row) => {
      const present = c === 7 || (row * 31 + c * 17) % 11 === 0 && row % 5 !== 0;
      return !present ? null : c % 3 === 0 ? `${row}"` : row;
    }),
  }));
  for (const specs of [columns, columns.toSpliced(7, 1), columns.slice(0, 7)]) {
    const expected = Array.from({ length: count }, (_, row) => rowText(specs, row));
    assertEquals(flat(specs).split(/(?<=\n)/), expected);
    const head = '{"$schema":"shop","$table":"click","properties":';
    assertEquals(
      encode(pageOf(specs), "rakam").split(/(?<=\n)/),
      expected.map((line) => `${head}${line.trimEnd()}}\n`),
    );
  }
});

Deno.test("flat rows name project and table where their object's key doesn't", () => {
  const columns: ColumnSpec[] = [{ name: "a", type: "INTEGER", values: [1, null] }];
  assertEquals(flat(columns, { project: false, table: true }), '{"$table":"click","a":1}\n{"$table":"click"}\n');
  assertEquals(
    flat(columns, { project: true, table: true }),
    '{"$schema":"shop","$table":"click","a":1}\n{"$schema":"shop","$table":"click"}\n',
  );
  const taken: ColumnSpec[] = [
    { name: "$table", type: "VARCHAR", values: ["mine"] },
    { name: "$$table", type: "VARCHAR", values: ["mine, too"] },
  ];
  assertEquals(
    flat(taken, { project: false, table: true }),
    '{"$$$table":"click","$table":"mine","$$table":"mine, too"}\n',
  );
});

Deno.test("a row's own $table renames ours in that row alone", () => {
  const columns: ColumnSpec[] = [
    { name: "a", type: "INTEGER", values: [0, 1, 2, 3] },
    { name: "$table", type: "VARCHAR", values: [null, "x", "y", null] },
    { name: "$$table", type: "VARCHAR", values: ["z", null, "z", null] },
  ];
  const expected = [
    '{"$table":"click","a":0,"$$table":"z"}',
    '{"$$table":"click","a":1,"$table":"x"}',
    '{"$$$table":"click","a":2,"$table":"y","$$table":"z"}',
    '{"$table":"click","a":3}',
  ];
  assertEquals(flat(columns, { project: false, table: true }).trimEnd().split("\n"), expected);
  const withProject = expected.map((line) => line.replace("{", '{"$schema":"shop",'));
  assertEquals(flat(columns, { project: true, table: true }).trimEnd().split("\n"), withProject);
});

Deno.test("sparse rows cost no run of their own, and each value stands in its row", () => {
  const count = 5000, names = 700;
  const columns: ColumnSpec[] = Array.from({ length: names }, (_, c) => ({
    name: `c${c}`,
    type: c % 2 === 0 ? "INTEGER" : "VARCHAR",
    values: Array.from({ length: count }, (_, row) => {
      if ((row * 31 + c * 17) % names >= 2 && c !== 3) return null;
      return c % 2 === 0 ? row : `text ${row}`;
    }),
  }));
  const page = pageOf(columns);
  assertEquals(encode(page, "flat") === columnsText(columns, count), true);
  const walk = new RowWalk(new Scratch(0, 0));
  walk.begin(planRows(page, "flat", NO_NAMES), count);
  let runs = 0;
  while (walk.advance()) runs++;
  assertEquals(runs <= Math.ceil(3 * count / 2 ** 16) + 1, true, `${runs} runs`);
});

Deno.test("rakam rows hold _time, $schema, $table, _user and the rest in properties", () => {
  const page = pageOf([
    { name: "_user", type: "VARCHAR", values: ["42", null, "44", "45"] },
    { name: "a", type: "INTEGER", values: [1, null, 3, null] },
    { name: "_time", type: "TIMESTAMP", values: [1_577_836_800_000, 5, null, null] },
    { name: "b", type: "VARCHAR", values: ["x", "y", null, null] },
  ]);
  assertEquals(
    encode(page, "rakam"),
    '{"_time":1577836800000,"$schema":"shop","$table":"click","_user":"42","properties":{"a":1,"b":"x"}}\n' +
      '{"_time":5,"$schema":"shop","$table":"click","properties":{"b":"y"}}\n' +
      '{"$schema":"shop","$table":"click","_user":"44","properties":{"a":3}}\n' +
      '{"$schema":"shop","$table":"click","_user":"45","properties":{}}\n',
  );
});

Deno.test("rakam rows without a time, user or other column are whole rows", () => {
  const bare = pageOf([], { rowCount: 2 });
  assertEquals(encode(bare, "rakam"), '{"$schema":"shop","$table":"click","properties":{}}\n'.repeat(2));
  const named = pageOf([{ name: "uid", type: "BIGINT", values: [7n] }], { user: "uid", eventTimes: [1.5] });
  assertEquals(encode(named, "rakam"), '{"_time":1.5,"$schema":"shop","$table":"click","_user":7,"properties":{}}\n');
});

Deno.test("rakam rows keep the time column in properties where _time doesn't give it back", () => {
  const row = (properties: string, time: string) =>
    `{"_time":${time},"$schema":"shop","$table":"click","properties":${properties}}\n`;
  const cases: [Omit<ColumnSpec, "name">, number[], string][] = [
    [{ type: "TIMESTAMP", form: "ISO_S", values: [1000] }, [1000], row("{}", "1000")],
    [{ type: "TIMESTAMP", form: "ISO_MS", values: [1001] }, [1001], row("{}", "1001")],
    [
      { type: "TIMESTAMP", form: "ISO_US", values: [1_000_000] },
      [1000],
      row('{"_time":"1970-01-01T00:00:01.000000Z"}', "1000"),
    ],
    [
      { type: "VARCHAR", values: ["1970-01-01T01:00:01+01:00"] },
      [1000],
      row('{"_time":"1970-01-01T01:00:01+01:00"}', "1000"),
    ],
    [{ type: "TIMESTAMP", values: [5, 6] }, [5, 7], row("{}", "5") + row('{"_time":6}', "7")],
  ];
  for (const [column, eventTimes, expected] of cases) {
    assertEquals(encode(pageOf([{ name: "_time", ...column }], { eventTimes }), "rakam"), expected);
  }
});

Deno.test("names of columns, projects and collections are escaped", () => {
  const page = pageOf([{ name: 'a"\n\ud800é', type: "INTEGER", values: [1] }], {
    project: 'p"',
    collection: "c\\\u0000",
  });
  assertEquals(
    encode(page, "rakam"),
    '{"$schema":"p\\"","$table":"c\\\\\\u0000","properties":{"a\\"\\n\\ud800é":1}}\n',
  );
});

Deno.test("rows come out the same in whatever parts a run is written", () => {
  const count = 1000;
  const columns: ColumnSpec[] = [
    { name: "id", type: "INTEGER", values: [...Array(count).keys()] },
    { name: "odd", type: "DOUBLE", values: Array.from({ length: count }, (_, i) => i % 2 === 0 ? null : i / 4) },
    { name: "text", type: "VARCHAR", values: Array.from({ length: count }, (_, i) => "\t".repeat(i % 5)) },
    { name: "list", type: "ARRAY(INTEGER)", values: Array.from({ length: count }, (_, i) => Array(i % 4).fill(i)) },
  ];
  const page = pageOf(columns);
  const expected = columnsText(columns, count);
  for (const partRows of [Infinity, 1, 7, 255, 256]) {
    assertEquals(encode(page, "flat", NO_NAMES, partRows).split("\n"), expected.split("\n"));
  }
});

Deno.test("values of every length near the bounds of a copy come out whole", () => {
  for (const around of [0, 8, 16, 24, 256, 65_536, 700_000]) {
    const values = Array.from({ length: 20 }, (_, i) => "x".repeat(Math.max(0, around + i - 9)));
    for (const odd of ["", "\n"]) {
      const columns: ColumnSpec[] = [
        { name: "k".repeat(around % 30), type: "VARCHAR", values: values.map((value) => value + odd) },
        { name: "after", type: "INTEGER", values: values.map((_, i) => i) },
      ];
      const got = flat(columns);
      const expected = values.map((_, row) => rowText(columns, row)).join("");
      if (got !== expected) assertEquals(got.length, expected.length);
      assertEquals(got === expected, true, `lengths around ${around}`);
    }
  }
});

const SCALARS: readonly [ScalarType, fc.Arbitrary<Value>][] = [
  ["BOOLEAN", fc.boolean()],
  ["INTEGER", fc.integer()],
  ["BIGINT", fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  ["DOUBLE", fc.double({ noNaN: true, noDefaultInfinity: true })],
  ["VARCHAR", fc.string({ unit: "binary", maxLength: 30 }).map((value) => value.toWellFormed())],
  ["DATE", fc.integer({ min: -719_528, max: 2_932_896 })],
  ["TIMESTAMP", fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 })],
];
const ROWS = 12;

function columnArbitrary(name: string): fc.Arbitrary<ColumnSpec> {
  const rows = (value: fc.Arbitrary<Value>) => fc.array(value, { minLength: ROWS, maxLength: ROWS });
  const mayBeNull = (value: fc.Arbitrary<Value>) => fc.option(value, { freq: 4 }) as fc.Arbitrary<Value>;
  const form = fc.constantFrom<TimestampForm>("EPOCH_MS", "ISO_MS");
  const scalars = SCALARS.flatMap(([type, value]) => [
    fc.record({ name: fc.constant(name), type: fc.constant(type), values: rows(value), form }),
    fc.record({ name: fc.constant(name), type: fc.constant(type), values: rows(mayBeNull(value)), form }),
    fc.record({
      name: fc.constant(name),
      type: fc.constant(`ARRAY(${type})` as const),
      values: rows(mayBeNull(fc.array(mayBeNull(value), { maxLength: 4 }))),
      form,
    }),
    fc.record({
      name: fc.constant(name),
      type: fc.constant(`MAP(${type})` as const),
      values: rows(
        mayBeNull(fc.array(fc.tuple(fc.string(), mayBeNull(value)), { maxLength: 4 }) as fc.Arbitrary<Value>),
      ),
      form,
    }),
  ]);
  const json = fc.json().map((value) => JSON.stringify(JSON.parse(value)));
  return fc.oneof(
    ...scalars,
    fc.record({ name: fc.constant(name), type: fc.constant("JSON" as const), values: rows(json) }),
  );
}

Deno.test("rows of any columns read as written by plain means", () => {
  const columns = fc.integer({ min: 1, max: 6 }).chain((count) =>
    fc.tuple(...Array.from({ length: count }, (_, i) => columnArbitrary(`column ${"n".repeat(i * 4)}`)))
  );
  fc.assert(
    fc.property(columns, (specs) => {
      const expected = Array.from({ length: ROWS }, (_, row) => rowText(specs, row));
      assertEquals(flat(specs).split(/(?<=\n)/), expected);
      const head = '{"$schema":"shop","$table":"click","properties":';
      assertEquals(
        encode(pageOf(specs), "rakam").split(/(?<=\n)/),
        expected.map((line) => `${head}${line.trimEnd()}}\n`),
      );
    }),
    { seed: 1, numRuns: 600 },
  );
});
