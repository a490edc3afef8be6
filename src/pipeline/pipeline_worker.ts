import { Diverter } from "../decode/diverter.ts";
import type { DeadLetters } from "../decode/dead_letters.ts";
import type { DecodeConfig } from "../decode/options.ts";
import { type BufferLimits, detachPages, StreamBuffer } from "../decode/stream_buffer.ts";
import { type Compression, compressPiece } from "../encode/compression.ts";
import { Encoder } from "../encode/encoder.ts";
import type { Grouping } from "../encode/group.ts";
import type { RowFormat } from "../encode/row_plan.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Diversion } from "../records/diversion.ts";
import { CollectorError, InvariantError } from "../runtime/errors.ts";
import type { DeadLetterPiece } from "../encode/piece.ts";
import type { FromWorker, SealedOutput, ToWorker, UnitId } from "./messages.ts";
import { release } from "../runtime/release.ts";
import { batchBuffers, batchByteLength } from "./port.ts";
import { outputByteLength } from "./unit.ts";

/** What a worker needs to know. Plain data: it is the first message to the worker. */
export interface WorkerConfig {
  readonly decode: DecodeConfig;
  readonly encode: {
    readonly rowFormat: RowFormat;
    readonly compression: Compression;
    readonly level: number;
    /** Null for targets that take pages: rows aren't encoded then. */
    readonly grouping: Grouping | null;
  };
  /** Records that go back to the source; absent when all are for the target. */
  readonly diversion?: Diversion;
  /** When a buffer is full. It is emptied at once then, and what came out is kept until the loop asks for a seal. */
  readonly buffer?: BufferLimits;
}

/** What a buffer held, and the buffers of its pages. */
interface Emptied {
  readonly output: SealedOutput;
  readonly pageBuffers: readonly ArrayBuffer[];
}

/** Sends a message to the loop; the buffers are handed over with it. */
export type PostToLoop = (message: FromWorker, transfer: ArrayBuffer[]) => void;

/**
 * What runs in a pipeline worker, whether that is a Web Worker or the main isolate: records in, and with each seal
 * encoded pieces (or pages) out. Holds the rows of one unit at a time.
 */
export class PipelineWorker {
  readonly #config: WorkerConfig;
  readonly #buffer: StreamBuffer;
  readonly #encoder: Encoder | null;
  readonly #post: PostToLoop;
  readonly #clock: Clock;
  #unit: UnitId | null = null;
  #decodeMs = 0;
  #failed = false;
  /** Since the last seal, in order. */
  #emptied: Emptied[] = [];

  constructor(config: WorkerConfig, post: PostToLoop, clock: Clock) {
    const { grouping, ...encode } = config.encode;
    this.#config = config;
    const diverter = config.diversion && new Diverter(config.diversion, clock);
    this.#buffer = new StreamBuffer(config.decode, diverter, config.buffer);
    this.#encoder = grouping === null ? null : new Encoder({ ...encode, grouping, clock });
    this.#post = post;
    this.#clock = clock;
  }

  /** Does what the message says and answers it. Never throws: a failure is the last message. */
  handle(message: ToWorker): void {
    if (this.#failed) return;
    try {
      if (message.type === "batch") this.#append(message);
      else if (message.type === "schemas") this.#buffer.update(message.update);
      else this.#seal(message);
    } catch (error) {
      this.#failed = true;
      const code = error instanceof CollectorError ? error.code : "WORKER";
      this.#post({
        type: "failed",
        code,
        message: error instanceof CollectorError ? error.message : String((error as Error)?.stack ?? error),
      }, []);
    }
  }

  #append(message: Extract<ToWorker, { type: "batch" }>): void {
    if (this.#unit !== null && this.#unit !== message.unit) {
      throw new InvariantError(`Got a batch of unit ${message.unit} while unit ${this.#unit} isn't sealed`);
    }
    this.#unit = message.unit;
    const byteLength = batchByteLength(message.batch);
    const startMs = this.#clock.monotonicMs();
    this.#buffer.append(message.batch, () => void this.#emptied.push(this.#empty()));
    for (const buffer of batchBuffers(message.batch)) release(buffer);
    this.#decodeMs += this.#clock.monotonicMs() - startMs;
    this.#post({
      type: "accepted",
      batchByteLength: byteLength,
      bufferedByteLength: this.#heldByteLength,
    }, []);
  }

  #seal(message: Extract<ToWorker, { type: "seal" }>): void {
    if (this.#unit !== message.unit) {
      throw new InvariantError(`Cannot seal unit ${message.unit}: holding ${this.#unit}`);
    }
    const emptied = [...this.#emptied, this.#empty()];
    this.#emptied = [];
    this.#unit = null;
    const { unit, seal } = message;
    const outputs = emptied.map(({ output }) => output), output = outputs.pop()!;
    const transfer = emptied.flatMap(({ output, pageBuffers }) => buffersOf(output, pageBuffers));
    const bufferedByteLength = this.#heldByteLength;
    this.#post({ type: "sealed", unit, seal, bufferedByteLength, earlier: outputs, output }, transfer);
  }

  get #heldByteLength(): number {
    return this.#emptied.reduce((sum, { output }) => sum + outputByteLength(output), this.#buffer.byteLength);
  }

  /** Takes everything out of the buffer. */
  #empty(): Emptied {
    const emptied = this.#output();
    this.#buffer.reset();
    this.#decodeMs = 0;
    return emptied;
  }

  #output(): Emptied {
    const { pages, deadLetters, diverted, counts, rejected, oddTimes } = this.#buffer.seal();
    const common = {
      ...{ counts, deadLetters: this.#compressDeadLetters(deadLetters) },
      ...(rejected.length > 0 && { rejected }),
      ...(oddTimes.length > 0 && { oddTimes }),
      ...(diverted && { diverted }),
    };
    const decode = this.#decodeMs;
    if (this.#encoder === null) {
      const { pages: detached, transfer } = detachPages(pages);
      const pageByteLength = transfer.reduce((sum, buffer) => sum + buffer.byteLength, 0);
      const stageMs = { decode, encode: 0, compress: 0 };
      return { output: { ...common, pieces: [], pages: detached, pageByteLength, stageMs }, pageBuffers: transfer };
    }
    const pieces = this.#encoder.encodePages(pages);
    const stageMs = { decode, ...this.#encoder.takeStageMs() };
    return { output: { ...common, pieces, pages: [], pageByteLength: 0, stageMs }, pageBuffers: [] };
  }

  #compressDeadLetters(deadLetters: DeadLetters | null): DeadLetterPiece | null {
    if (deadLetters === null) return null;
    const { compression, level } = this.#config.encode;
    const { bytes, rowCount, codes } = deadLetters;
    return { ...compressPiece(bytes, compression, level), rowCount, codes };
  }
}

/** The buffers that are handed over with an output: those of its pieces and pages. */
function buffersOf({ pieces, deadLetters }: SealedOutput, pageBuffers: readonly ArrayBuffer[]): ArrayBuffer[] {
  const buffers = new Set(pieces.map(({ bytes }) => bytes.buffer as ArrayBuffer));
  if (deadLetters !== null) buffers.add(deadLetters.bytes.buffer as ArrayBuffer);
  return [...buffers, ...pageBuffers];
}
