import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import { FatalError, InvariantError } from "../../../src/runtime/errors.ts";
import { batchOf, bytesColumn, configOf, decode, type Doc, exactRows, sealed, typesOf } from "./harness.ts";

Deno.test("every record of a batch is counted once", () => {
  const docs: Doc[] = ['{"a":1}', "", "{", '{"a":2}', "", '{"a":"' + "x".repeat(100) + '"}'];
  const { buffer, deadLetters } = decode(docs, { maxRecordByteLength: 50 });
  const recordBytes = docs.reduce((sum, doc) => sum + doc.length, 0);
  assertEquals(buffer.seal().counts, [
    {
      split: "events/0",
      records: 6,
      recordBytes,
      rows: 2,
      deadLetters: 2,
      dropped: { empty: 2 },
      minTimestamp: Date.UTC(2026, 10, 1),
      maxTimestamp: Date.UTC(2026, 10, 1) + 5000,
    },
  ]);
  assertEquals(deadLetters.map(({ code, position }) => [code, position]), [["malformed-json", "2"], [
    "too-large",
    "5",
  ]]);
});

Deno.test("the first rejected record of each code and split is kept for people, also when they are dropped", () => {
  for (const deadLetterPolicy of ["store", "drop"] as const) {
    const buffer = new StreamBuffer(configOf({ deadLetterPolicy, jsonLayout: "PLAIN" }));
    buffer.append(batchOf(["{\n", "{", "[1]"], { split: "a/0" }));
    buffer.append(batchOf(["{}", "{"], { split: "a/1" }));
    const { rejected } = buffer.seal();
    assertEquals(rejected.map(({ split, position, code, beginning }) => [split, position, code, beginning]), [
      ["a/0", "0", "malformed-json", "{\\u{a}"],
      ["a/0", "2", "not-an-object", "[1]"],
      ["a/1", "1", "malformed-json", "{"],
    ]);
    buffer.reset();
    buffer.append(batchOf(["{"], { split: "a/0" }));
    assertEquals(buffer.seal().rejected, []);
  }
});

Deno.test("counts are kept by split", () => {
  const buffer = new StreamBuffer(configOf());
  buffer.append(batchOf(["{}"], { split: "a/0" }));
  buffer.append(batchOf(["{}", "{}"], { split: "a/1" }));
  buffer.append(batchOf(["{}", ""], { split: "a/0" }));
  buffer.append(batchOf([], { split: "a/2" }));
  assertEquals(buffer.seal().counts.map(({ split, records, rows }) => [split, records, rows]), [
    ["a/0", 3, 2],
    ["a/1", 2, 2],
    ["a/2", 0, 0],
  ]);
});

Deno.test("counts have the earliest and the latest arrival of all records, rows or not", () => {
  const cases: [number[], number, number][] = [
    [[], NaN, NaN],
    [[NaN], NaN, NaN],
    [[5], 5, 5],
    [[NaN, 5, NaN, 3, 9, NaN], 3, 9],
    [[0, -1], -1, 0],
  ];
  const buffer = new StreamBuffer(configOf());
  for (const [times] of cases) {
    const split = `a/${times}`;
    for (const part of [times.slice(0, 2), times.slice(2), []]) {
      const docs = part.map((_, i) => ["{}", "", "{"][i % 3]);
      buffer.append(batchOf(docs, { split, timestamps: Float64Array.from(part) }));
    }
  }
  const found = buffer.seal().counts.map(({ minTimestamp, maxTimestamp }) => [minTimestamp, maxTimestamp]);
  assertEquals(found, cases.map(([_, least, greatest]) => [least, greatest]));
});

Deno.test("a dead letter says where it was, what is wrong, and holds the bytes", () => {
  const payload = Uint8Array.of(
    ...new TextEncoder().encode('{"project":"P","collection":"c","properties":{"a":'),
    0xff,
    0x0a,
  );
  const batch = batchOf(['{"project":"p","collection":"c","properties":{}}', payload, '{"a":x}'], {
    split: 'topic "x"/3',
    keys: bytesColumn(["k", Uint8Array.of(1, 2, 3, 255), null]),
    timestamps: Float64Array.of(0, 1793491200123, NaN),
  });
  const { deadLetters } = decode(batch, { jsonLayout: "RAKAM" });
  assertEquals(deadLetters, [{
    split: 'topic "x"/3',
    position: "1",
    timestamp: 1793491200123,
    project: "p",
    collection: "c",
    code: "malformed-json",
    message: "expected a value at byte 50",
    key: "AQID/w==",
    payload: payload.toBase64(),
  }, {
    split: 'topic "x"/3',
    position: "2",
    timestamp: null,
    project: null,
    collection: null,
    code: "malformed-json",
    message: "expected a value at byte 5",
    key: null,
    payload: btoa('{"a":x}'),
  }]);
});

const MESSAGES: readonly (readonly [Doc, string, string])[] = [
  ["{", "malformed-json", "the record ends at byte 1, where a field name in quotes was expected"],
  ['{"a"', "malformed-json", "the record ends at byte 4, where ':' after a field name was expected"],
  ['{"a":1', "malformed-json", "the record ends at byte 6, where ',' or '}' was expected"],
  ['{"a":"x', "malformed-json", "the record ends at byte 7, where the end of a string was expected"],
  ['{"a":1}x', "malformed-json", "expected the end of the record at byte 7"],
  ['{"a":01}', "malformed-json", "expected a number without leading zeros at byte 6"],
  ['{"a":-}', "malformed-json", "expected a digit at byte 6"],
  ['{"a":nul}', "malformed-json", "expected null at byte 8"],
  ['{"a":"\\x"}', "malformed-json", "expected an escape character at byte 7"],
  ['{"a":"\\u12g4"}', "malformed-json", "expected a hexadecimal digit at byte 10"],
  ['{"a":"\t"}', "malformed-json", "expected a string without raw control characters at byte 6"],
  ['{"a":[1 2]}', "malformed-json", "expected ',' or ']' at byte 8"],
  ["{a:1}", "malformed-json", "expected a field name in quotes at byte 1"],
  [Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), "invalid-utf8", "expected UTF-8 at byte 2"],
  ["[]", "not-an-object", "expected '{' at byte 0"],
  [" x", "malformed-json", "expected '{' at byte 1"],
  [
    '{"a":1,"b":2,"c":3}',
    "too-many-columns",
    "the field before byte 17 would be a new column, and the record has as " +
    "many as columns.max-count=2 allows",
  ],
  [`{"a":${"[".repeat(2000)}`, "too-deep", "expected at most 1000 levels at byte 1005"],
];

for (const [doc, code, message] of MESSAGES) {
  Deno.test(`a dead letter of ${String(doc).slice(0, 30)} says: ${message}`, () => {
    const { deadLetters } = decode([doc], { jsonLayout: "PLAIN", maxColumns: 2 });
    assertEquals(deadLetters.map((line) => [line.code, line.message]), [[code, message]]);
  });
}

Deno.test("a broken record names no table unless it did so itself", () => {
  const { deadLetters } = decode([
    "{}",
    '{"project":"p","collection":"c","properties":{"a":x}}',
    '{"project":"p","collection":"c","properties":{"a":1}}',
    '{"project":"p","collection":"c","properties":{"a":x}}',
  ]);
  assertEquals(deadLetters.map(({ project }) => project), [null, "p"]);
});

Deno.test("a set layout says what a record lacks", () => {
  const messages = (doc: string, jsonLayout: "RAKAM" | "FABRIC") =>
    decode([doc], { jsonLayout }).deadLetters[0].message;
  assertEquals(messages('{"collection":"c","properties":{}}', "RAKAM"), "project is missing");
  assertEquals(messages('{"project":"p","collection":5,"properties":{}}', "RAKAM"), "collection is not a string");
  assertEquals(messages('{"data":[]}', "FABRIC"), "data is not an object");
  assertEquals(messages('{"data":{"_project":"p"}}', "FABRIC"), "data._collection is missing");
  assertEquals(messages('{"project":"","collection":"c","properties":{}}', "RAKAM"), "the project's name is empty");
});

Deno.test("dead-letter.policy drop counts, fail ends with the split and the position", () => {
  const { buffer, deadLetters } = decode(["{}", "x", "{}"], { deadLetterPolicy: "drop" });
  assertEquals(deadLetters, []);
  assertEquals(buffer.seal().counts[0].dropped, { "dead-letter": 1 });
  const error = assertThrows(
    () => decode(["{}", "x"], { deadLetterPolicy: "fail" }),
    FatalError,
    "position 1 of events/0",
  );
  assert(error.message.includes("malformed-json: expected '{' at byte 0"), error.message);
});

Deno.test("a buffer is full when it has as many tables as it may", () => {
  const buffer = new StreamBuffer(configOf({ maxTables: 3 }));
  const record = (collection: string) => `{"project":"p","collection":"${collection}","properties":{}}`;
  const full: string[][] = [];
  const append = (...collections: string[]) =>
    buffer.append(batchOf(collections.map(record)), () => {
      full.push(buffer.seal().pages.map(({ table }) => table.collection));
      buffer.reset();
    });
  append("a", "b", "a");
  assertEquals(full, []);
  append("c", "d");
  assertEquals(full, [["a", "b", "c"]]);
  append("a", "b");
  assertEquals([full.length, sealed(buffer).pages.length], [1, 3]);
});

Deno.test("a sealed buffer takes nothing until its reset", () => {
  const buffer = new StreamBuffer(configOf());
  buffer.append(batchOf(["{}"]));
  buffer.seal();
  assertThrows(() => buffer.append(batchOf(["{}"])), InvariantError);
  buffer.reset();
  assertEquals(buffer.rowCount, 0);
  buffer.append(batchOf(["{}"]));
  assertEquals(buffer.rowCount, 1);
});

Deno.test("a page follows from its own records alone", () => {
  const before = ['{"x":"text","y":1.5,"z":[1]}', '{"y":"2026-11-01","x":9007199254740993,"w":{"a":1}}', '{"broken'];
  const docs = ['{"y":1,"x":2}', '{"z":{"k":"v"},"x":null,"y":3}', '{"v":null}'];
  const fresh = sealed(appended(new StreamBuffer(configOf()), docs));
  const used = appended(new StreamBuffer(configOf()), before);
  used.seal();
  used.reset();
  const again = sealed(appended(used, docs));
  assertEquals(typesOf(again.pages[0]), { y: "INTEGER", x: "INTEGER", z: "MAP(VARCHAR)" });
  assertEquals(again.pages[0].columns, fresh.pages[0].columns);
  assertEquals(exactRows(again.pages[0]), exactRows(fresh.pages[0]));
});

function appended(buffer: StreamBuffer, docs: readonly Doc[]): StreamBuffer {
  buffer.append(batchOf(docs));
  return buffer;
}

Deno.test("memory is counted, kept for the next records, and given back when it is far more than they need", () => {
  const buffer = new StreamBuffer(configOf());
  const empty = buffer.byteLength;
  const docs = Array.from(
    { length: 5000 },
    (_, i) => `{"text":"${"x".repeat(100)}","n":${i},"list":[1,2,3],"m":{"a":1}}`,
  );
  appended(buffer, docs);
  const full = buffer.byteLength;
  assert(full > 5000 * 100, `${full}`);
  assertLess(full, 5000 * 400);
  buffer.seal();
  buffer.reset();
  assertEquals(buffer.byteLength, full);
  for (let round = 0; round < 5; round++) {
    appended(buffer, docs);
    buffer.seal();
    buffer.reset();
  }
  assertEquals(buffer.byteLength, full);
  for (let round = 0; round < 5; round++) {
    appended(buffer, docs.slice(0, 2));
    buffer.seal();
    buffer.reset();
  }
  assertLess(buffer.byteLength, 20_000);
  for (let round = 0; round < 5; round++) {
    appended(buffer, ['{"other":1}']);
    buffer.seal();
    buffer.reset();
  }
  assertLess(buffer.byteLength, 8_000);
  for (let round = 0; round < 5; round++) {
    buffer.seal();
    buffer.reset();
  }
  assertEquals(buffer.byteLength, empty);
});

Deno.test("a table or field that was forgotten comes back whole", () => {
  const buffer = new StreamBuffer(configOf());
  const docs = [
    '{"project":"p","collection":"c","properties":{"a":1}}',
    '{"data":{"_project":"q","_collection":"c","a":1}}',
    '{"a":1}',
    '{"properties":{"a":1},"project":"r","collection":"c"}',
  ];
  for (const pause of [0, 1, 3, 4, 5, 9]) {
    for (let round = 0; round < pause; round++) {
      buffer.append(batchOf(['{"project":"p","collection":"other","properties":{"b":1}}']));
      buffer.seal();
      buffer.reset();
    }
    buffer.append(batchOf(docs));
    const { pages } = sealed(buffer);
    assertEquals(pages.map(({ table, positionCount }) => [table.project, positionCount]), [["default", 1], ["p", 1], [
      "q",
      1,
    ], ["r", 1]]);
    for (const page of pages) assertEquals(exactRows(page)[0].size, 1);
    buffer.reset();
  }
  for (const pause of [1, 3, 4, 9]) {
    for (let round = 0; round < pause; round++) {
      buffer.append(batchOf([
        '{"b":2}',
        '{"project":"p","collection":"c","properties":{"b":1}}',
        '{"data":{"_project":"q","_collection":"c","b":2}}',
      ]));
      buffer.seal();
      buffer.reset();
    }
    buffer.append(batchOf([
      '{"a":1,"b":2}',
      '{"project":"p","collection":"c","properties":{"a":1,"b":2}}',
      '{"data":{"_project":"q","_collection":"c","a":1,"b":2}}',
    ]));
    assertEquals(sealed(buffer).pages.map(typesOf), new Array(3).fill({ a: "INTEGER", b: "INTEGER" }));
    buffer.reset();
  }
});

Deno.test("tables and fields that come once are forgotten", () => {
  const buffer = new StreamBuffer(configOf());
  let most = 0;
  for (let round = 0; round < 60; round++) {
    const docs = Array.from(
      { length: 40 },
      (_, i) => `{"project":"p${round}","collection":"c${i}","properties":{"f${round}":1}}`,
    );
    appended(buffer, [...docs, ...docs.map((doc) => doc.slice(0, -1))]);
    for (let i = 0; i < 20; i++) {
      appended(buffer, [`{"project":"p","collection":"c","properties":{"g${round}x${i}":1}}`]);
    }
    assertEquals(sealed(buffer).pages.length, 41);
    buffer.reset();
    if (round === 10) most = buffer.byteLength;
  }
  assertLess(buffer.byteLength, 1.2 * most);
});

Deno.test("rejected records with ever new fields cost no memory", () => {
  const buffer = new StreamBuffer(configOf({ maxColumns: 10, deadLetterPolicy: "drop", jsonLayout: "PLAIN" }));
  for (let round = 0; round < 300; round++) {
    appended(buffer, [`{"a":1,${Array.from({ length: 12 }, (_, i) => `"f${round}x${i}":1`)}}`]);
    appended(buffer, [`{"a":1,"g${round}":"unfinished}`]);
  }
  assertEquals(sealed(buffer).pages.length, 0);
  assertLess(buffer.byteLength, 150_000);
});

Deno.test("fields that were forgotten while records were rejected come back as one column each", () => {
  const buffer = new StreamBuffer(configOf({ maxColumns: 4, deadLetterPolicy: "drop", jsonLayout: "PLAIN" }));
  const doc = '{"a":1,"b":2,"c":3}';
  for (let round = 0; round < 40; round++) {
    const fields = Array.from({ length: 6 }, (_, i) => `"f${round}x${i}":1`);
    appended(buffer, [
      `{${fields}}`,
      '{"a":1,"b":2,"c":',
      doc.replaceAll(/"(.)"/g, (_, c) => `"\\u00${c.charCodeAt(0).toString(16)}"`),
    ]);
    appended(buffer, [doc]);
  }
  const { pages: [page] } = sealed(buffer);
  assertEquals(page.columns.map(({ name }) => name), ["a", "b", "c"]);
  assertEquals(exactRows(page).map((row) => row.size), new Array(80).fill(3));
  buffer.reset();
  for (let round = 0; round < 40; round++) {
    appended(buffer, [`{${Array.from({ length: 6 }, (_, i) => `"g${round}x${i}":1`)}}`, `{"g${round}x5":1`]);
    appended(buffer, [`{"g0x0":${round}}`, `{"\\u00670x0":${round}}`]);
  }
  assertEquals(sealed(buffer).pages[0].columns.map(({ name }) => name), ["g0x0"]);
});

Deno.test("pages hold after many rows what they held after few", () => {
  const buffer = new StreamBuffer(configOf());
  const docs = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({
      n: i,
      big: 2 ** 40 + i,
      half: i / 2,
      ...(i % 3 === 0 ? { sometimes: `s${i}` } : {}),
      flag: i % 2 === 0,
      list: Array.from({ length: i % 4 }, (_, k) => k),
      map: i % 5 === 0 ? { k: `v${i}` } : null,
      day: "2026-11-01",
      at: new Date(i * 1e9).toISOString(),
    }));
  for (const doc of docs) buffer.append(batchOf([doc]));
  const { pages: [page] } = sealed(buffer);
  const small = docs.map((doc) => exactRows(decode([doc]).pages[0])[0]);
  assertEquals(exactRows(page), small);
});
