import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { type ReplayReport, reportObject } from "../../../src/replay/report.ts";
import type { Manifest } from "../../../src/target/manifest.ts";
import { ManifestError } from "../../../src/verify/parse_manifest.ts";
import { readClaims } from "../../../src/verify/read_reports.ts";
import { contents } from "../../support/stored_object.ts";

const UNIT: Manifest = { version: 1, unit: "u", trigger: "cut", ranges: [], objects: [], deadLetters: null };
const RANGES = [
  { split: "a/0", start: "0", next: "20" },
  { split: 'ü\\",\\"units\\":[/",\n"units":[/1', start: "1:2", next: "9".repeat(64) },
];

/** As a replay stores it. */
async function report(changes: Partial<ReplayReport> = {}): Promise<Uint8Array> {
  return await contents(reportObject({
    ...{ version: 1, job: "j", id: "1", from: '{"units":[', to: null, missing: [',"units":['], ranges: RANGES },
    totals: { records: 1, recordBytes: 1, rows: 1, deadLetters: 0, objects: 1, objectBytes: 1, dropped: {} },
    ...{ units: [UNIT, UNIT], ...changes },
  }));
}

async function* inChunks(bytes: Uint8Array, byteLength = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += byteLength) {
    yield await Promise.resolve(bytes.subarray(at, at + byteLength));
  }
}

Deno.test("readClaims() has the ranges of a report, in whatever chunks it comes", async () => {
  const bytes = await report(), none = await report({ ranges: [], units: [] });
  for (let byteLength = 1; byteLength <= bytes.length + 1; byteLength++) {
    for (const whole of [true, false]) {
      assertEquals(await readClaims(inChunks(bytes, byteLength), { whole }), RANGES);
      assertEquals(await readClaims(inChunks(none, byteLength), { whole }), []);
    }
  }
});

Deno.test("readClaims() finds a report cut, wherever that is", async () => {
  const bytes = await report();
  for (let length = 0; length < bytes.length; length++) {
    await assertRejects(() => readClaims(inChunks(bytes.subarray(0, length)), { whole: true }), ManifestError);
  }
});

Deno.test("readClaims() reads a large report no further than its ranges", async () => {
  const bytes = await report({ units: new Array(10_000).fill(UNIT) });
  let read = 0, closed = false;
  async function* chunks() {
    try {
      for await (const chunk of inChunks(bytes, 1000)) {
        read += chunk.length;
        yield chunk;
      }
    } finally {
      closed = true;
    }
  }
  assertEquals(await readClaims(chunks(), { whole: false }), RANGES);
  assert(read < 2000 && closed, `${read} of ${bytes.length}`);
});

Deno.test("readClaims() says what is wrong with a report", async () => {
  const range = { split: "a/0", start: "5", next: "7" };
  const cases: [unknown, string][] = [
    [[], "it isn't an object"],
    [{ version: 1, ranges: [] }, "it has no units"],
    [{ ranges: [], units: [] }, "it has no version"],
    [{ version: 1, units: [] }, "ranges isn't a list"],
    [{ version: 1, ranges: [7], units: [] }, "one of ranges isn't an object"],
    [{ version: 1, ranges: [{ ...range, split: "" }], units: [] }, "split isn't a text"],
    [{ version: 1, ranges: [{ ...range, split: "a\0b" }], units: [] }, "split isn't a text"],
    [{ version: 1, ranges: [{ ...range, next: null }], units: [] }, "next isn't a position"],
    [{ version: 1, ranges: [{ ...range, next: "4" }], units: [] }, "a range ends before it begins, at 5"],
  ];
  for (const [json, message] of cases) {
    const bytes = Buffer.from(`${JSON.stringify(json)}\n`);
    await assertRejects(() => readClaims(inChunks(bytes, 5), { whole: true }), ManifestError, message);
  }
  for (const json of [{ version: 2 }, { version: 2, ranges: {}, units: [] }]) {
    const error = await assertRejects(
      () => readClaims(inChunks(Buffer.from(JSON.stringify(json))), { whole: true }),
      ManifestError,
      "it has version 2, this collector knows 1: update the collector",
    );
    assert(error.newer);
  }
});
