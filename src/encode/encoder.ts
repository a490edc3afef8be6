/**
 * Encoding: pages -> lines of JSON -> compressed pieces, a group of rows that belong in one object at a time; object.ts puts the
 * pieces of an object together.
 */
import type { Page } from "../columnar/page.ts";
import type { TableName } from "../columnar/types.ts";
import type { EncodedPiece, ObjectGroup } from "./piece.ts";
import type { Clock } from "../runtime/clock.ts";
import { InvariantError } from "../runtime/errors.ts";
import { type Compression, compressPiece } from "./compression.ts";
import { Grouper, type Grouping } from "./group.ts";
import { OutputBuffer } from "./output_buffer.ts";
import { packPieces } from "./pack_pieces.ts";
import { planRows, type RowFormat } from "./row_plan.ts";
import { Scratch } from "./scratch.ts";
import { RowWalk, RUN_BYTES } from "./write_rows.ts";

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

/** Rows of groups that are written side by side, since their event times alternate, are compressed at this many bytes in all. */
const OPEN_BYTES = 16 * 2 ** 20;

/** Rows of a group that wait to be compressed. */
interface OpenPiece {
  readonly group: ObjectGroup;
  readonly out: OutputBuffer;
  summary: PieceSummary;
  readonly pieces: EncodedPiece[];
}

/**
 * Turns pages into compressed pieces. Pages are gone through once, from the first row to the last, whatever the number of
 * groups. Where the key has no times groups come one after the other and share one buffer, of about pieceByteLength + 512
 * kB (more only while a larger row passes through); else each has one as large as its rows, of about OPEN_BYTES in all.
 */
export class Encoder {
  readonly #options: EncoderOptions;
  readonly #pieceByteLength: number;
  readonly #out: OutputBuffer;
  /** Rows of a run that belong to several groups, on their way to them. */
  readonly #mixed = new OutputBuffer(0);
  readonly #scratch = new Scratch(RUN_BYTES, SCRATCH_OFFSETS);
  readonly #walk = new RowWalk(this.#scratch);
  readonly #open = new Map<ObjectGroup, OpenPiece>();
  #last: OpenPiece | null = null;
  #openByteLength = 0;
  #encodeMs = 0;
  #compressMs = 0;

  constructor(options: EncoderOptions) {
    this.#options = options;
    this.#pieceByteLength = options.pieceByteLength ?? PIECE_BYTES;
    this.#out = new OutputBuffer(this.#keptByteLength);
  }

  /**
   * All rows of the pages, by group; a group's pieces in the order of its rows. The pieces own their bytes, small ones
   * several in a buffer; the pages stay the caller's and are not looked at afterwards.
   */
  encodePages(pages: readonly Page[]): EncodedPiece[] {
    const startMs = this.#options.clock.monotonicMs();
    const compressedMs = this.#compressMs;
    this.#out.length = 0;
    const pieces = this.#encode(pages);
    this.#out.reset(this.#keptByteLength);
    this.#mixed.reset(0);
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

  #encode(pages: readonly Page[]): EncodedPiece[] {
    const grouper = new Grouper(this.#options.grouping);
    for (const page of grouper.ordered(pages)) this.#encodePage(page, grouper);
    this.#compressAll();
    const pieces = packPieces([...this.#open.values()].flatMap(({ pieces }) => pieces));
    this.#open.clear();
    this.#last = null;
    return pieces;
  }

  #openPiece(group: ObjectGroup): OpenPiece {
    if (this.#last?.group === group) return this.#last;
    let piece = this.#open.get(group);
    if (piece === undefined) {
      const isAlone = this.#options.grouping.timeUnit === null;
      if (isAlone && this.#last !== null) this.#compress(this.#last);
      piece = { group, out: isAlone ? this.#out : new OutputBuffer(0), summary: new PieceSummary(), pieces: [] };
      this.#open.set(group, piece);
    }
    return this.#last = piece;
  }

  #encodePage(page: Page, grouper: Grouper): void {
    const { rowFormat, grouping } = this.#options;
    const plan = planRows(page, rowFormat, { project: !grouping.needsProject, table: !grouping.needsTable });
    const walk = this.#walk;
    walk.begin(plan, page.positionCount);
    const runs = grouper.runs(page);
    let run = runs.next();
    while (walk.advance()) {
      for (let start = walk.start, end; start < walk.end; start = end) {
        if (run.done) throw new InvariantError("rows of a page belong to no group");
        const { group, end: runEnd } = run.value;
        end = Math.min(runEnd, walk.end);
        const piece = this.#openPiece(group);
        this.#write(walk, { start, end }, piece.out);
        piece.summary.add(page, start, end);
        if (piece.out.length >= this.#pieceByteLength) this.#compress(piece);
        else if (this.#openByteLength >= OPEN_BYTES) this.#compressAll();
        if (end === runEnd) run = runs.next();
      }
    }
  }

  #write(walk: RowWalk, { start, end }: { readonly start: number; readonly end: number }, out: OutputBuffer): void {
    const before = out.length;
    if (start === walk.start && end === walk.end) {
      walk.write(out, start, end);
    } else {
      this.#writeMixed(walk, { start, end }, out);
    }
    this.#openByteLength += out.length - before;
  }

  /** By way of a buffer that has room for a whole run. */
  #writeMixed(
    walk: RowWalk,
    { start, end }: { readonly start: number; readonly end: number },
    out: OutputBuffer,
  ): void {
    const mixed = this.#mixed;
    mixed.length = 0;
    walk.write(mixed, start, end);
    out.reserve(mixed.length);
    out.bytes.set(mixed.written(), out.length);
    out.length += mixed.length;
  }

  #compressAll(): void {
    for (const piece of this.#open.values()) this.#compress(piece);
  }

  #compress(piece: OpenPiece): void {
    const { group, out, summary } = piece;
    if (summary.rowCount === 0) return;
    const { compression, level, clock } = this.#options;
    const startMs = clock.monotonicMs();
    const compressed = compressPiece(out.written(), compression, level);
    this.#compressMs += clock.monotonicMs() - startMs;
    piece.pieces.push({ group, ...compressed, ...summary.fields() });
    piece.summary = new PieceSummary();
    this.#openByteLength -= out.length;
    out.length = 0;
    if (out !== this.#out) out.reset(0);
  }
}

/** What a piece says of its rows. */
class PieceSummary {
  rowCount = 0;
  readonly #tables = new Map<string, TableRows>();
  /** Of the rows that were added last: those of one table mostly follow each other. */
  #table: TableRows | null = null;
  #minEventTime = Infinity;
  #maxEventTime = -Infinity;

  add({ table, eventTimes }: Page, start: number, end: number): void {
    this.rowCount += end - start;
    const rows = this.#rowsOf(table);
    rows.rowCount += end - start;
    for (let row = start; row < end; row++) {
      const eventTime = eventTimes[row];
      if (eventTime !== eventTime) rows.untimedCount++;
      if (eventTime < this.#minEventTime) this.#minEventTime = eventTime;
      if (eventTime > this.#maxEventTime) this.#maxEventTime = eventTime;
    }
  }

  fields(): Pick<EncodedPiece, "rowCount" | "tables" | "minEventTime" | "maxEventTime"> {
    const known = this.#minEventTime <= this.#maxEventTime;
    return {
      rowCount: this.rowCount,
      tables: [...this.#tables.values()],
      minEventTime: known ? this.#minEventTime : NaN,
      maxEventTime: known ? this.#maxEventTime : NaN,
    };
  }

  #rowsOf({ project, collection }: TableName): TableRows {
    const last = this.#table;
    if (last !== null && last.project === project && last.collection === collection) return last;
    const key = `${project}\n${collection}`;
    let rows = this.#tables.get(key);
    if (rows === undefined) this.#tables.set(key, rows = { project, collection, rowCount: 0, untimedCount: 0 });
    this.#table = rows;
    return rows;
  }
}

/** A table and how many rows of it a piece has. */
interface TableRows extends TableName {
  rowCount: number;
  /** Those without an event time. */
  untimedCount: number;
}
