import { assertEquals } from "@std/assert";
import { typesOf } from "../harness.ts";
import { decodeBare, encodeDatums, linesOf, roundTrip } from "./avro_harness.ts";

const record = (type: unknown) => ({ type: "record", name: "R", fields: [{ name: "v", type }] });
const node = async (...bytes: number[]) => (await import("node:buffer")).Buffer.from(bytes);

/** A value of a type, the column that it becomes, and its text in a row. */
const CASES: [name: string, type: unknown, value: unknown, column: string, text: string][] = [
  ["boolean", "boolean", true, "BOOLEAN", "true"],
  ["least int", "int", -(2 ** 31), "INTEGER", "-2147483648"],
  ["greatest int", "int", 2 ** 31 - 1, "INTEGER", "2147483647"],
  ["long", "long", -(2 ** 52), "BIGINT", "-4503599627370496"],
  ["float", "float", 0.5, "DOUBLE", "0.5"],
  ["double", "double", 1e300, "DOUBLE", "1e+300"],
  ["zero below zero", "double", -0, "DOUBLE", "-0"],
  ["not a number", "double", NaN, "JSON", '"NaN"'],
  ["infinity", "float", -Infinity, "JSON", '"-Infinity"'],
  ["string", "string", 'grün \u{1f600} \u0001"\\', "VARCHAR", '"grün \u{1f600} \\u0001\\"\\\\"'],
  ["a date as text", "string", "2026-11-01", "VARCHAR", '"2026-11-01"'],
  ["long string", "string", "x".repeat(500), "VARCHAR", `"${"x".repeat(500)}"`],
  ["enum", { type: "enum", name: "E", symbols: ["A", "B"] }, "B", "VARCHAR", '"B"'],
  ["nullable", ["null", "int"], { int: 7 }, "INTEGER", "7"],
  ["nullable, null last", ["int", "null"], { int: 7 }, "INTEGER", "7"],
  ["int or long", ["int", "long"], { int: 7 }, "BIGINT", "7"],
  ["int or double", ["null", "int", "double"], { double: 0.5 }, "DOUBLE", "0.5"],
  ["int or string", ["int", "string"], { string: "x" }, "JSON", '"x"'],
  ["array", { type: "array", items: "int" }, [1, 2], "ARRAY(INTEGER)", "[1,2]"],
  ["empty array", { type: "array", items: "int" }, [], "ARRAY(INTEGER)", "[]"],
  [
    "array with nulls",
    { type: "array", items: ["null", "string"] },
    [null, { string: "a" }],
    "ARRAY(VARCHAR)",
    '[null,"a"]',
  ],
  ["array of NaN", { type: "array", items: "double" }, [1, NaN], "JSON", '[1,"NaN"]'],
  ["map", { type: "map", values: "long" }, { a: 1, b: 2 }, "MAP(BIGINT)", '{"a":1,"b":2}'],
  ["array of arrays", { type: "array", items: { type: "array", items: "int" } }, [[1], []], "JSON", "[[1],[]]"],
  ["map of arrays", { type: "map", values: { type: "array", items: "int" } }, { k: [1] }, "JSON", '{"k":[1]}'],
  [
    "record",
    { type: "record", name: "N", fields: [{ name: "a", type: "int" }, { name: "b", type: ["null", "string"] }] },
    { a: 1, b: null },
    "JSON",
    '{"a":1,"b":null}',
  ],
  [
    "recursive record",
    { type: "record", name: "L", fields: [{ name: "n", type: "int" }, { name: "next", type: ["null", "L"] }] },
    { n: 1, next: { L: { n: 2, next: null } } },
    "JSON",
    '{"n":1,"next":{"n":2,"next":null}}',
  ],
  ["date", { type: "int", logicalType: "date" }, 20758, "DATE", '"2026-11-01"'],
  ["date before year 0", { type: "int", logicalType: "date" }, -719529, "VARCHAR", '"-000001-12-31"'],
  ["date after year 9999", { type: "int", logicalType: "date" }, 2932897, "VARCHAR", '"+010000-01-01"'],
  ["time in ms", { type: "int", logicalType: "time-millis" }, 49_500_007, "VARCHAR", '"13:45:00.007"'],
  ["time in µs", { type: "long", logicalType: "time-micros" }, 1, "VARCHAR", '"00:00:00.000001"'],
  [
    "timestamp in ms",
    { type: "long", logicalType: "timestamp-millis" },
    1793491200123,
    "TIMESTAMP ISO_MS",
    '"2026-11-01T00:00:00.123Z"',
  ],
  [
    "timestamp in µs",
    { type: "long", logicalType: "timestamp-micros" },
    1793491200123456,
    "TIMESTAMP ISO_US",
    '"2026-11-01T00:00:00.123456Z"',
  ],
  [
    "timestamp in ms before 1970",
    { type: "long", logicalType: "timestamp-millis" },
    -1,
    "TIMESTAMP ISO_MS",
    '"1969-12-31T23:59:59.999Z"',
  ],
  [
    "timestamp in ms far away",
    { type: "long", logicalType: "timestamp-millis" },
    253402300800000,
    "VARCHAR",
    '"+010000-01-01T00:00:00.000Z"',
  ],
  [
    "timestamp in ns",
    { type: "long", logicalType: "timestamp-nanos" },
    1,
    "VARCHAR",
    '"1970-01-01T00:00:00.000000001Z"',
  ],
  [
    "local timestamp in ms",
    { type: "long", logicalType: "local-timestamp-millis" },
    0,
    "VARCHAR",
    '"1970-01-01T00:00:00.000"',
  ],
  [
    "local timestamp in µs",
    { type: "long", logicalType: "local-timestamp-micros" },
    -1,
    "VARCHAR",
    '"1969-12-31T23:59:59.999999"',
  ],
  ["uuid", { type: "string", logicalType: "uuid" }, "a-b", "VARCHAR", '"a-b"'],
  ["unknown logical type", { type: "int", logicalType: "date-of-birth" }, 5, "INTEGER", "5"],
];

for (const [name, type, value, column, text] of CASES) {
  Deno.test(`Avro ${name} becomes ${column}`, () => {
    const { pages } = decodeBare(encodeDatums(record(type), [{ v: value }]), { schema: record(type) });
    assertEquals(typesOf(pages[0]), { v: column });
    assertEquals(linesOf(pages), [`{"v":${text}}`]);
  });
}

/** The same for types of bytes. */
const BYTES: [name: string, type: Record<string, unknown>, bytes: number[], column: string, text: string][] = [
  ["bytes", { type: "bytes" }, [0xff, 0, 1], "VARCHAR", '"/wAB"'],
  ["no bytes", { type: "bytes" }, [], "VARCHAR", '""'],
  ["fixed", { type: "fixed", name: "F", size: 2 }, [0xab, 0xcd], "VARCHAR", '"q80="'],
  [
    "decimal of 4 digits",
    { type: "bytes", logicalType: "decimal", precision: 4, scale: 2 },
    [4, 0xd2],
    "DOUBLE",
    "12.34",
  ],
  ["decimal below zero", { type: "bytes", logicalType: "decimal", precision: 4, scale: 2 }, [0xff], "DOUBLE", "-0.01"],
  [
    "decimal of 30 digits",
    { type: "bytes", logicalType: "decimal", precision: 30, scale: 10 },
    [0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    "JSON",
    "7555786372591.4323419135",
  ],
  ["whole decimal", { type: "bytes", logicalType: "decimal", precision: 18 }, [0x80, 0, 0, 0], "BIGINT", "-2147483648"],
  ["decimal of no bytes", { type: "bytes", logicalType: "decimal", precision: 4, scale: 2 }, [], "DOUBLE", "0"],
  [
    "decimal with more digits than its precision",
    { type: "bytes", logicalType: "decimal", precision: 4, scale: 2 },
    [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    "JSON",
    "92233720368547758.07",
  ],
  [
    "fixed decimal",
    { type: "fixed", name: "F", size: 3, logicalType: "decimal", precision: 5, scale: 3 },
    [0, 0x30, 0x39],
    "DOUBLE",
    "12.345",
  ],
  [
    "decimal with a scale above its precision",
    { type: "bytes", logicalType: "decimal", precision: 2, scale: 3 },
    [1],
    "VARCHAR",
    '"AQ=="',
  ],
  [
    "fixed uuid",
    { type: "fixed", name: "F", size: 16, logicalType: "uuid" },
    [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 7],
    "VARCHAR",
    '"01234567-89ab-cdef-0001-020304050607"',
  ],
  [
    "duration",
    { type: "fixed", name: "F", size: 12, logicalType: "duration" },
    [1, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
    "VARCHAR",
    '"P1M2DT4294967.295S"',
  ],
];

for (const [name, type, bytes, column, text] of BYTES) {
  Deno.test(`Avro ${name} becomes ${column}`, async () => {
    const { logicalType: _, precision: __, scale: ___, ...plain } = type;
    const [datum] = encodeDatums(record(plain), [{ v: await node(...bytes) }]);
    const { pages } = decodeBare([datum], { schema: record(type) });
    assertEquals(typesOf(pages[0]), { v: column });
    assertEquals(linesOf(pages), [`{"v":${text}}`]);
  });
}

Deno.test("Avro longs are exact up to 64 bits", () => {
  const values = [
    0n,
    -1n,
    1n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 53n + 1n,
    -(2n ** 53n) - 1n,
    2n ** 32n,
    -(2n ** 31n) - 1n,
  ];
  const datums = values.map((value) => {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    const bytes: number[] = [];
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    return Uint8Array.from([...bytes, Number(rest)]);
  });
  const { pages } = decodeBare(datums, { schema: record("long") });
  assertEquals(linesOf(pages), values.map((value) => `{"v":${value}}`));
});

Deno.test("Avro columns widen when other schemas have other types", () => {
  const schema = record(["null", "int", "double", "string"]);
  assertEquals(roundTrip(schema, [{ v: { int: 1 } }, { v: null }, { v: { string: "x" } }, { v: { double: 1.5 } }]), [
    '{"v":1}',
    "{}",
    '{"v":"x"}',
    '{"v":1.5}',
  ]);
});
