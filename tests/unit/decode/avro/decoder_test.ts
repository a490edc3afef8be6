import { assert, assertEquals } from "@std/assert";
import type { DecodeConfig } from "../../../../src/decode/options.ts";
import { Diverter } from "../../../../src/decode/diverter.ts";
import { StreamBuffer } from "../../../../src/decode/stream_buffer.ts";
import type { RecordBatch } from "../../../../src/records/record_batch.ts";
import { batchOf, bytesColumn, configOf, type Decoded, sealed, typesOf } from "../harness.ts";
import { decodeBare, encodeDatums, linesOf, roundTrip, schemaForAll, schemaUpdate } from "./avro_harness.ts";

const EVENT = {
  type: "record",
  name: "Click",
  namespace: "com.Shop",
  fields: [
    { name: "_time", type: ["null", "long"] },
    { name: "_user", type: ["null", "string"] },
    { name: "kind", type: "string" },
    {
      name: "header",
      type: {
        type: "record",
        name: "Header",
        fields: [
          { name: "sent", type: { type: "long", logicalType: "timestamp-micros" } },
          { name: "who", type: ["null", "long"] },
        ],
      },
    },
  ],
};
const [event] = encodeDatums(EVENT, [{
  _time: { long: 1000 },
  _user: { string: "u" },
  kind: "buy",
  header: { sent: 2_000_999, who: { long: 42 } },
}]);

function tablesOf({ pages, deadLetters }: Decoded): string[] {
  return [
    ...pages.map(({ table }) => `${table.project}/${table.collection}`),
    ...deadLetters.map(({ code, message }) => `${code}: ${message}`),
  ];
}

function decodeEvent(config: Partial<DecodeConfig>, batch: Partial<RecordBatch> = {}, datum = event): Decoded {
  return decodeBare([datum], { schema: EVENT, config, batch });
}

const ORIGINS: [name: string, config: Partial<DecodeConfig>, batch: Partial<RecordBatch>, table: string][] = [
  ["by default", {}, { split: "shop.clicks/0" }, "default/shop.clicks"],
  ["by the config", { project: "P", collection: "c" }, {}, "p/c"],
  ["by the schema's name", { avroProject: "NAMESPACE", avroCollection: "NAME" }, {}, "com.shop/Click"],
  ["by the topic", { avroProject: "TOPIC", avroCollection: "topic" }, { split: "shop.clicks.v2/0" }, "shop/clicks.v2"],
  ["by a topic without a dot", { avroProject: "TOPIC", avroCollection: "TOPIC" }, {}, "default/events"],
  [
    "by the key",
    { avroProject: "KEY", avroCollection: "KEY" },
    { keys: bytesColumn(["Shop|clicks|v2"]) },
    "shop/clicks|v2",
  ],
  [
    "by a key that names none",
    { avroCollection: "KEY" },
    { keys: bytesColumn(["x"]) },
    "bad-name: the record names no collection",
  ],
  ["by no key", { avroProject: "KEY" }, {}, "bad-name: the record names no project"],
  ["by a field", { avroCollection: "field:kind" }, {}, "default/buy"],
  ["by a field that isn't text", { avroCollection: "field:header" }, {}, "bad-name: the record names no collection"],
  ["by a field that isn't there", { avroProject: "field:a.b" }, {}, "bad-name: the record names no project"],
];

for (const [name, config, batch, table] of ORIGINS) {
  Deno.test(`Avro records find their table ${name}`, () => assertEquals(tablesOf(decodeEvent(config, batch)), [table]));
}

Deno.test("Avro records of collections that aren't wanted are dropped", () => {
  const { buffer, pages } = decodeEvent({ allowedCollections: ["other"] });
  assertEquals([pages.length, buffer.seal().counts[0].dropped], [0, { collection: 1 }]);
});

const TAGS: [name: string, bytes: number[], batch: Partial<RecordBatch>, table: string][] = [
  ["0 in Kafka", [0, ...event], { split: "Shop.clicks/3" }, "shop/clicks"],
  ["2 in Kafka", [2, 4, 0x61, 0x62, ...event], { split: "shop.clicks/3" }, "shop/ab"],
  ["0 in Kinesis", [0, ...event], { split: "s/shardId-000000000000", keys: bytesColumn(["P|c"]) }, "p/c"],
  ["2 in Kinesis", [2, 2, 0x78, ...event], { split: "s/shardId-000000000000", keys: bytesColumn(["p|c"]) }, "p/x"],
  ["1", [1, ...event], {}, "malformed-avro: expected a tag of 0, 2 or 3 at byte 0"],
];

for (const [name, bytes, batch, table] of TAGS) {
  Deno.test(`the original's framing with tag ${name}`, () => {
    assertEquals(tablesOf(decodeEvent({ avroEncoding: "RAKAM" }, batch, Uint8Array.from(bytes))), [table]);
  });
}

Deno.test("the original's datums may have fewer fields than the table has by now", () => {
  const fields = ["a", "b", "c"].map((name) => ({ name, type: ["null", "int"], default: null }));
  const schema = { type: "record", name: "R", fields };
  const { pages, deadLetters } = decodeBare([
    Uint8Array.of(0, 2, 2),
    Uint8Array.of(0, 2, 4, 0, 2, 6),
    Uint8Array.of(0, 2),
  ], {
    schema,
    config: { avroEncoding: "RAKAM" },
  });
  assertEquals(linesOf(pages), ['{"a":1}', '{"a":2,"c":3}']);
  assertEquals(deadLetters.map(({ code }) => code), ["malformed-avro"]);
});

const AUTO: [name: string, doc: string | Uint8Array, expected: string][] = [
  ["JSON", '{"a":1}', "default/events"],
  [
    "a single object",
    Uint8Array.from([0xc3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 2]),
    "unknown-schema: no schema is known with the fingerprint 0807060504030201",
  ],
  [
    "the registry's wire format",
    Uint8Array.from([0, 0, 0, 0, 9, 2]),
    "unknown-schema: the schema id 9 was not looked up",
  ],
  ["less than a schema id", Uint8Array.from([0, 0, 0]), "malformed-json: expected '{' at byte 0"],
];

for (const [name, doc, expected] of AUTO) {
  Deno.test(`AUTO knows ${name}`, () => {
    const buffer = new StreamBuffer(configOf());
    buffer.update(schemaUpdate([]));
    buffer.append(batchOf([doc]));
    assertEquals(tablesOf(sealed(buffer)), [expected]);
  });
}

Deno.test("AUTO takes a zero byte for nothing of Avro's while there is no registry", () => {
  const buffer = new StreamBuffer(configOf());
  buffer.append(batchOf([Uint8Array.from([0, 0, 0, 0, 9, 2])]));
  assertEquals(tablesOf(sealed(buffer)), ["malformed-json: expected '{' at byte 0"]);
});

Deno.test("JSON and Avro records of one table share its columns", () => {
  const schema = { type: "record", name: "R", fields: [{ name: "n", type: "long" }, { name: "s", type: "string" }] };
  const buffer = new StreamBuffer(configOf());
  buffer.update(schemaUpdate([{ key: { by: "id", id: 1 }, schema: { json: JSON.stringify(schema), references: [] } }]));
  const avro = Uint8Array.from([0, 0, 0, 0, 1, 1, 2, 0x79]);
  buffer.append(batchOf(['{"n":0.5,"s":"x"}', avro, '{"n":[],"x":true}', avro]));
  assertEquals(linesOf(sealed(buffer).pages), [
    '{"n":0.5,"s":"x"}',
    '{"n":-1,"s":"y"}',
    '{"n":[],"x":true}',
    '{"n":-1,"s":"y"}',
  ]);
});

Deno.test("the event time is the time field's, or one inside of a nested record", () => {
  assertEquals(decodeEvent({}).pages[0].eventTimes[0], 1000);
  assertEquals(decodeEvent({ avroTimeField: "header.sent" }).pages[0].eventTimes[0], 2000);
  assert(Number.isNaN(decodeEvent({ avroTimeField: "header.none" }).pages[0].eventTimes[0]));
  const timeUnit = "s";
  assertEquals(decodeEvent({ timeUnit }).pages[0].eventTimes[0], 1_000_000);
  assertEquals(
    decodeEvent({ timeUnit, avroTimeField: "header.sent" }).pages[0].eventTimes[0],
    2000,
    "its type says ms",
  );
  const times: [type: unknown, value: unknown, ms: number][] = [
    ["long", -1, -1],
    ["double", 5.5, 5],
    ["string", "2026-11-01T00:00:00.5Z", 1793491200500],
    ["string", "soon", NaN],
    [{ type: "long", logicalType: "timestamp-nanos" }, 3_999_999, 3],
    [{ type: "int", logicalType: "date" }, 1, 86_400_000],
    [["null", { type: "long", logicalType: "timestamp-millis" }], { long: 7 }, 7],
    [["null", "long"], null, NaN],
    ["boolean", true, NaN],
  ];
  for (const [type, value, ms] of times) {
    const schema = { type: "record", name: "R", fields: [{ name: "_time", type }, { name: "x", type: "int" }] };
    const { pages } = decodeBare(encodeDatums(schema, [{ _time: value, x: 1 }, { _time: value, x: 1 }]), { schema });
    assertEquals([...pages[0].eventTimes.subarray(0, 2)], [ms, ms], JSON.stringify(type));
  }
});

Deno.test("the user takes the configured type where that loses nothing", () => {
  const users: [type: unknown, value: unknown, userType: DecodeConfig["userType"], column: string, text: string][] = [
    ["string", "42", "STRING", "VARCHAR", '"42"'],
    ["long", 2 ** 40, "STRING", "VARCHAR", '"1099511627776"'],
    [["null", "int"], { int: -7 }, "STRING", "VARCHAR", '"-7"'],
    ["string", "42", "LONG", "BIGINT", "42"],
    ["int", 42, "LONG", "BIGINT", "42"],
    ["string", "042", "LONG", "VARCHAR", '"042"'],
    ["string", "1.5", "DOUBLE", "DOUBLE", "1.5"],
    ["int", 3, "INTEGER", "INTEGER", "3"],
  ];
  for (const [type, value, userType, column, text] of users) {
    const schema = { type: "record", name: "R", fields: [{ name: "_user", type }] };
    const { pages } = decodeBare(encodeDatums(schema, [{ _user: value }, { _user: value }]), {
      schema,
      config: { userType },
    });
    assertEquals([typesOf(pages[0]), linesOf(pages)], [{ _user: column }, [`{"_user":${text}}`, `{"_user":${text}}`]]);
    assertEquals(pages[0].userColumn, 0);
  }
});

Deno.test("a user inside of a nested record becomes the user's column", () => {
  const { pages } = decodeEvent({ avroUserField: "header.who", userField: "customer" });
  assertEquals(pages[0].columns[pages[0].userColumn].name, "customer");
  assert(linesOf(pages)[0].includes('"customer":"42"'), linesOf(pages)[0]);
});

Deno.test("two writers' schemas in one flush give one page with the union of their columns", () => {
  const schemas = [
    { type: "record", name: "R", fields: [{ name: "a", type: "int" }, { name: "b", type: "string" }] },
    { type: "record", name: "R", fields: [{ name: "c", type: "boolean" }, { name: "a", type: "long" }] },
  ];
  const buffer = new StreamBuffer(configOf({ dataFormat: "AVRO" }));
  buffer.update(schemaUpdate(schemas.map((schema, id) => ({
    key: { by: "id", id },
    schema: { json: JSON.stringify(schema), references: [] },
  }))));
  const of = (id: number, ...bytes: number[]) => Uint8Array.from([0, 0, 0, 0, id, ...bytes]);
  const big = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
  buffer.append(batchOf([of(0, 2, 2, 0x78), of(1, 1, ...big), of(0, 4, 2, 0x79)]));
  const { pages } = sealed(buffer);
  assertEquals(typesOf(pages[0]), { a: "BIGINT", b: "VARCHAR", c: "BOOLEAN" });
  assertEquals(linesOf(pages), ['{"a":1,"b":"x"}', '{"a":9223372036854775807,"c":true}', '{"a":2,"b":"y"}']);
});

Deno.test("a reader's schema decides names, defaults and types", () => {
  const writer = {
    type: "record",
    name: "old.Event",
    fields: [
      { name: "gone", type: { type: "array", items: "string" } },
      { name: "old_name", type: "int" },
      { name: "ratio", type: "float" },
      { name: "raw", type: "string" },
      { name: "size", type: { type: "enum", name: "Size", symbols: ["S", "M", "XL"] } },
      { name: "maybe", type: ["null", "int", "string"] },
      { name: "inner", type: { type: "record", name: "Inner", fields: [{ name: "x", type: "int" }] } },
    ],
  };
  const reader = {
    type: "record",
    name: "Event",
    fields: [
      { name: "new_name", aliases: ["old_name"], type: "long" },
      { name: "ratio", type: "double" },
      { name: "raw", type: "bytes" },
      { name: "size", type: { type: "enum", name: "Size", symbols: ["S", "M"], default: "M" } },
      { name: "maybe", type: ["null", "string", "double"] },
      {
        name: "inner",
        type: {
          type: "record",
          name: "Inner",
          fields: [{ name: "y", type: ["null", "int"], default: null }, { name: "x", type: "long" }],
        },
      },
      { name: "added", type: "string", default: "new" },
      { name: "day", type: { type: "int", logicalType: "date" }, default: 0 },
      { name: "list", type: { type: "array", items: "int" }, default: [1, 2] },
      { name: "none", type: ["null", "int"], default: null },
      { name: "raw2", type: "bytes", default: "\u00ff" },
    ],
  };
  const rows = roundTrip(writer, [
    { gone: ["a", "b"], old_name: 5, ratio: 0.5, raw: "hi", size: "XL", maybe: { int: 3 }, inner: { x: 1 } },
    { gone: [], old_name: -1, ratio: 1, raw: "", size: "S", maybe: null, inner: { x: 2 } },
  ], { reader });
  const added = '"added":"new","day":"1970-01-01","list":[1,2],"raw2":"/w=="';
  const order = (text: string) => JSON.parse(text);
  assertEquals(
    rows.map(order),
    [
      `{"new_name":5,"ratio":0.5,"raw":"aGk=","size":"M","maybe":3,"inner":{"x":1,"y":null},${added}}`,
      `{"new_name":-1,"ratio":1,"raw":"","size":"S","inner":{"x":2,"y":null},${added}}`,
    ].map(order),
  );
});

Deno.test("what a reader's schema can't take is a dead letter that says why", () => {
  const of = (type: unknown, name = "R") => ({ type: "record", name, fields: [{ name: "v", type }] });
  const cases: [writer: unknown, reader: unknown, value: unknown, message: string][] = [
    [of("string"), of("int"), "x", "the writer's string can't be read as the reader's int"],
    [of(["null", "int"]), of("int"), null, "the writer's null can't be read as the reader's int"],
    [of("int"), of("int", "Other"), 1, "the writer's R can't be read as the reader's Other"],
    [
      of("int"),
      { type: "record", name: "R", fields: [{ name: "w", type: "int" }] },
      1,
      "the reader's field \"w\" of R has no default, and the writer doesn't have it",
    ],
    [
      of({ type: "enum", name: "E", symbols: ["A"] }),
      of({ type: "enum", name: "E", symbols: ["B"] }),
      "A",
      "an enum has a symbol that the reader's schema doesn't have, and no default",
    ],
  ];
  for (const [writer, reader, value, message] of cases) {
    const { deadLetters } = decodeBare(encodeDatums(writer, [{ v: value }]), { schema: writer, reader });
    assertEquals(deadLetters.map((letter) => letter.message), [message]);
  }
});

const LIST = {
  type: "record",
  name: "L",
  fields: [{ name: "next", type: ["null", "L"] }, { name: "v", type: ["null", { type: "array", items: "null" }] }],
};
const CROWD = { type: "record", name: "R", fields: [{ name: "v", type: { type: "array", items: "null" } }] };
const ITEMS = { type: "record", name: "R", fields: [{ name: "v", type: { type: "array", items: "int" } }] };
const LOOP = '{"type":"record","name":"R","fields":[{"name":"r","type":"R"},{"name":"x","type":"int"}]}';
const TEXT = { type: "record", name: "R", fields: [{ name: "v", type: "string" }] };
const AMPLIFIER = {
  type: "record",
  name: "R",
  fields: [{
    name: "v",
    type: {
      type: "array",
      items: {
        type: "record",
        name: "N",
        fields: [{ name: "n".repeat(1000), type: "boolean" }, { name: "m".repeat(1000), type: "null" }],
      },
    },
  }],
};
const long = (...bytes: number[]) => bytes;

const HOSTILE: [name: string, schema: unknown, bytes: number[], expected: string][] = [
  ["too deep", LIST, Array(100_000).fill(2), "too-deep: values are nested more than 500 levels deep at byte 501"],
  ["a record in itself without end", LOOP, [2], "too-deep: values are nested more than 500 levels deep at byte 0"],
  [
    "nulls without number",
    CROWD,
    long(0xfe, 0xff, 0xff, 0xff, 0x0f, 0),
    "too-large: its arrays have more than 65536 items that take no bytes",
  ],
  [
    "more items than bytes",
    ITEMS,
    [0xfe, 0xff, 0xff, 0xff, 0x0f, 2, 0],
    "malformed-avro: expected a count of items for which there are bytes at byte 0",
  ],
  [
    "the least count",
    ITEMS,
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
    "malformed-avro: expected a block as long as its items at byte 0",
  ],
  [
    "a count without end",
    ITEMS,
    Array(12).fill(0xff),
    "malformed-avro: expected a whole number of at most 10 bytes at byte 0",
  ],
  [
    "a count beyond 64 bits",
    ITEMS,
    [...Array(9).fill(0xff), 2],
    "malformed-avro: expected a whole number of 64 bits at byte 0",
  ],
  [
    "an int beyond 32 bits",
    { type: "record", name: "R", fields: [{ name: "v", type: { type: "int", logicalType: "date" } }] },
    [0x80, 0x80, 0x80, 0x80, 0x10],
    "malformed-avro: expected a whole number of 32 bits at byte 0",
  ],
  [
    "a length below zero",
    TEXT,
    [1],
    "malformed-avro: expected the length of a string, at most the 0 bytes that are left at byte 0",
  ],
  ["bytes that are no text", TEXT, [4, 0xc0, 0x80], "invalid-utf8: expected UTF-8 at byte 1"],
  ["half a surrogate pair", TEXT, [6, 0xed, 0xa0, 0x80], "invalid-utf8: expected UTF-8 at byte 2"],
  ["a character cut off", TEXT, [4, 0x61, 0xc3], "invalid-utf8: expected UTF-8 at byte 2"],
  ["bytes left over", TEXT, [0, 0], "malformed-avro: expected the end of the record at byte 1"],
  [
    "text that names make a thousand times longer",
    AMPLIFIER,
    [0x80, 0x10, ...Array(1024).fill(1), 0],
    "too-large: the text of a value is more than 1024 times as long as the record",
  ],
];

for (const [name, schema, bytes, expected] of HOSTILE) {
  Deno.test(`hostile Avro: ${name}`, () => {
    const { buffer, deadLetters } = decodeBare([Uint8Array.from(bytes)], { schema });
    assertEquals(deadLetters.map(({ code, message }) => `${code}: ${message}`), [expected]);
    assert(buffer.byteLength < 8e6, `${buffer.byteLength} bytes`);
  });
}

Deno.test("a rejected record leaves no trace in its table", () => {
  const schema = { type: "record", name: "R", fields: [{ name: "a", type: "int" }, { name: "b", type: "string" }] };
  const good = encodeDatums(schema, [{ a: 1, b: "x" }, { a: 2, b: "y" }]);
  const { pages, deadLetters } = decodeBare([good[0], Uint8Array.of(8, 20), good[1]], { schema });
  assertEquals([linesOf(pages), deadLetters.length], [['{"a":1,"b":"x"}', '{"a":2,"b":"y"}'], 1]);
});

Deno.test("a schema that is none makes dead letters of its records", () => {
  const buffer = new StreamBuffer(configOf({ dataFormat: "AVRO", avroEncoding: "BARE" }));
  buffer.update(schemaUpdate([schemaForAll("{")]));
  buffer.append(batchOf([Uint8Array.of(0)]));
  assertEquals(sealed(buffer).deadLetters.map(({ code }) => code), ["bad-schema"]);
});

Deno.test("records of other days that stand inside of a container file stay: elsewhere they would have no schema", async () => {
  const bytes = await Deno.readFile(new URL("../../../golden/avro/java.null.avro", import.meta.url));
  const clock = { now: () => Date.UTC(2030, 0, 1), monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const buffer = new StreamBuffer(configOf(), new Diverter({ outdatedDayIndex: 3, exemptParent: "old" }, clock));
  buffer.append(batchOf(['{"_time":"2026-11-01T00:00:00Z"}', bytes]));
  const { pages, diverted } = buffer.seal();
  assertEquals([diverted?.rowCount, pages.map(({ positionCount }) => positionCount)], [1, [100]]);
});

Deno.test("a few bytes that unpack to gigabytes are dead letters, within a bound of memory", async () => {
  const { deflateRawSync } = await import("node:zlib");
  const schema = '{"type":"record","name":"R","fields":[{"name":"v","type":"bytes"}]}';
  const size = 100 * 1024 * 1024;
  const datum = new Uint8Array(size + 5);
  let rest = 2 * size;
  for (let at = 0; at < 4; at++, rest = Math.floor(rest / 128)) datum[at] = (rest & 127) | (rest >= 128 ? 128 : 0);
  const packed = deflateRawSync(datum.subarray(0, size + 4), { level: 9 });
  assert(packed.length < 200_000, `${packed.length} bytes`);
  const header: number[] = [];
  for (let left = 2 * packed.length; left > 0; left = Math.floor(left / 128)) {
    header.push((left & 127) | (left >= 128 ? 128 : 0));
  }
  const block = new Uint8Array(1 + header.length + packed.length);
  block.set([2, ...header]);
  block.set(packed, 1 + header.length);
  const buffer = new StreamBuffer(configOf({ maxRecordByteLength: 1000 }));
  buffer.append(batchOf(Array(8).fill(block), { writerSchema: schema, blockCodec: "deflate" }));
  const { deadLetters } = sealed(buffer);
  assertEquals(deadLetters.map(({ code }) => code), [
    ...Array(5).fill("too-large"),
    ...Array(3).fill("malformed-avro"),
  ]);
  assert(buffer.byteLength < 8e6, `${buffer.byteLength} bytes`);
});

Deno.test("texts are checked and escaped in every row, wherever the special character is", () => {
  const texts: string[] = [];
  for (let length = 1; length <= 20; length++) {
    for (let at = 0; at < length; at++) {
      for (const special of ['"', "\\", "\n", "\u001f", "ü", "\u{1f600}"]) {
        texts.push("x".repeat(at) + special + "y".repeat(length - at - 1));
      }
    }
  }
  texts.push("z".repeat(159) + '"', "z".repeat(200) + "\\", "plain");
  const values = texts.flatMap((v) => [{ v: "first" }, { v }]);
  const rows = roundTrip(TEXT, values).map((line) => JSON.parse(line).v);
  assertEquals(rows, values.map(({ v }) => v));
});

Deno.test("bytes that are no UTF-8 are rejected in every row, wherever they are", () => {
  const good = encodeDatums(TEXT, [{ v: "good" }])[0];
  const bad: Uint8Array[] = [];
  for (let length = 1; length <= 20; length++) {
    for (let at = 0; at < length; at++) {
      const bytes = new Uint8Array(1 + length).fill(0x61);
      bytes[0] = 2 * length;
      bytes[1 + at] = 0xff;
      bad.push(bytes);
    }
  }
  const { pages, deadLetters } = decodeBare([good, ...bad, good], { schema: TEXT });
  assertEquals(linesOf(pages), ['{"v":"good"}', '{"v":"good"}']);
  assertEquals(deadLetters.map(({ code }) => code), Array(bad.length).fill("invalid-utf8"));
});
