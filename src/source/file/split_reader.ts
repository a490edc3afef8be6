import { FatalError } from "../../runtime/errors.ts";
import type { Epoch, SplitId } from "../../records/position.ts";
import type { PollLimit, RecordBatch } from "../../records/record_batch.ts";
import type { ByteStream } from "../../codecs/byte_stream.ts";
import { ContainerBuffer } from "./container_buffer.ts";
import { FileBeginning } from "./file_beginning.ts";
import { LineBuffer } from "./line_buffer.ts";
import type { RecordBuffer } from "./record_buffer.ts";

/** Bytes of one read, unless the poll's limit is smaller: larger reads gained nothing. */
const MAX_READ_BYTE_LENGTH = 1024 * 1024;
/** Less would cost more calls than it saves memory. */
const MIN_READ_BYTE_LENGTH = 64 * 1024;

export interface SplitReaderOptions {
  readonly split: SplitId;
  readonly epoch: Epoch;
  /** Stream offset of the first byte to deliver; the stream stands at its beginning. */
  readonly start: number;
  readonly maxRecordByteLength: number;
}

/**
 * Reads one split: `fill` until `take` has something. Reads and takes are apart so that an aborted poll loses nothing:
 * what was read waits here for the next one.
 */
export class SplitReader {
  readonly split: SplitId;
  /** True when the last read found nothing more; set it back to have the reader look again. */
  atEnd = false;
  readonly #epoch: Epoch;
  readonly #stream: ByteStream;
  readonly #options: SplitReaderOptions;
  /** Null until the stream's first bytes say whether it holds lines or Avro blocks. */
  #records: RecordBuffer | null = null;
  readonly #beginning = new FileBeginning();
  #toSkip = 0;
  #timeMs = NaN;
  #final = false;
  #stopped = false;
  #filling: Promise<void> | null = null;

  /** Takes the stream over: `close` closes it. */
  constructor(stream: ByteStream, options: SplitReaderOptions) {
    this.split = options.split;
    this.#epoch = options.epoch;
    this.#stream = stream;
    this.#options = options;
  }

  /** Stream offset up to which records were delivered. */
  get delivered(): number {
    return this.#records?.delivered ?? this.#options.start;
  }

  /** True while a read is under way. */
  get filling(): boolean {
    return this.#filling !== null;
  }

  /** True when everything was read and nothing more will come. (The last lines may not be taken yet.) */
  get ended(): boolean {
    return this.#stopped || (this.atEnd && (this.#final || this.#stream.ended));
  }

  /** Nothing will be appended any more: what follows the last line feed is a record too. */
  finish(): void {
    if (this.#final) return;
    this.#final = true;
    this.#stream.finish();
    this.atEnd = false;
  }

  /** The records that are here and fit the limit; null when `fill` must come first, or at the end. */
  take(limit: PollLimit): RecordBatch | null {
    if (this.#filling !== null || this.#records === null) return null;
    const { writerSchema, blockCodec } = this.#records;
    const lines = this.#records.take(limit, this.ended && !this.#stopped);
    if (lines === null) return null;
    return {
      split: this.split,
      epoch: this.#epoch,
      start: String(lines.start),
      next: String(lines.next),
      rowCount: lines.rowCount,
      bytes: lines.bytes,
      offsets: lines.offsets,
      timestamps: new Float64Array(lines.rowCount).fill(this.#timeMs),
      positions: lines.positions,
      keys: null,
      headers: null,
      ...(lines.cutLength !== undefined && { cutRows: new Map([[0, lines.cutLength]]) }),
      ...(writerSchema === undefined ? {} : { writerSchema, blockCodec }),
    };
  }

  /** Reads once, not much more than the limit. A second call while the first is under way waits for the same read. */
  fill({ maxBytes }: PollLimit): Promise<void> {
    const mostByteLength = Math.max(MIN_READ_BYTE_LENGTH, Math.min(maxBytes, MAX_READ_BYTE_LENGTH));
    return this.#filling ??= this.#fill(mostByteLength).finally(() => this.#filling = null);
  }

  /** No more reads: whole lines that were read are still to be taken, the part of a line after them is dropped. */
  stop(): void {
    this.#stopped = true;
    this.atEnd = true;
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  async #fill(mostByteLength: number): Promise<void> {
    const { byteLength, timeMs } = await this.#stream.look();
    this.#timeMs = timeMs;
    const isFirst = this.#records === null;
    const records = this.#records ??= await this.#begin(byteLength);
    if (records === null) {
      this.atEnd = true;
      return;
    }
    if (this.#toSkip > 0) await this.#skip();
    const room = Math.min(byteLength, mostByteLength);
    const came = byteLength > 0 || this.#final ? await this.#stream.read(records.reserve(Math.max(room, 16))) : 0;
    records.appended(came);
    const waits = records.check?.(came === 0 && (this.#final || this.#stream.ended)) ?? false;
    this.atEnd = came === 0 && !waits && !isFirst; // the first bytes may have held whole lines
    if (this.atEnd) records.shrink();
  }

  /** Looks what the stream holds. Null when that can't be told yet. */
  async #begin(byteLength: number): Promise<RecordBuffer | null> {
    const isFinal = () => this.#final || this.#stream.ended;
    if (byteLength === 0 && !isFinal()) return null;
    const header = await this.#beginning.read(this.#stream, isFinal);
    if (header === undefined) return null;
    const { start, maxRecordByteLength } = this.#options;
    const { bytes } = this.#beginning;
    const first = header === null ? start : Math.max(start, header.byteLength);
    const records = header === null ? new LineBuffer(start, maxRecordByteLength) : new ContainerBuffer(header, start);
    const rest = bytes.subarray(first);
    if (rest.length > 0) {
      records.reserve(rest.length).set(rest);
      records.appended(rest.length);
    }
    this.#toSkip = Math.max(0, first - bytes.length);
    return records;
  }

  async #skip(): Promise<void> {
    const skipped = await this.#stream.skip(this.#toSkip);
    this.#toSkip -= skipped;
    if (this.#toSkip === 0) return;
    throw new FatalError(
      `${this.split} is shorter than what the checkpoint says was read of it (${this.#toSkip} bytes are missing): ` +
        "it was cut or replaced by something that begins alike",
    );
  }
}
