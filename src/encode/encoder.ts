import type { Page } from "../columnar/page.ts";
import type { EncodedPiece, ObjectGroup } from "../pipeline/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Compression, compressPiece } from "./compression.ts";
import { type Grouping, groupRows, type RowRun } from "./group.ts";
import { OutputBuffer } from "./output_buffer.ts";
import { type RowFormat, type RowWriter, rowWriter } from "./row_writer.ts";

/** How pages become pieces. */
export interface EncoderOptions {
  readonly rowFormat: RowFormat;
  readonly compression: Compression;
  /** Within COMPRESSION_LEVELS. */
  readonly level: number;
  /** Of the target's key template. */
  readonly grouping: Grouping;
  /** For `takeStageMs`. */
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Rows are compressed when they have reached this many bytes. Default PIECE_BYTES. */
  readonly pieceByteLength?: number;
}

/** A piece's size before compression: large enough to lose less than 1% of the ratio, small enough for the cache. */
export const PIECE_BYTES = 2 * 2 ** 20;
/** Rows are written in runs of at most so many, and of at most so many bytes unless one row is larger. */
const CHUNK_ROWS = 256;
const CHUNK_BYTES = 2 ** 19;

/**
 * Turns pages into compressed pieces. It keeps one buffer, of about pieceByteLength + 512 kB (more only while a larger
 * row passes through), whatever the number of pages and groups: groups are encoded one after the other.
 */
export class Encoder {
  readonly #options: EncoderOptions;
  readonly #pieceByteLength: number;
  readonly #out: OutputBuffer;
  #encodeMs = 0;
  #compressMs = 0;

  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#pieceByteLength = options.pieceByteLength ?? PIECE_BYTES;
    this.#out = new OutputBuffer(this.#keptByteLength);
  }

  /**
   * All rows of the pages, by group; a group's pieces in the order of its rows. The pieces own their bytes; the pages
   * stay the caller's and are not looked at afterwards.
   */
  encodePages(pages: readonly Page[]): EncodedPiece[] {
    const startMs = this.#options.clock.monotonicMs();
    const compressedMs = this.#compressMs;
    const pieces: EncodedPiece[] = [];
    const writers = new Map<Page, RowWriter>();
    for (const { group, runs } of groupRows(pages, this.#options.grouping)) {
      this.#encodeGroup(group, runs, writers, pieces);
    }
    this.#out.reset(this.#keptByteLength);
    this.#encodeMs += this.#options.clock.monotonicMs() - startMs - (this.#compressMs - compressedMs);
    return pieces;
  }

  /** ms spent on each stage since the last call. */
  takeStageMs(): { readonly encode: number; readonly compress: number } {
    const stageMs = { encode: this.#encodeMs, compress: this.#compressMs };
    this.#encodeMs = this.#compressMs = 0;
    return stageMs;
  }

  get #keptByteLength(): number {
    return this.#pieceByteLength + CHUNK_BYTES;
  }

  #encodeGroup(
    group: ObjectGroup,
    runs: readonly RowRun[],
    writers: Map<Page, RowWriter>,
    pieces: EncodedPiece[],
  ): void {
    const { rowFormat, grouping } = this.#options;
    const names = { project: !grouping.needsProject, table: !grouping.needsTable };
    const out = this.#out;
    let summary = new PieceSummary();
    for (const { page, start, end } of runs) {
      let writer = writers.get(page);
      if (writer === undefined) writers.set(page, writer = rowWriter(page, rowFormat, names));
      for (let row = start; row < end;) {
        const next = reserveRows(out, writer, row, end);
        writer.write(out, row, next);
        summary.add(page, row, next);
        row = next;
        if (out.length < this.#pieceByteLength) continue;
        pieces.push(this.#compress(group, summary));
        summary = new PieceSummary();
      }
    }
    if (out.length > 0) pieces.push(this.#compress(group, summary));
  }

  #compress(group: ObjectGroup, summary: PieceSummary): EncodedPiece {
    const { compression, level, clock } = this.#options;
    const startMs = clock.monotonicMs();
    const compressed = compressPiece(this.#out.written(), compression, level);
    this.#out.length = 0;
    this.#compressMs += clock.monotonicMs() - startMs;
    return { group, ...compressed, ...summary.fields() };
  }
}

/** Makes room for as many rows from `row` on as a chunk may have. @returns the row after them. */
function reserveRows(out: OutputBuffer, writer: RowWriter, row: number, end: number): number {
  let next = Math.min(end, row + CHUNK_ROWS);
  let byteLength = writer.maxByteLength(row, next);
  while (byteLength > CHUNK_BYTES && next > row + 1) {
    next = row + Math.ceil((next - row) / 2);
    byteLength = writer.maxByteLength(row, next);
  }
  out.reserve(byteLength);
  return next;
}

/** What a piece says of its rows. */
class PieceSummary {
  #rowCount = 0;
  readonly #tables = new Map<string, { project: string; collection: string; rowCount: number }>();
  #minEventTime = Infinity;
  #maxEventTime = -Infinity;

  add(page: Page, start: number, end: number): void {
    const { project, collection } = page.table;
    const rowCount = end - start;
    this.#rowCount += rowCount;
    const key = JSON.stringify([project, collection]);
    const table = this.#tables.get(key);
    if (table === undefined) this.#tables.set(key, { project, collection, rowCount });
    else table.rowCount += rowCount;
    for (let row = start; row < end; row++) {
      const eventTime = page.eventTimes[row];
      if (eventTime < this.#minEventTime) this.#minEventTime = eventTime;
      if (eventTime > this.#maxEventTime) this.#maxEventTime = eventTime;
    }
  }

  fields(): Pick<EncodedPiece, "rowCount" | "tables" | "minEventTime" | "maxEventTime"> {
    const known = this.#minEventTime <= this.#maxEventTime;
    return {
      rowCount: this.#rowCount,
      tables: [...this.#tables.values()],
      minEventTime: known ? this.#minEventTime : NaN,
      maxEventTime: known ? this.#maxEventTime : NaN,
    };
  }
}
