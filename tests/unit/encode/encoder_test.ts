import { assert, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { Encoder, type EncoderOptions } from "../../../src/encode/encoder.ts";
import { assembleObject } from "../../../src/encode/object.ts";
import type { EncodedPiece } from "../../../src/encode/piece.ts";
import { pageOf } from "./pages.ts";

const HOUR_MS = 3_600_000;
const clock = { monotonicMs: () => 0 };

function encoder(options: Partial<EncoderOptions> = {}): Encoder {
  return new Encoder({
    rowFormat: "rakam",
    compression: "none",
    level: 0,
    grouping: { needsProject: true, needsTable: false, timeUnit: null },
    clock,
    ...options,
  });
}

function text(pieces: readonly EncodedPiece[]): string {
  return pieces.map((piece) => new TextDecoder().decode(piece.bytes)).join("");
}

const ids = (...values: number[]) => ({ name: "id", type: "INTEGER" as const, values });
const times = (...values: (number | null)[]) => ({ name: "_time", type: "TIMESTAMP" as const, values });

Deno.test("encodePages() sets rows of all tables of a project into one piece when the key has no {table}", () => {
  const pages = [
    pageOf([ids(1, 2)], { collection: "click" }),
    pageOf([ids(3)], { collection: "view" }),
    pageOf([ids(4)], { collection: "click", project: "blog" }),
    pageOf([ids(5)], { collection: "click" }),
  ];
  const pieces = encoder({ rowFormat: "flat" }).encodePages(pages);
  assertEquals(pieces.map((piece) => [piece.group, text([piece]), piece.rowCount, piece.tables]), [
    [
      { project: "shop", collection: null, timeMs: null },
      '{"$table":"click","id":1}\n{"$table":"click","id":2}\n{"$table":"view","id":3}\n{"$table":"click","id":5}\n',
      4,
      [
        { project: "shop", collection: "click", rowCount: 3, untimedCount: 3 },
        { project: "shop", collection: "view", rowCount: 1, untimedCount: 1 },
      ],
    ],
    [
      { project: "blog", collection: null, timeMs: null },
      '{"$table":"click","id":4}\n',
      1,
      [{ project: "blog", collection: "click", rowCount: 1, untimedCount: 1 }],
    ],
  ]);
});

Deno.test("encodePages() gives nothing for no pages and for pages without rows", () => {
  assertEquals(encoder().encodePages([]), []);
  assertEquals(encoder().encodePages([pageOf([ids()])]), []);
});

Deno.test("an encoder can be used again, and pieces keep their bytes", () => {
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const shared = encoder({ compression, level: compression === "none" ? 0 : 3 });
    const first = shared.encodePages([pageOf([ids(1)])]);
    const copy = first[0].bytes.slice();
    shared.encodePages([pageOf([ids(2)])]);
    assertEquals(first[0].bytes, copy);
  }
});

Deno.test("a piece ends when it has reached pieceByteLength, and its counts are its own", () => {
  const count = 5000;
  const page = pageOf([ids(...Array(count).keys()), times(...Array.from({ length: count }, (_, i) => i * 10))]);
  const pieces = encoder({ compression: "gzip", level: 1, pieceByteLength: 50_000 }).encodePages([page]);
  assert(pieces.length > 3, `${pieces.length} pieces`);
  assertEquals(pieces.reduce((sum, piece) => sum + piece.rowCount, 0), count);
  let row = 0;
  for (const piece of pieces) {
    assertEquals([piece.minEventTime, piece.maxEventTime], [row * 10, (row + piece.rowCount - 1) * 10]);
    row += piece.rowCount;
  }
  const object = assembleObject(pieces, "gzip");
  const bytes = new Uint8Array(object.chunks.flatMap((chunk) => [...chunk]));
  const lines = gunzipSync(bytes).toString().trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map((line) => line.properties.id), [...Array(count).keys()]);
});

Deno.test("encodePages() places rows by event time, else arrival time, else 1970", () => {
  const page = pageOf([ids(1, 2, 3, 4, 5), times(HOUR_MS, 2 * HOUR_MS - 1, null, null, 1e17)], {
    eventTimes: [HOUR_MS, 2 * HOUR_MS - 1, NaN, NaN, 1e17],
    arrivalTimes: [NaN, NaN, 7.5 * HOUR_MS, NaN, 7 * HOUR_MS],
  });
  const grouping = { needsProject: true, needsTable: true, timeUnit: "hour" } as const;
  const pieces = encoder({ rowFormat: "flat", grouping }).encodePages([page]);
  assertEquals(pieces.map((piece) => [piece.group.timeMs, piece.group.collection, piece.rowCount]), [
    [HOUR_MS, "click", 2],
    [7 * HOUR_MS, "click", 2],
    [0, "click", 1],
  ]);
});

Deno.test("small pieces share buffers, which hold nothing else, and rows of groups that alternate stay in order", () => {
  const count = 3000, hours = 700;
  const all = Array.from({ length: count }, (_, i) => ((i * 13) % hours) * HOUR_MS + i);
  const grouping = { needsProject: true, needsTable: false, timeUnit: "hour" } as const;
  const pieces = encoder({ rowFormat: "flat", compression: "none", level: 0, grouping })
    .encodePages([pageOf([ids(...Array(count).keys())], { eventTimes: all })]);
  assertEquals(pieces.length, hours);
  const buffers = new Set(pieces.map(({ bytes }) => bytes.buffer));
  assertEquals(buffers.size < hours / 100, true, `${buffers.size} buffers`);
  const byteLength = pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assertEquals([...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0), byteLength);
  for (const { group, bytes } of pieces) {
    const ids = new TextDecoder().decode(bytes).trimEnd().split("\n").map((line) => JSON.parse(line).id);
    assertEquals(ids, [...Array(count).keys()].filter((i) => Math.floor(all[i] / HOUR_MS) * HOUR_MS === group.timeMs));
  }
});
