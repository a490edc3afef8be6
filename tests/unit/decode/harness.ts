import { isNull } from "../../../src/columnar/block.ts";
import type { Page } from "../../../src/columnar/page.ts";
import { type DecodeConfig, decodeOptions } from "../../../src/decode/options.ts";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import type { BytesColumn, RecordBatch } from "../../../src/records/record_batch.ts";
import { defaultConfig } from "../../support/default_config.ts";
import { type Exact, exactValue } from "./exact_json.ts";

const encoder = new TextEncoder();

export type Doc = string | Uint8Array;

/** Byte strings one after the other; null for none. */
export function bytesColumn(values: readonly (Doc | null)[]): BytesColumn {
  const parts = values.map((value) => typeof value === "string" ? encoder.encode(value) : value ?? new Uint8Array(0));
  const offsets = new Uint32Array(values.length + 1);
  parts.forEach((part, i) => offsets[i + 1] = offsets[i] + part.length);
  const bytes = new Uint8Array(offsets[values.length]);
  parts.forEach((part, i) => bytes.set(part, offsets[i]));
  const nulls = new Uint8Array((values.length + 7) >> 3);
  values.forEach((value, i) => {
    if (value === null) nulls[i >> 3] |= 1 << (i & 7);
  });
  return { bytes, offsets, nulls: values.includes(null) ? nulls : null };
}

/** Records of a split, received one second after the other from 2026-11-01 on. */
export function batchOf(docs: readonly Doc[], fields: Partial<RecordBatch> = {}): RecordBatch {
  const { bytes, offsets } = bytesColumn(docs);
  return {
    split: "events/0",
    epoch: 1n,
    start: "0",
    next: String(docs.length),
    rowCount: docs.length,
    bytes,
    offsets,
    timestamps: Float64Array.from(docs, (_, i) => Date.UTC(2026, 10, 1) + 1000 * i),
    positions: BigInt64Array.from(docs, (_, i) => BigInt(i)),
    keys: null,
    headers: null,
    ...fields,
  };
}

/** The default config without the arrival column, with these fields instead. */
export function configOf(fields: Partial<DecodeConfig> = {}): DecodeConfig {
  return defaultConfig<DecodeConfig>(decodeOptions, { arrivalField: "none", ...fields });
}

export interface DeadLetterLine {
  split: string;
  position: string;
  timestamp: number | null;
  project: string | null;
  collection: string | null;
  code: string;
  message: string;
  key: string | null;
  payload: string;
  byteLength?: number;
  cut?: true;
  redrivable?: false;
}

/** What came of records: pages as they would be sealed, and the dead letters' lines. */
export interface Decoded {
  readonly buffer: StreamBuffer;
  readonly pages: Page[];
  readonly deadLetters: DeadLetterLine[];
}

export function decode(docs: readonly Doc[] | RecordBatch, fields: Partial<DecodeConfig> = {}): Decoded {
  const buffer = new StreamBuffer(configOf(fields));
  buffer.append("rowCount" in docs ? docs : batchOf(docs));
  return sealed(buffer);
}

export function sealed(buffer: StreamBuffer): Decoded {
  const { pages, deadLetters } = buffer.seal();
  const lines = deadLetters === null ? [] : new TextDecoder().decode(deadLetters.bytes).trimEnd().split("\n");
  return { buffer, pages, deadLetters: lines.map((line) => JSON.parse(line)) };
}

/** A page's rows, each with the fields that have a value. */
export function exactRows(page: Page): Map<string, Exact>[] {
  return Array.from({ length: page.positionCount }, (_, row) => {
    const fields = new Map<string, Exact>();
    page.columns.forEach(({ name }, i) => {
      if (!isNull(page.blocks[i], row)) fields.set(name, exactValue(page.blocks[i], row));
    });
    return fields;
  });
}

/** The types of a page's columns by name; a TIMESTAMP's with its form. */
export function typesOf(page: Page): Record<string, string> {
  return Object.fromEntries(page.columns.map(({ name, type }, i) => {
    const block = page.blocks[i];
    return [name, block.type === "TIMESTAMP" ? `${type} ${block.form}` : type];
  }));
}
