/** The files that the readers get: rows of every type, of several tables, of many pieces. */
import type { Page } from "../../src/columnar/page.ts";
import type { Compression } from "../../src/encode/compression.ts";
import { Encoder } from "../../src/encode/encoder.ts";
import { assembleObject } from "../../src/encode/object.ts";
import { fileExtensionOf } from "../../src/encode/options.ts";
import type { RowFormat } from "../../src/encode/row_plan.ts";
import { objectKey, parseKeyTemplate } from "../../src/encode/key_template.ts";
import { type ColumnSpec, pageOf } from "../unit/encode/pages.ts";

/** 2026-11-01T00:00:00Z. */
export const START_MS = 1_793_491_200_000;
export const ROWS_A_PAGE = 4000;

/** A row whose values are nasty in one way or another. */
const NASTY = ['"', "\\", "\n", "\u0000\u001f", "\u2028", "é", "😀", "", "a/b", "\ufffd", "x".repeat(300)];

function columns(first: number, count: number): ColumnSpec[] {
  const rows = Array.from({ length: count }, (_, i) => first + i);
  return [
    { name: "_time", type: "TIMESTAMP", values: rows.map((id) => START_MS + id * 1000) },
    { name: "_user", type: "VARCHAR", values: rows.map((id) => id % 5 === 0 ? null : `u${id % 97}`) },
    { name: "id", type: "INTEGER", values: rows },
    { name: "big", type: "BIGINT", values: rows.map((id) => 2n ** 63n - 1n - BigInt(id)) },
    { name: "price", type: "DOUBLE", values: rows.map((id) => id % 3 === 0 ? null : (id * 7919 % 100_003) / 100) },
    { name: "ratio", type: "DOUBLE", values: rows.map((id) => 1 / (id + 1)) },
    { name: "text", type: "VARCHAR", values: rows.map((id) => `${NASTY[id % NASTY.length]}${id}`) },
    { name: "flag", type: "BOOLEAN", values: rows.map((id) => id % 2 === 0) },
    { name: "day", type: "DATE", values: rows.map((id) => 20_000 + id % 1000) },
    { name: "at", type: "TIMESTAMP", form: "ISO_US", values: rows.map((id) => START_MS * 1000 + id) },
    {
      name: "list",
      type: "ARRAY(INTEGER)",
      values: rows.map((id) => Array.from({ length: id % 4 }, (_, i) => id + i)),
    },
    { name: "map", type: "MAP(VARCHAR)", values: rows.map((id) => id % 2 === 0 ? [['k"', `v${id}`]] : null) },
    { name: "json", type: "JSON", values: rows.map((id) => `{"deep":[{"id":${id}}]}`) },
  ];
}

/** Two larger pages and a hundred small ones, of three tables of one project. */
export function goldenPages(): Page[] {
  const pages = [
    pageOf(columns(0, ROWS_A_PAGE), { project: "shop", collection: "page_view" }),
    pageOf(columns(ROWS_A_PAGE, ROWS_A_PAGE), { project: "shop", collection: "click" }),
  ];
  for (let i = 0; i < 100; i++) {
    pages.push(pageOf(columns(2 * ROWS_A_PAGE + i * 3, 3), { project: "shop", collection: "order" }));
  }
  return pages;
}

/** A row of each nasty text, for the recorded files. */
export function samplePages(): Page[] {
  return [pageOf(columns(0, NASTY.length), { project: "shop", collection: "page_view" })];
}

/** Rows of goldenPages(). */
export const GOLDEN_ROWS = 2 * ROWS_A_PAGE + 300;

/** A file as the collector writes it: its name and bytes. */
export interface GoldenFile {
  readonly key: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pieceCount: number;
}

/** The objects of these pages, small pieces on purpose. */
export function goldenFiles(
  pages: readonly Page[],
  { rowFormat, compression, template = "{project}" }: {
    rowFormat: RowFormat;
    compression: Compression;
    template?: string;
  },
): GoldenFile[] {
  const keys = parseKeyTemplate(template);
  const encoder = new Encoder({
    rowFormat,
    compression,
    level: compression === "none" ? 0 : 4,
    grouping: keys,
    clock: { monotonicMs: () => 0 },
    pieceByteLength: 100_000,
  });
  const groups = Map.groupBy(encoder.encodePages(pages), (piece) => keys.render(piece.group));
  return [...groups].map(([prefix, pieces]) => {
    const { chunks } = assembleObject(pieces, compression);
    const extension = fileExtensionOf({ compression, fileExtension: undefined });
    return {
      key: objectKey({ prefix, unitName: "golden", part: 0, extension }),
      bytes: new Uint8Array(chunks.flatMap((chunk) => [...chunk])),
      pieceCount: pieces.length,
    };
  });
}

/** The NDJSON text of all pages in one uncompressed file. */
export function goldenText(pages: readonly Page[], rowFormat: RowFormat): string {
  const [{ bytes }] = goldenFiles(pages, { rowFormat, compression: "none" });
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
