import { parseSealed } from "../../../src/runtime/sealed_json.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { compressPiece } from "../../../src/encode/compression.ts";
import type { EncodedPiece } from "../../../src/encode/piece.ts";
import type { SealedOutput } from "../../../src/pipeline/messages.ts";
import type { SealedUnit } from "../../../src/pipeline/unit.ts";
import { FatalError, RetriableError } from "../../../src/runtime/errors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { Metrics } from "../../../src/runtime/metrics.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { DeadLetterWriter } from "../../../src/target/dead_letter_writer.ts";
import { parseKeyTemplate } from "../../../src/encode/key_template.ts";
import { ObjectSink } from "../../../src/target/object_sink.ts";
import { manifestRanges } from "../../../src/target/manifest.ts";
import { ObjectUnitWriter } from "../../../src/target/object_unit_writer.ts";
import { EMPTY_OUTPUT } from "../pipeline/fake_port.ts";
import { MemoryTarget } from "./memory_target.ts";

const HOUR_MS = 3_600_000;

function piece(project: string, collection: string, lines: string[], hours: [number, number] = [0, 0]): EncodedPiece {
  const text = lines.map((line) => line + "\n").join("");
  return {
    group: { project, collection: null, timeMs: null },
    ...compressPiece(new TextEncoder().encode(text), "gzip", 4),
    rowCount: lines.length,
    tables: [{ project, collection, rowCount: lines.length }],
    minEventTime: hours[0] * HOUR_MS,
    maxEventTime: hours[1] * HOUR_MS,
  };
}

function deadLetters(lines: string[]) {
  const bytes = new TextEncoder().encode(lines.map((line) => line + "\n").join(""));
  return { ...compressPiece(bytes, "gzip", 4), rowCount: lines.length, codes: { JSON: lines.length } };
}

const counts = (records: number, rows: number, letters: number, [minTimestamp, maxTimestamp] = [NaN, NaN]) => [
  {
    split: "a/0",
    records,
    recordBytes: 10 * records,
    rows,
    deadLetters: letters,
    dropped: { empty: records - rows - letters },
    minTimestamp,
    maxTimestamp,
  },
];

const outputs = (): SealedOutput[] => [
  {
    ...EMPTY_OUTPUT,
    pieces: [piece("p", "c", ["1", "2"], [5, 7]), piece("q", "d", ["3"])],
    counts: counts(4, 3, 0, [2000, 5000]),
  },
  {
    ...EMPTY_OUTPUT,
    pieces: [piece("p", "e", ["4"], [2, 3])],
    deadLetters: deadLetters(["bad"]),
    counts: counts(2, 1, 1, [1000, 4000]),
  },
];

const NAME = "a-0_000000000000_0123456789abcdef";

/** Made anew for each write: its pieces are given back when they are stored. */
const newUnit = (): SealedUnit => ({
  name: NAME,
  trigger: "age",
  ranges: [{ split: "a/0", epoch: 3n, start: "0", next: "6" }, { split: "b/1", epoch: 1n, start: "5", next: "9" }],
  outputs: outputs(),
});

function setup({ maxObjectByteLength = 1e9, manifests = true } = {}) {
  const target = new MemoryTarget();
  const clock = { now: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const runtime = { clock, random: new SeededRandom(1), log: silentLog, metrics: new Metrics() };
  const sink = new ObjectSink({ target, writesInFlight: 2, runtime });
  const writer = new ObjectUnitWriter({
    sink,
    deadLetters: new DeadLetterWriter({ sink, prefix: "_dead-letters/", compression: "gzip" }),
    template: parseKeyTemplate("{project}"),
    compression: "gzip",
    extension: ".ndjson.gz",
    maxObjectByteLength,
    manifests,
    runtime,
  });
  return { target, writer, runtime };
}

const { signal } = new AbortController();
const lines = (target: MemoryTarget, key: string) =>
  new TextDecoder().decode(gunzipSync(target.bytes(key))).trim().split("\n");

const P = `p/${NAME}-0000.ndjson.gz`;
const Q = `q/${NAME}-0000.ndjson.gz`;
const DEAD = `_dead-letters/${NAME}.ndjson.gz`;
const MANIFEST = `_manifests/a/${NAME}.json`;

Deno.test("ObjectUnitWriter writes an object a group, the rows in the order of the seals, and the manifest last", async () => {
  const { target, writer, runtime } = setup();
  await writer.write(newUnit(), signal);
  assertEquals([...target.objects.keys()].sort(), [DEAD, MANIFEST, P, Q].sort());
  assertEquals(target.order.at(-1), MANIFEST);
  assertEquals([lines(target, P), lines(target, Q), lines(target, DEAD)], [["1", "2", "4"], ["3"], ["bad"]]);
  assertEquals(runtime.metrics.total("collector_written_rows_total"), 4);
  assertEquals(runtime.metrics.value("collector_objects_total", { purpose: "data" }), 2);
});

Deno.test("ObjectUnitWriter's manifest says what was read, what was written and what became of the rest", async () => {
  const { target, writer } = setup();
  await writer.write(newUnit(), signal);
  const manifest = parseSealed(new TextDecoder().decode(target.bytes(MANIFEST)), []);
  const sha256 = (key: string) => createHash("sha256").update(target.bytes(key)).digest("hex");
  assertEquals(manifest, {
    version: 1,
    unit: NAME,
    trigger: "age",
    ranges: [
      {
        split: "a/0",
        epoch: "3",
        start: "0",
        next: "6",
        records: 6,
        recordBytes: 60,
        rows: 4,
        deadLetters: 1,
        dropped: { empty: 1 },
        minTimestamp: "1970-01-01T00:00:01.000Z",
        maxTimestamp: "1970-01-01T00:00:05.000Z",
      },
      {
        split: "b/1",
        epoch: "1",
        start: "5",
        next: "9",
        records: 0,
        recordBytes: 0,
        rows: 0,
        deadLetters: 0,
        dropped: {},
        minTimestamp: null,
        maxTimestamp: null,
      },
    ],
    objects: [
      {
        key: P,
        rawByteLength: 6,
        rows: 3,
        minEventTime: "1970-01-01T02:00:00.000Z",
        maxEventTime: "1970-01-01T07:00:00.000Z",
        tables: [{ project: "p", collection: "c", rows: 2 }, { project: "p", collection: "e", rows: 1 }],
        byteLength: target.bytes(P).byteLength,
        sha256: sha256(P),
      },
      {
        key: Q,
        rawByteLength: 2,
        rows: 1,
        minEventTime: "1970-01-01T00:00:00.000Z",
        maxEventTime: "1970-01-01T00:00:00.000Z",
        tables: [{ project: "q", collection: "d", rows: 1 }],
        byteLength: target.bytes(Q).byteLength,
        sha256: sha256(Q),
      },
    ],
    deadLetters: {
      key: DEAD,
      byteLength: target.bytes(DEAD).byteLength,
      sha256: sha256(DEAD),
      records: 1,
      codes: { JSON: 1 },
    },
  });
});

Deno.test("manifestRanges() joins arrival times of seals, known or not", () => {
  const cases: [[number, number][], string | null, string | null][] = [
    [[[NaN, NaN]], null, null],
    [[[NaN, NaN], [1, 2], [NaN, NaN]], "001", "002"],
    [[[3, 4], [1, 2]], "001", "004"],
    [[[1, 9], [2, 5]], "001", "009"],
    [[[8.64e15 + 1, 8.64e15 + 1]], null, null],
  ];
  for (const [times, least, greatest] of cases) {
    const outputs = times.map((time) => ({ ...EMPTY_OUTPUT, counts: counts(1, 1, 0, time) }));
    const [{ minTimestamp, maxTimestamp }] = manifestRanges({ ...newUnit(), outputs });
    const iso = (ms: string | null) => ms === null ? null : `1970-01-01T00:00:00.${ms}Z`;
    assertEquals([minTimestamp, maxTimestamp], [iso(least), iso(greatest)]);
  }
});

Deno.test("ObjectUnitWriter gives the same keys and bytes when it writes a unit again", async () => {
  const first = setup(), second = setup();
  await first.writer.write(newUnit(), signal);
  await second.writer.write(newUnit(), signal);
  for (const key of first.target.objects.keys()) assertEquals(second.target.bytes(key), first.target.bytes(key));
});

Deno.test("ObjectUnitWriter cuts a group into objects that are small enough", async () => {
  const { target, writer } = setup({ maxObjectByteLength: 1 });
  await writer.write(newUnit(), signal);
  const keys = target.order.filter((key) => key.startsWith("p/")).sort();
  assertEquals(keys, [P, P.replace("-0000", "-0001")]);
  assertEquals(keys.map((key) => lines(target, key)), [["1", "2"], ["4"]]);
});

Deno.test("ObjectUnitWriter leaves the manifest out when it is told to", async () => {
  const { target, writer } = setup({ manifests: false });
  await writer.write(newUnit(), signal);
  assertEquals(target.order.filter((key) => key.startsWith("_manifests/")), []);
});

Deno.test("ObjectUnitWriter tries a failed put again and bounds the puts in flight", async () => {
  const { target, writer, runtime } = setup();
  target.failures.push(new RetriableError("503"), new RetriableError("503"), new RetriableError("503"));
  const pieces = Array.from({ length: 9 }, (_, i) => piece(`p${i}`, "c", ["1"]));
  await writer.write({ ...newUnit(), outputs: [{ ...EMPTY_OUTPUT, pieces }] }, signal);
  assertEquals(target.objects.size, 10);
  assertEquals(target.mostInFlight, 2);
  assertEquals(runtime.metrics.total("collector_retries_total"), 3);
});

Deno.test("ObjectUnitWriter writes no manifest when an object can't be written", async () => {
  const { target, writer } = setup();
  target.failures.push(new FatalError("access denied"));
  await assertRejects(() => writer.write(newUnit(), signal), FatalError, "access denied");
  assert(!target.objects.has(MANIFEST));
});

Deno.test("ObjectUnitWriter gives the memory of pieces back when they are stored", async () => {
  const { writer } = setup(), unit = newUnit();
  await writer.write(unit, signal);
  for (const { pieces } of unit.outputs) {
    for (const { bytes } of pieces) assertEquals(bytes.buffer.byteLength, 0);
  }
});
