import type { EncodedPiece } from "../../../src/encode/piece.ts";
import type { FromWorker, SealedOutput, ToWorker } from "../../../src/pipeline/messages.ts";
import { batchByteLength, type WorkerPort } from "../../../src/pipeline/port.ts";
import type { RecordBatch } from "../../../src/records/record_batch.ts";

/** A batch of `rowCount` records of `byteLength` bytes each, from `start` on. */
export function fakeBatch(
  split: string,
  start: number,
  options: { rowCount?: number; byteLength?: number; epoch?: bigint } = {},
): RecordBatch {
  const { rowCount = 1, byteLength = 100, epoch = 1n } = options;
  return {
    split,
    epoch,
    start: String(start),
    next: String(start + rowCount),
    rowCount,
    bytes: new Uint8Array(rowCount * byteLength),
    offsets: Uint32Array.from({ length: rowCount + 1 }, (_, i) => i * byteLength),
    timestamps: new Float64Array(rowCount),
    positions: new BigInt64Array(rowCount),
    keys: null,
    headers: null,
  };
}

/** What a worker sends back when it held nothing. */
export const EMPTY_OUTPUT: SealedOutput = {
  pieces: [],
  pages: [],
  pageByteLength: 0,
  deadLetters: null,
  counts: [],
  stageMs: { decode: 0, encode: 0, compress: 0 },
};

/** Keeps what was posted until the test answers it. Its builders hold twice what it was sent, its pages as much. */
export class FakePort implements WorkerPort {
  onMessage: (message: FromWorker) => void = () => {};
  onLost: (error: Error) => void = () => {};
  readonly posted: ToWorker[] = [];
  closed = false;
  #heldByteLength = 0;

  /** What comes back with a seal. */
  pieces: () => EncodedPiece[] = () => [];

  post(message: ToWorker): void {
    this.posted.push(message);
  }

  close(): void {
    this.closed = true;
  }

  /** Answers everything posted so far as a worker would. */
  answer(): void {
    for (const message of this.posted.splice(0)) {
      if (message.type === "batch") this.#accept(batchByteLength(message.batch));
      else if (message.type === "seal") this.#sealed(message);
    }
  }

  #accept(byteLength: number): void {
    this.#heldByteLength += byteLength;
    const bufferedByteLength = 2 * this.#heldByteLength;
    this.onMessage({ type: "accepted", batchByteLength: byteLength, bufferedByteLength });
  }

  #sealed({ unit, seal }: Extract<ToWorker, { type: "seal" }>): void {
    const output = { ...EMPTY_OUTPUT, pieces: this.pieces(), pageByteLength: this.#heldByteLength };
    this.#heldByteLength = 0;
    this.onMessage({ type: "sealed", unit, seal, bufferedByteLength: 0, output });
  }
}
