/**
 * Sorts more records than memory holds: runs of bounded size are sorted in memory, spilled to files and merged.
 *
 *     in memory:  records one after the other, [length u32][bytes]; `starts` says where each begins; only starts are sorted
 *     run file:   the same records in their order
 */
import { RunReader, RunWriter } from "./run_file.ts";

export interface ExternalSortOptions {
  /** Bytes of records that are held before they are spilled; one record more may be. */
  readonly memoryByteLength: number;
  /** Where runs are kept; the system's directory for temporary files when unset. */
  readonly directory?: string;
}

/** With more runs than this they are merged into one: each takes an open file and a buffer. */
const MAX_RUNS = 64;
const FIRST_BYTE_LENGTH = 64 * 1024;
const LENGTH_BYTES = 4;

/**
 * Takes texts in any order and gives their UTF-8 back sorted by its bytes. Add all, calling `spill` whenever `isFull`; then
 * read `sorted` once; `close` at the end in any case. Its files have no names, so nothing is left behind by a crash.
 */
export class ExternalSort {
  readonly #options: ExternalSortOptions;
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(FIRST_BYTE_LENGTH);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #starts = new Uint32Array(1024);
  #count = 0;
  #runs: RunReader[] = [];
  /** Records added. */
  total = 0;

  constructor(options: ExternalSortOptions) {
    this.#options = options;
  }

  /** Whether `spill` is to be called before more is added. */
  get isFull(): boolean {
    return this.#used >= this.#options.memoryByteLength;
  }

  add(record: string): void {
    const start = this.#used + LENGTH_BYTES;
    this.#reserve(start + record.length * 3);
    const { written } = this.#encoder.encodeInto(record, this.#bytes.subarray(start));
    this.#view.setUint32(this.#used, written, true);
    if (this.#count === this.#starts.length) this.#starts = grown(this.#starts, 2 * this.#count);
    this.#starts[this.#count++] = start;
    this.#used = start + written;
    this.total++;
  }

  /** Moves what is in memory to a file. */
  async spill(): Promise<void> {
    if (this.#count === 0) return;
    const writer = await RunWriter.create(this.#options.directory);
    try {
      for (const start of this.#sortStarts()) {
        if (writer.add(this.#record(start))) await writer.flush();
      }
      this.#runs.push(await writer.finish());
    } catch (error) {
      writer.close();
      throw error;
    }
    this.#used = this.#count = 0;
    if (this.#runs.length >= MAX_RUNS) await this.#mergeRuns();
  }

  /** Every record, sorted; each is valid until the next one is asked for. */
  async *sorted(): AsyncGenerator<Uint8Array> {
    if (this.#runs.length === 0) {
      for (const start of this.#sortStarts()) yield this.#record(start);
      return;
    }
    await this.spill();
    this.#bytes = new Uint8Array(0); // what merging needs has room then
    yield* merge(this.#runs);
  }

  /** Removes its files. Twice is safe. */
  close(): void {
    for (const run of this.#runs) run.close();
    this.#runs = [];
  }

  #sortStarts(): Uint32Array {
    const bytes = this.#bytes, view = this.#view;
    const length = (start: number) => view.getUint32(start - LENGTH_BYTES, true);
    return this.#starts.subarray(0, this.#count).sort((a, b) => {
      const lengthA = length(a), lengthB = length(b);
      const common = lengthA < lengthB ? lengthA : lengthB;
      for (let i = 0; i < common; i++) {
        const difference = bytes[a + i] - bytes[b + i];
        if (difference !== 0) return difference;
      }
      return lengthA - lengthB;
    });
  }

  #record(start: number): Uint8Array {
    return this.#bytes.subarray(start, start + this.#view.getUint32(start - LENGTH_BYTES, true));
  }

  #reserve(byteLength: number): void {
    if (byteLength <= this.#bytes.length) return;
    // Up to the limit and one record, but not twice that.
    const doubled = Math.min(2 * this.#bytes.length, this.#options.memoryByteLength + FIRST_BYTE_LENGTH);
    const bytes = new Uint8Array(Math.max(byteLength, doubled));
    bytes.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  async #mergeRuns(): Promise<void> {
    const runs = this.#runs;
    const writer = await RunWriter.create(this.#options.directory);
    try {
      for await (const record of merge(runs)) if (writer.add(record)) await writer.flush();
      this.#runs = [await writer.finish()];
    } catch (error) {
      writer.close();
      throw error;
    }
    for (const run of runs) run.close();
  }
}

function grown(from: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(length);
  larger.set(from);
  return larger;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** The runs' records in one order: a heap of the runs by their current records. */
async function* merge(runs: readonly RunReader[]): AsyncGenerator<Uint8Array> {
  const heap: RunReader[] = [];
  for (const run of runs) {
    if (!await run.next()) continue;
    heap.push(run);
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (compareBytes(heap[i].record, heap[parent].record) >= 0) break;
      [heap[i], heap[parent]] = [heap[parent], heap[i]];
      i = parent;
    }
  }
  while (heap.length > 0) {
    const [least] = heap;
    yield least.record;
    if (!(least.nextInBuffer() || await least.next())) {
      const last = heap.pop()!;
      if (heap.length === 0) return;
      heap[0] = last;
    }
    siftDown(heap);
  }
}

function siftDown(heap: RunReader[]): void {
  for (let i = 0;;) {
    let least = i;
    for (const child of [2 * i + 1, 2 * i + 2]) {
      if (child < heap.length && compareBytes(heap[child].record, heap[least].record) < 0) least = child;
    }
    if (least === i) return;
    [heap[i], heap[least]] = [heap[least], heap[i]];
    i = least;
  }
}
