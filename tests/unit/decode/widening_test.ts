import { assertEquals } from "@std/assert";
import { decode, exactRows, typesOf } from "./harness.ts";
import { type Exact, parseExact } from "./exact_json.ts";

/** Values one after the other in a column, and the type that it then has. */
const CASES: readonly (readonly [string, readonly string[]])[] = [
  ["INTEGER", ["1", "-2147483648", "2147483647"]],
  ["BIGINT", ["1", "2147483648"]],
  ["BIGINT", ["9223372036854775807", "-9223372036854775808", "0", "-1"]],
  ["DOUBLE", ["0.5", "1", "-7"]],
  ["DOUBLE", ["1", "0.5"]],
  ["DOUBLE", ["1.0"]],
  ["DOUBLE", ["1E5", "1e-7"]],
  ["DOUBLE", ["-0", "0"]],
  ["DOUBLE", ["3000000000", "0.25"]],
  ["DOUBLE", ["9007199254740992", "0.5"]],
  ["DOUBLE", ["0.5", "9007199254740992", "100000000000000000000"]],
  ["JSON", ["9007199254740993", "0.5"]],
  ["JSON", ["0.5", "9007199254740993"]],
  ["JSON", ["9223372036854775807", "1e3"]],
  ["JSON", ["9223372036854775808"]],
  ["JSON", ["1", "12345678901234567890"]],
  ["JSON", ["1e400"]],
  ["JSON", ["0.1234567890123456789"]],
  ["DOUBLE", ["0.30000000000000004", "1.10"]],
  ["JSON", ["1", '"1"']],
  ["JSON", ["0.5", "true"]],
  ["BOOLEAN", ["true", "false", "null", "true"]],
  ["JSON", ["true", "0"]],
  ["VARCHAR", ['"a"', '""', "null"]],
  ["JSON", ['"a"', "1"]],
  ["JSON", ['"a"', "[]"]],
  ["JSON", ['"a"', '"\\ud800"']],
  ["JSON", ['"\\udfff"', '"a"']],
  ["DATE", ['"2026-11-01"', '"0000-01-01"', '"9999-12-31"', '"2024-02-29"']],
  ["VARCHAR", ['"2026-11-01"', '"2023-02-29"']],
  ["VARCHAR", ['"2026-11-01"', '"2026-11-01T00:00:00Z"']],
  ["VARCHAR", ['"2026-13-01"']],
  ["VARCHAR", ['"2026-00-01"']],
  ["VARCHAR", ['"2026-01-00"']],
  ["VARCHAR", ['"2026-01-32"']],
  ["VARCHAR", ['"1900-02-29"']],
  ["DATE", ['"2000-02-29"']],
  ["VARCHAR", ['"20260-1-01"']],
  ["JSON", ['"2026-11-01"', "5"]],
  ["TIMESTAMP ISO_S", ['"2026-11-01T23:59:59Z"', '"1970-01-01T00:00:00Z"']],
  ["TIMESTAMP ISO_MS", ['"2026-11-01T23:59:59.999Z"', '"1969-12-31T23:59:59.001Z"']],
  ["TIMESTAMP ISO_US", ['"2026-11-01T23:59:59.000001Z"', '"1969-12-31T23:59:59.999999Z"']],
  ["VARCHAR", ['"1600-01-01T00:00:00.000000Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:59.9Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:59.123456789Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:59"']],
  ["VARCHAR", ['"2026-11-01T23:59:59+00"']],
  ["VARCHAR", ['"2026-11-01 23:59:59Z"']],
  ["VARCHAR", ['"2026-11-01t23:59:59Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:59z"']],
  ["VARCHAR", ['"2026-11-01T24:00:00Z"']],
  ["VARCHAR", ['"2026-11-01T23:60:00Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:60Z"']],
  ["VARCHAR", ['"2026-11-01T2/:59:00Z"']],
  ["VARCHAR", ['"2026-11-01T/3:59:00Z"']],
  ["VARCHAR", ['"2026-11-01T23;59:00Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:00.00:Z"']],
  ["VARCHAR", ['"2026-11-01T23:59:00.000000z"']],
  ["VARCHAR", ['"2026-11-01T00:00:00Z"', '"2026-11-01T00:00:00.000Z"']],
  ["ARRAY(INTEGER)", ["[1,2]", "[]", "[null]", "[ 3 ]"]],
  ["ARRAY(DOUBLE)", ["[1,2]", "[0.5]"]],
  ["ARRAY(BIGINT)", ["[1]", "[9007199254740993]"]],
  ["ARRAY(VARCHAR)", ["[]", "[null]"]],
  ["ARRAY(VARCHAR)", ['["a"]', '["b\\n",""]']],
  ["ARRAY(DATE)", ['["2026-11-01"]']],
  ["ARRAY(VARCHAR)", ['["2026-11-01","x"]']],
  ["ARRAY(BOOLEAN)", ["[true,false]"]],
  ["JSON", ['[1,"a"]']],
  ["JSON", ["[1]", '["a"]']],
  ["JSON", ["[9007199254740993]", "[0.5]"]],
  ["JSON", ["[[1]]"]],
  ["JSON", ["[{}]", "[]"]],
  ["JSON", ["[1]", "{}"]],
  ["JSON", ["[1]", "1"]],
  ["JSON", ['["\\ud800"]']],
  ["MAP(INTEGER)", ['{"a":1}', "{}", '{"b":2,"c":null,"b":3}']],
  ["MAP(VARCHAR)", ['{"a":"x"}', "{}"]],
  ["MAP(VARCHAR)", ["{}"]],
  ["JSON", ['{"a":1}', '{"a":"x"}']],
  ["JSON", ['{"a":{}}']],
  ["JSON", ['{"\\ud800":1}']],
  ["JSON", ["{}", "[]"]],
];

for (const [type, values] of CASES) {
  Deno.test(`${values.join(", ")} make a column of ${type}`, () => {
    const docs = values.map((value) => `{"v":${value}}`);
    const { pages } = decode(["{}", ...docs, '{"w":1}'], { jsonLayout: "PLAIN" });
    assertEquals(typesOf(pages[0]).v, type);
    const expected = [
      undefined,
      ...values.map((value) => parseExact(value)).map((value) => value ?? undefined),
      undefined,
    ];
    const actual: (Exact | undefined)[] = exactRows(pages[0]).map((row) => row.get("v"));
    assertEquals(actual, expected);
  });
}

Deno.test("JSON columns hold the text without white space", () => {
  const value = ' [ { "a b" : "x \\" y" , "c" : [ ] } ,\n\t1.50 , "\\\\" , " " ] ';
  const { pages } = decode([`{"v":${value}}`], { jsonLayout: "PLAIN" });
  const block = pages[0].blocks[0];
  if (block.type !== "JSON") throw new Error(block.type);
  const text = new TextDecoder().decode(block.bytes.subarray(0, block.offsets[1]));
  assertEquals(text, '[{"a b":"x \\" y","c":[]},1.50,"\\\\"," "]');
});

Deno.test("a text column is plain while no value holds a quote, a backslash or a control character", () => {
  const cases: [string[], boolean][] = [
    [['"a"', '"é\\u00e9\\/"'], true],
    [['"a"', '"\\""'], false],
    [['"\\\\"'], false],
    [['"\\n"'], false],
    [['"\\u001f"'], false],
    [['"\\u0022"'], false],
    [['"\\u005c"'], false],
    [['"2026-11-01"', '"x"'], true],
  ];
  for (const [values, plain] of cases) {
    const { pages } = decode(values.map((value) => `{"v":${value}}`), { jsonLayout: "PLAIN" });
    const block = pages[0].blocks[0];
    assertEquals(block.type === "VARCHAR" && block.plain, plain, `${values}`);
  }
});

Deno.test("values nested up to the limit are kept, deeper ones are rejected, also in a row that is rolled back", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  const docs = [nested(1000), nested(1001), objects(1000), objects(1001), nested(100_000)].map((value) =>
    `{"v":${value}}`
  );
  const { pages, deadLetters } = decode(docs, { jsonLayout: "PLAIN" });
  assertEquals(pages[0].positionCount, 2);
  assertEquals(deadLetters.map(({ position, code }) => [position, code]), [["1", "too-deep"], ["3", "too-deep"], [
    "4",
    "too-deep",
  ]]);
});

Deno.test("a rejected row leaves no column, no value and no type behind", () => {
  const { pages, deadLetters } = decode([
    '{"n":null,"list":[1],"map":{"a":1}}',
    '{"n":"text","new":1,"list":[2,3],"map":{"b":2},"list2":[1,2',
    '{"n":5,"list":[4],"map":{"c":3}}',
    '{"n":null,"new2":[1,{}],"n":2,"map":{"d":',
    '{"list":[],"map":{}}',
  ], { jsonLayout: "PLAIN" });
  assertEquals(deadLetters.length, 2);
  assertEquals(typesOf(pages[0]), { n: "INTEGER", list: "ARRAY(INTEGER)", map: "MAP(INTEGER)" });
  assertEquals(exactRows(pages[0]).map((row) => row.get("list")), ["[1]", "[4]", "[]"].map(parseExact));
  assertEquals(exactRows(pages[0]).map((row) => row.get("map")), ['{"a":1}', '{"c":3}', "{}"].map(parseExact));
});
