import fc from "fast-check";
import { assertEquals } from "@std/assert";
import type { DecodeConfig } from "../../../src/decode/options.ts";
import { decode, type Doc, exactRows } from "./harness.ts";
import { type Exact, fieldsKept, parseExact } from "./exact_json.ts";

/** What became of one record: "project/collection" and its fields, or the code of its dead letter, or "dropped". */
function outcome(doc: Doc, fields: Partial<DecodeConfig> = {}): unknown {
  const { pages, deadLetters } = decode([doc], fields);
  if (deadLetters.length > 0) return deadLetters[0].code;
  if (pages.length === 0) return "dropped";
  const { project, collection } = pages[0].table;
  return [`${project}/${collection}`, plain(exactRows(pages[0])[0])];
}

/** Names in the order of the columns, with values for reading. */
function plain(fields: Map<string, Exact>): Record<string, unknown> {
  return Object.fromEntries([...fields].map(([name, value]) => {
    const isNumber = typeof value === "object" && value !== null && "number" in value;
    return [name, isNumber ? Number(value.number) : value];
  }));
}

const CASES: readonly (readonly [string, DecodeConfig["jsonLayout"], Doc, unknown])[] = [
  ["RAKAM", "RAKAM", '{"project":"p","collection":"c","properties":{"a":1}}', ["p/c", { a: 1 }]],
  ["properties first", "RAKAM", '{"properties":{"a":1},"collection":"c","project":"p"}', ["p/c", { a: 1 }]],
  ["properties between", "RAKAM", '{"project":"p","properties":{"a":1},"collection":"c"}', ["p/c", { a: 1 }]],
  ["other fields", "RAKAM", '{"id":[1,{"x":2}],"project":"p","collection":"c","api":{},"properties":{"a":1},"z":0}', [
    "p/c",
    { a: 1 },
  ]],
  [
    "first of duplicates",
    "RAKAM",
    '{"project":"p","project":"q","collection":"c","properties":{"a":1,"a":2},"properties":3}',
    [
      "p/c",
      { a: 1 },
    ],
  ],
  ["lower-case project", "RAKAM", '{"project":"ShOpİ","collection":"Ab","properties":{"A":1}}', [
    `${"ShOpİ".toLowerCase()}/Ab`,
    {
      A: 1,
    },
  ]],
  ["escaped names", "RAKAM", '{"pr\\u006fject":"\\u0070","collection":"c\\u00e9","properties":{"\\u0061":1}}', [
    "p/cé",
    { a: 1 },
  ]],
  ["white space", "RAKAM", ' \r\n{ "project" : "p" , "collection" : "c" , "properties" : { "a" : 1 } } \t', ["p/c", {
    a: 1,
  }]],
  ["no fields", "RAKAM", '{"project":"p","collection":"c","properties":{}}', ["p/c", {}]],
  ["no project", "RAKAM", '{"collection":"c","properties":{}}', "bad-envelope"],
  ["project is a number", "RAKAM", '{"project":1,"collection":"c","properties":{}}', "bad-envelope"],
  ["first project is null", "RAKAM", '{"project":null,"project":"p","collection":"c","properties":{}}', "bad-envelope"],
  ["no collection", "RAKAM", '{"project":"p","properties":{}}', "bad-envelope"],
  ["no properties", "RAKAM", '{"project":"p","collection":"c"}', "bad-envelope"],
  ["properties is an array", "RAKAM", '{"project":"p","collection":"c","properties":[]}', "bad-envelope"],
  ["properties is null", "RAKAM", '{"project":"p","collection":"c","properties":null}', "bad-envelope"],
  ["nothing", "RAKAM", "{}", "bad-envelope"],
  ["empty project", "RAKAM", '{"project":"","collection":"c","properties":{}}', "bad-name"],
  ["empty collection", "RAKAM", '{"project":"p","collection":"","properties":{}}', "bad-name"],
  ["dots", "RAKAM", '{"project":"..","collection":"c","properties":{}}', "bad-name"],
  ["dot", "RAKAM", '{"project":"p","collection":".","properties":{}}', "bad-name"],
  ["a path is a name", "RAKAM", '{"project":"../../etc","collection":"a/b","properties":{}}', ["../../etc/a/b", {}]],
  ["control character", "RAKAM", '{"project":"p\\u0000","collection":"c","properties":{}}', "bad-name"],
  ["control character of Latin-1", "RAKAM", '{"project":"p","collection":"c\\u0085","properties":{}}', "bad-name"],
  ["lone surrogate", "RAKAM", '{"project":"p","collection":"c\\ud800","properties":{}}', "bad-name"],
  ["100 characters", "RAKAM", `{"project":"p","collection":"${"c".repeat(100)}","properties":{}}`, [
    `p/${"c".repeat(100)}`,
    {},
  ]],
  ["101 characters", "RAKAM", `{"project":"p","collection":"${"c".repeat(101)}","properties":{}}`, "bad-name"],
  ["field name without UTF-8", "RAKAM", '{"project":"p","collection":"c","properties":{"\\udc00":1}}', "bad-name"],
  ["long field name", "RAKAM", `{"project":"p","collection":"c","properties":{"${"f".repeat(1025)}":1}}`, "bad-name"],
  ["PLAIN as RAKAM", "RAKAM", '{"a":1}', "bad-envelope"],
  ["rest is malformed", "RAKAM", '{"project":"p","collection":"c","properties":{"a":1},"z":}', "malformed-json"],

  ["FABRIC", "FABRIC", '{"id":"1","metadata":{"x":1},"data":{"_project":"P","_collection":"c","a":1}}', ["p/c", {
    a: 1,
  }]],
  ["names last", "FABRIC", '{"data":{"a":1,"b":{"c":2},"_collection":"c","_project":"p"}}', ["p/c", {
    a: 1,
    b: { entries: [["c", { number: "2e0" }]] },
  }]],
  ["names in the middle", "FABRIC", '{"data":{"a":1,"_project":"p","_collection":"c","b":2}}', ["p/c", { a: 1, b: 2 }]],
  ["a field between the names", "FABRIC", '{"data":{"_project":"p","a":1,"_collection":"c","b":2}}', ["p/c", {
    a: 1,
    b: 2,
  }]],
  ["a field between the names", "RAKAM", '{"project":"p","properties2":{},"collection":"c","properties":{"b":2}}', [
    "p/c",
    { b: 2 },
  ]],
  ["lower-case fields", "FABRIC", '{"data":{"_Project":"p","_COLLECTION":"c","aB":1,"AB":2,"É":3,"k":{"Aa":1}}}', [
    "p/c",
    {
      ab: 1,
      é: 3,
      k: { entries: [["Aa", { number: "1e0" }]] },
    },
  ]],
  ["not columns", "FABRIC", '{"data":{"_project":"p","_collection":"c","_shard_time":5,"a":1,"_project":"x"}}', [
    "p/c",
    {
      _shard_time: 5,
      a: 1,
    },
  ]],
  ["names only", "FABRIC", '{"data":{"_project":"p","_collection":"c"}}', ["p/c", {}]],
  ["comma after names", "FABRIC", '{"data":{"_project":"p","_collection":"c",}}', "malformed-json"],
  ["no data", "FABRIC", '{"id":1}', "bad-envelope"],
  ["data is text", "FABRIC", '{"data":"x"}', "bad-envelope"],
  ["no _project", "FABRIC", '{"data":{"_collection":"c"}}', "bad-envelope"],
  ["_collection is a number", "FABRIC", '{"data":{"_project":"p","_collection":7}}', "bad-envelope"],
  ["first data", "FABRIC", '{"data":{"_project":"p","_collection":"c","a":1},"data":5}', ["p/c", { a: 1 }]],

  ["PLAIN", "PLAIN", '{"a":1,"project":"p","collection":"c","properties":{}}', ["default/events", {
    a: 1,
    project: "p",
    collection: "c",
    properties: { entries: [] },
  }]],
  ["empty", "PLAIN", "{}", ["default/events", {}]],
  ["byte order mark", "PLAIN", Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), ["default/events", {}]],
  ["half a byte order mark", "PLAIN", Uint8Array.of(0xef, 0xbb, 0x7b, 0x7d), "malformed-json"],
  ["an array", "PLAIN", "[{}]", "not-an-object"],
  ["text", "PLAIN", '"x"', "not-an-object"],
  ["a number", "PLAIN", " -1", "not-an-object"],
  ["null", "PLAIN", "null", "not-an-object"],
  ["white space only", "PLAIN", " ", "malformed-json"],
  ["something else", "PLAIN", "<a/>", "malformed-json"],
  ["two values", "PLAIN", "{}{}", "malformed-json"],
  ["a trailing comma", "PLAIN", '{"a":1,}', "malformed-json"],

  ["RAKAM", "AUTO", '{"project":"p","collection":"c","properties":{"a":1}}', ["p/c", { a: 1 }]],
  ["RAKAM, bad name", "AUTO", '{"project":"..","collection":"c","properties":{"a":1}}', "bad-name"],
  [
    "RAKAM before FABRIC",
    "AUTO",
    '{"data":{"_project":"x","_collection":"y"},"project":"p","collection":"c","properties":{}}',
    [
      "p/c",
      {},
    ],
  ],
  ["FABRIC", "AUTO", '{"id":1,"data":{"_project":"p","_collection":"c","A":1}}', ["p/c", { a: 1 }]],
  ["FABRIC with a properties field", "AUTO", '{"properties":{},"data":{"_project":"p","_collection":"c","A":1}}', [
    "p/c",
    {
      a: 1,
    },
  ]],
  ["PLAIN", "AUTO", '{"A":1}', ["default/events", { A: 1 }]],
  ["PLAIN with properties of another kind", "AUTO", '{"project":"p","collection":"c","properties":[1]}', [
    "default/events",
    {
      project: "p",
      collection: "c",
      properties: [{ number: "1e0" }],
    },
  ]],
  ["PLAIN with data", "AUTO", '{"data":{"_project":"p","_collection":1}}', ["default/events", {
    data: { entries: [["_project", "p"], ["_collection", { number: "1e0" }]] },
  }]],
  ["an array", "AUTO", "[]", "not-an-object"],
  ["malformed", "AUTO", '{"data":{"_project":"p"}', "malformed-json"],
];

for (const [what, jsonLayout, doc, expected] of CASES) {
  Deno.test(`layout ${jsonLayout} reads: ${what}`, () => {
    assertEquals(outcome(doc, { jsonLayout }), expected);
    // Again when the table, its fields and its prefixes are known.
    const { pages, deadLetters } = decode([doc, doc, doc], { jsonLayout });
    if (typeof expected === "string") {
      assertEquals(deadLetters.map(({ code }) => code), [expected, expected, expected]);
    } else {
      assertEquals(exactRows(pages[0]).map((row) => plain(row)), new Array(3).fill((expected as unknown[])[1]));
    }
  });
}

/** The pieces of which records of every layout are made. */
const value = fc.constantFrom("1", '"x"', "null", "[]", "true", '{"k":1}', "{}");
const row = fc.array(fc.tuple(fc.constantFrom("a", "B", "b", "data", "project", "_time"), value), { maxLength: 4 });
const rowText = row.map((fields) => `{${fields.map(([name, text]) => `"${name}":${text}`)}}`);
const fabricText = fc.tuple(
  row,
  fc.shuffledSubarray(['"_project":"P"', '"_collection":"c"', '"_project":1', '"_COLLECTION" : "d"']),
  fc.boolean(),
)
  .map(([fields, names, isFirst]) => {
    const texts = fields.map(([name, text]) => `"${name}":${text}`);
    return `{${isFirst ? [...names, ...texts] : [...texts, ...names]}}`;
  });
const part = fc.oneof(
  fc.constantFrom(
    '"project":"P"',
    '"project":"q"',
    '"collection":"c"',
    '"collection":"D"',
    '"project":1',
    '"collection":{}',
    '"project" : "q"',
    '"colle\\u0063tion":"c"',
  ),
  fc.tuple(fc.constantFrom("properties", "data", "other"), fc.oneof(rowText, value)).map(([name, text]) =>
    `"${name}" :${text}`
  ),
  fabricText.map((text) => `"data":${text}`),
);
const record = fc.oneof(
  rowText.map((text) => `{"project":"p","collection":"c","properties":${text}}`),
  fabricText.map((text) => `{"id":"1","data":${text}}`),
  fc.array(part, { maxLength: 6 }).map((parts) => `{${parts}}`),
);

type Entries = [string, Exact][];

/** The layouts' rules once more, on whole values. */
function model(doc: string, layout: DecodeConfig["jsonLayout"]): unknown {
  const entries = (parseExact(doc) as { entries: Entries }).entries;
  const first = (list: Entries, name: string) => list.find(([key]) => key === name)?.[1];
  const objectOf = (exact: Exact | undefined) =>
    typeof exact === "object" && exact !== null && !Array.isArray(exact) && "entries" in exact
      ? exact.entries
      : undefined;
  const [project, collection] = [first(entries, "project"), first(entries, "collection")];
  const properties = objectOf(first(entries, "properties"));
  const data = objectOf(first(entries, "data"))?.map(([name, exact]): [string, Exact] => [name.toLowerCase(), exact]);
  const isRakam = typeof project === "string" && typeof collection === "string" && properties !== undefined;
  const [fabricProject, fabricCollection] = [first(data ?? [], "_project"), first(data ?? [], "_collection")];
  const isFabric = typeof fabricProject === "string" && typeof fabricCollection === "string";
  if (layout === "RAKAM" || (layout === "AUTO" && isRakam)) {
    return isRakam ? [project.toLowerCase(), collection, fieldsKept(properties)] : "bad-envelope";
  }
  if (layout === "FABRIC" || (layout === "AUTO" && isFabric)) {
    const fields = (data ?? []).filter(([name]) => !["_project", "_collection"].includes(name));
    return isFabric ? [fabricProject.toLowerCase(), fabricCollection, fieldsKept(fields)] : "bad-envelope";
  }
  return ["default", "events", fieldsKept(entries)];
}

for (const layout of ["RAKAM", "FABRIC", "PLAIN", "AUTO"] as const) {
  Deno.test(`layout ${layout} reads any mixture of records as its rules say`, () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (docs) => {
        const { pages, deadLetters } = decode(docs, { jsonLayout: layout });
        const rows = new Map(pages.map((page) => [`${page.table.project}/${page.table.collection}`, exactRows(page)]));
        const expectedRows = new Map<string, Map<string, Exact>[]>();
        const expectedCodes: unknown[] = [];
        for (const doc of docs) {
          const expected = model(doc, layout);
          if (typeof expected === "string") {
            expectedCodes.push(expected);
          } else {
            const [project, collection, fields] = expected as [string, string, Map<string, Exact>];
            const table = `${project}/${collection}`;
            expectedRows.set(table, [...expectedRows.get(table) ?? [], fields]);
          }
        }
        assertEquals(deadLetters.map(({ code }) => code), expectedCodes);
        assertEquals(new Map([...rows].sort()), new Map([...expectedRows].sort()));
      }),
      { seed: 7, numRuns: 1500 },
    );
  });
}

Deno.test("fields in any order become the same columns", () => {
  const fields = ['"a":1', '"b":"x"', '"c":[1,2]', '"d":null', '"e":2.5'];
  fc.assert(
    fc.property(fc.array(fc.shuffledSubarray(fields), { minLength: 1, maxLength: 10 }), (records) => {
      const docs = records.map((names) => `{${names}}`);
      const { pages } = decode(docs, { jsonLayout: "PLAIN" });
      const expected = docs.map((doc) => fieldsKept((parseExact(doc) as { entries: Entries }).entries));
      assertEquals(exactRows(pages[0]), expected);
    }),
    { seed: 7, numRuns: 300 },
  );
});

Deno.test("PLAIN records go to the configured table, or to the one that the source names", () => {
  const cases: [string, Partial<DecodeConfig>, string][] = [
    ["clicks/3", {}, "default/clicks"],
    ["shop.clicks/3", {}, "default/shop.clicks"],
    ["in/2026/events.ndjson.gz/5f2c81d0", {}, "default/events"],
    ["events.json/0", { project: "Shop" }, "shop/events"],
    ["events.json/0", { collection: "all" }, "default/all"],
    [".json/0", {}, "default/.json"],
  ];
  for (const [split, fields, table] of cases) {
    const { pages } = decode({ ...decodeBatch(), split }, fields);
    assertEquals(`${pages[0].table.project}/${pages[0].table.collection}`, table);
  }
});

function decodeBatch() {
  return {
    split: "",
    epoch: 1n,
    start: "0",
    next: "1",
    rowCount: 1,
    bytes: new TextEncoder().encode("{}"),
    offsets: Uint32Array.of(0, 2),
    timestamps: Float64Array.of(NaN),
    positions: BigInt64Array.of(0n),
    keys: null,
    headers: null,
  };
}

Deno.test("only records of allowed collections are kept, the others are counted", () => {
  const docs = [
    '{"project":"p","collection":"yes","properties":{"a":1}}',
    '{"project":"p","collection":"no","properties":{"a":1}}',
    '{"properties":{"a":1},"project":"p","collection":"no"}',
    '{"data":{"_project":"p","_collection":"no","a":1}}',
    '{"data":{"_project":"p","_collection":"yes","a":1}}',
    '{"a":1}',
    '{"a":1}',
    '{"project":"p","collection":"yes","properties":{"a":1}}',
  ];
  const { buffer, pages } = decode(docs, { allowedCollections: ["yes"] });
  assertEquals(pages.map(({ table, positionCount }) => [table.collection, positionCount]), [["yes", 3]]);
  const { counts } = buffer.seal();
  assertEquals(counts[0].dropped, { collection: 5 });
  assertEquals(counts[0].rows, 3);
});
