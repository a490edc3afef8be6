import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { decode, exactRows } from "./harness.ts";
import { type Exact, fieldsKept, parseExact } from "./exact_json.ts";

const SEED = 20261101;

/** JSON texts of scalars where something may go wrong. */
const SCALARS = [
  ..."0 -0 1 -1 7 42 999999999 1000000000 2147483647 2147483648 -2147483648 -2147483649".split(" "),
  ..."999999999999999 1000000000000000 -999999999999999 9007199254740991 9007199254740992 9007199254740993".split(" "),
  ..."9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 12345678901234567890".split(
    " ",
  ),
  ..."1234567890123456789 -1234567890123456789 100000000000000000000 10000000000000000000000 1793491200000".split(" "),
  ..."0.1 1.10 0.0 -0.0 1.0 5.50 3.141592653589793 0.30000000000000004 0.3000000000000000444 1e5 1E5 1e-7".split(" "),
  ..."1e400 -1e400 1e-400 4.9e-324 1.7976931348623157e308 123456789.123456789 0.1234567890123456789".split(" "),
  ..."0.000001 1e22 1e23 123e-30 0e0 0E+5 -0e-5 1e0000000000000000000005 8640000000000000 8640000000000001".split(" "),
  ..."true false null".split(" "),
  '""',
  '"a"',
  '"text of some length, longer than a word"',
  '"quote \\" backslash \\\\ slash \\/ controls \\b\\f\\n\\r\\t \\u0000 \\u001f"',
  '"\\u00e9\\u20AC\\ud83d\\ude00"',
  '"é€😀 ünïcödé, 日本語 and then ascii"',
  '"\\ud800"',
  '"\\udc00x"',
  '"\\ud83d\\u0041"',
  '"\\ud800\\ud800\\udc00"',
  '"2026-11-01"',
  '"2026-02-29"',
  '"2024-02-29"',
  '"0000-01-01"',
  '"9999-12-31"',
  '"2026-11-01T00:00:00Z"',
  '"2026-11-01T23:59:60Z"',
  '"2026-11-01T00:00:00.000Z"',
  '"1969-12-31T23:59:59.999Z"',
  '"0000-01-01T00:00:00.001Z"',
  '"2026-11-01T00:00:00.123456Z"',
  '"1969-12-31T23:59:59.999999Z"',
  '"1500-01-01T00:00:00.000001Z"',
  '"2026-11-01T00:00:00+00:00"',
  '"2026-11-01\\u005400:00:00Z"',
  '"\ufeff"',
  '"42"',
  '"null"',
];

const text = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...SCALARS.filter((scalar) => scalar.startsWith('"'))) },
  fc.string({ unit: "grapheme", maxLength: 40 }).map((value) => JSON.stringify(value)),
  fc.string({ unit: "binary", maxLength: 12 }).map((value) => JSON.stringify(value)),
);
const number = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...SCALARS.filter((scalar) => /^[-\d]/.test(scalar))) },
  fc.integer().map(String),
  fc.maxSafeInteger().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.tuple(fc.integer(), fc.nat(), fc.integer({ min: -30, max: 30 })).map(([a, b, e]) => `${a}.${b}e${e}`),
);
const space = fc.constantFrom("", "", "", " ", "\n", "\r\n\t ");
const name = fc.constantFrom(
  '"a"',
  '"b"',
  '"c"',
  '"dd"',
  '"\\u0061"',
  '"long_name_of_a_field"',
  '"é"',
  '""',
  '"__proto__"',
);

/** Values as JSON text, with white space wherever it may be. */
const { object } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    number,
    text,
    fc.constantFrom("true", "false", "null"),
    tie("array"),
    tie("object"),
  ),
  array: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.array(number, { maxLength: 5 }).map((items) => `[${items}]`),
    fc.array(text, { maxLength: 5 }).map((items) => `[${items.join(" , ")}]`),
    fc.array(fc.tuple(tie("value"), space), { maxLength: 5 }).map((items) => `[${items.map(([v, s]) => s + v + s)}]`),
  ),
  object: fc.array(fc.tuple(name, tie("value"), space), { maxLength: 8 })
    .map((fields) => `{${fields.map(([n, v, s]) => `${s}${n}${s}:${s}${v}${s}`)}}`),
}));

function keptFields(doc: string): Map<string, Exact> {
  return fieldsKept((parseExact(doc) as { entries: [string, Exact][] }).entries);
}

Deno.test("decode keeps every value of any sequence of records", () => {
  fc.assert(
    fc.property(fc.array(object, { minLength: 1, maxLength: 12 }), (docs) => {
      const { pages, deadLetters } = decode(docs, { jsonLayout: "PLAIN" });
      assertEquals(deadLetters, []);
      const rows = exactRows(pages[0]);
      docs.forEach((doc, i) => assertEquals(rows[i], keptFields(doc), doc));
      assertEquals(rows.length, docs.length);
    }),
    { seed: SEED, numRuns: 1500 },
  );
});

Deno.test("decode keeps every value of every pair of scalars in one column", () => {
  for (const first of SCALARS) {
    const docs = SCALARS.flatMap((second) => [first, second]).map((scalar) => `{"v":${scalar}}`);
    for (let i = 0; i < docs.length; i += 2) {
      const { pages } = decode([docs[i], docs[i + 1], docs[i]], { jsonLayout: "PLAIN" });
      const rows = exactRows(pages[0]);
      [docs[i], docs[i + 1], docs[i]].forEach((doc, row) =>
        assertEquals(rows[row], keptFields(doc), `${docs[i]} ${doc}`)
      );
    }
  }
});

Deno.test("decode keeps scalars as elements of arrays and objects", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.constantFrom(...SCALARS), { maxLength: 4 }), { maxLength: 6 }), (lists) => {
      const docs = lists.map((items) => `{"a":[${items}],"m":{${items.map((item, i) => `"k${i % 3}":${item}`)}}}`);
      const { pages } = decode(docs, { jsonLayout: "PLAIN" });
      const rows = docs.length === 0 ? [] : exactRows(pages[0]);
      docs.forEach((doc, i) => assertEquals(rows[i], keptFields(doc), doc));
    }),
    { seed: SEED, numRuns: 1500 },
  );
});

const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether the bytes are a JSON object in UTF-8 whose fields can be columns, by JSON.parse and TextDecoder. */
function judge(bytes: Uint8Array): string | null {
  try {
    const json = fatal.decode(bytes);
    const parsed: unknown = JSON.parse(json);
    const isObject = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
    return isObject && Object.keys(parsed).every((field) => field.isWellFormed()) ? json : null;
  } catch {
    return null;
  }
}

/** Decodes `bytes` between two good records and compares with the judge. */
function checkBytes(bytes: Uint8Array): void {
  const good = '{"a":"before","n":1,"list":[1,2],"t":"2026-11-01"}';
  const json = judge(bytes);
  const { pages, deadLetters } = decode([good, bytes, good], { jsonLayout: "PLAIN" });
  const rows = exactRows(pages[0]);
  const expected = [good, ...(json === null ? [] : [json]), good].map(keptFields);
  assertEquals(rows, expected, `${json}`);
  assertEquals(deadLetters.length, json === null ? 1 : 0);
  if (json === null) assertEquals(Uint8Array.fromBase64(deadLetters[0].payload), bytes);
  else assert(deadLetters.length === 0);
}

const NASTY = [
  '{"a":"x\\u00e9\\ud83d\\ude00é€😀","n":-12.5e3,"list":[1,null,2],"t":"2026-11-01","o":{"k":"v","l":[{}]},"b":true}',
  '{ "n" : 9223372036854775807 , "x" : [ [ ] , { } , null , false ] , "t" : "2026-11-01T00:00:00.000Z" }',
  '{"a":null,"a":1,"":{"":""},"n":0.30000000000000004,"list":["1","2"],"new":[1.5,-0],"m":{"k":"\\n"}}',
];

Deno.test("decode rejects every truncation, and leaves no trace of it", () => {
  for (const doc of NASTY) {
    const bytes = new TextEncoder().encode(doc);
    for (let length = 1; length <= bytes.length; length++) checkBytes(bytes.slice(0, length));
  }
});

Deno.test("decode accepts and rejects what JSON.parse does after any byte is changed", () => {
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(...new TextEncoder().encode('"\\{}[],:0-.eu \n')),
  );
  fc.assert(
    fc.property(fc.constantFrom(...NASTY), fc.nat(), byte, fc.constantFrom(0, 1, 2), (doc, at, value, edit) => {
      const bytes = [...new TextEncoder().encode(doc)];
      bytes.splice(at % bytes.length, edit === 0 ? 0 : 1, ...(edit === 2 ? [] : [value]));
      checkBytes(Uint8Array.from(bytes));
    }),
    { seed: SEED, numRuns: 8000 },
  );
});
