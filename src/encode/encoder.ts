/**
 * Encoding: pages -> lines of JSON -> compressed pieces, a group of rows that belong in one object at a time; object.ts puts the
 * pieces of an object together.
 */
import type { Page } from "../columnar/page.ts";
import type { TableName } from "../columnar/types.ts";
import type { EncodedPiece, ObjectGroup } from "./piece.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Compression, compressPiece } from "./compression.ts";
import { type Grouping, groupRows, type RowRun } from "./group.ts";
import { OutputBuffer } from "./output_buffer.ts";
import { planRows, type RowFormat, type RowPlan } from "./row_plan.ts";
import { Scratch } from "./scratch.ts";
import { RUN_BYTES, runEnd, writeRows } from "./write_rows.ts";

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
/** Offsets that the scratch keeps: those of 256 rows of 60 rendered columns. */
const SCRATCH_OFFSETS = 2 ** 14;

/**
 * Turns pages into compressed pieces. It keeps one buffer, of about pieceByteLength + 512 kB (more only while a larger
 * row passes through), whatever the number of pages and groups: groups are encoded one after the other.
 */
export class Encoder {
  readonly #options: EncoderOptions;
  readonly #pieceByteLength: number;
  readonly #out: OutputBuffer;
  readonly #scratch = new Scratch(RUN_BYTES, SCRATCH_OFFSETS);
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
    this.#out.length = 0;
    const plans = new Map<Page, RowPlan>();
    for (const { group, runs } of groupRows(pages, this.#options.grouping)) {
      this.#encodeGroup(group, runs, plans, pieces);
    }
    this.#out.reset(this.#keptByteLength);
    this.#scratch.reset(RUN_BYTES, SCRATCH_OFFSETS);
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
    return this.#pieceByteLength + RUN_BYTES;
  }

  #encodeGroup(
    group: ObjectGroup,
    runs: readonly RowRun[],
    plans: Map<Page, RowPlan>,
    pieces: EncodedPiece[],
  ): void {
    const { rowFormat, grouping } = this.#options;
    const names = { project: !grouping.needsProject, table: !grouping.needsTable };
    const out = this.#out;
    let summary = new PieceSummary();
    for (const { page, start, end } of runs) {
      let plan = plans.get(page);
      if (plan === undefined) plans.set(page, plan = planRows(page, rowFormat, names));
      for (let row = start; row < end;) {
        const next = runEnd(plan, row, end);
        writeRows(out, plan, row, next, this.#scratch);
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

/** What a piece says of its rows. */
class PieceSummary {
  #rowCount = 0;
  readonly #tables = new Map<string, TableRows>();
  /** Of the rows that were added last: those of one table mostly follow each other. */
  #table: TableRows | null = null;
  #minEventTime = Infinity;
  #maxEventTime = -Infinity;

  add({ table, eventTimes }: Page, start: number, end: number): void {
    this.#rowCount += end - start;
    this.#rowsOf(table).rowCount += end - start;
    for (let row = start; row < end; row++) {
      const eventTime = eventTimes[row];
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

  #rowsOf({ project, collection }: TableName): TableRows {
    const last = this.#table;
    if (last !== null && last.project === project && last.collection === collection) return last;
    const key = JSON.stringify([project, collection]);
    let rows = this.#tables.get(key);
    if (rows === undefined) this.#tables.set(key, rows = { project, collection, rowCount: 0 });
    this.#table = rows;
    return rows;
  }
}

/** A table and how many rows of it a piece has. */
interface TableRows extends TableName {
  rowCount: number;
}
