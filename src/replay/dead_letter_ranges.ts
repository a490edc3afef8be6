import type { DeadLetterLine } from "../decode/dead_letters.ts";
import { withAbort } from "../runtime/abort.ts";
import { FatalError, InvariantError } from "../runtime/errors.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { InputStream } from "../codecs/byte_stream.ts";
import { SniffedInput } from "../source/file/sniffed_input.ts";
import { SplitReader } from "../source/file/split_reader.ts";
import { type PlannedSplit, RANGE_EPOCH, type RangePlan } from "../records/range.ts";
import type { RangeSource } from "../source/range_source.ts";
import type { PollLimit, RecordBatch } from "../records/record_batch.ts";
import type { Position, SplitId } from "../records/position.ts";
import type { DeadLetterStore } from "./dead_letter_store.ts";
import { letterBatches, parseLetter } from "./letter_batches.ts";

/** The parent of the splits: what a redrive reads says nothing about topics or streams. */
export const DEAD_LETTER_PARENT = "redrive:dead-letters";

/** A record of source.max-record-size's greatest value as base64, and what is said about it. Longer lines are left alone. */
const MAX_LINE_BYTE_LENGTH = 720 << 20;
const READ: PollLimit = { maxBytes: 1 << 20, maxRows: 10_000 };

const utf8 = new TextDecoder();

interface BegunSplit {
  readonly planned: PlannedSplit;
  readonly position: Position;
  reader: SplitReader | null;
  /** Read and not returned yet. */
  readonly waiting: RecordBatch[];
  returned: Position;
}

/** Dead letters as ranges: a split an object, whose positions are bytes of its lines, unpacked. */
export class DeadLetterRanges implements RangeSource {
  readonly #store: DeadLetterStore;
  readonly #runtime: Runtime;
  readonly #alone: boolean;
  readonly #begun = new Map<SplitId, BegunSplit>();

  /** `alone`: see letterBatches. */
  constructor(store: DeadLetterStore, { runtime, alone }: { runtime: Runtime; alone: boolean }) {
    this.#store = store;
    this.#runtime = runtime;
    this.#alone = alone;
  }

  /** Every object of now that has something to try again. */
  async plan(_request: unknown, signal: AbortSignal): Promise<RangePlan> {
    const options = { policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal };
    const objects = await retry("list dead letters", () => this.#store.list(signal), options);
    const splits: PlannedSplit[] = [];
    for (const { name, byteLength } of objects) {
      const scanned = await retry("read dead letters", () => this.#scan(name, signal), options);
      if (scanned === null || scanned.letterCount === 0) continue;
      splits.push({
        split: `${DEAD_LETTER_PARENT}/${name}`,
        start: "0",
        end: String(scanned.end),
        after: [],
        weight: scanned.letterCount,
        details: { name, byteLength },
      });
    }
    return { splits, weightUnit: "records", missing: [] };
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  begin(planned: PlannedSplit, position: Position): void {
    this.#begun.set(planned.split, { planned, position, reader: null, waiting: [], returned: position });
  }

  async read(split: SplitId, limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    const begun = this.#begun.get(split);
    if (begun === undefined) throw new InvariantError(`read of ${split}, which was not begun`);
    signal.throwIfAborted();
    while (begun.waiting.length === 0) {
      const lines = await this.#nextLines(begun, limit, signal);
      if (lines === null) return "end";
      begun.waiting.push(...letterBatches(lines, { alone: this.#alone }));
    }
    const batch = begun.waiting.shift()!;
    begun.returned = batch.next;
    return batch;
  }

  progress(split: SplitId): number {
    const begun = this.#begun.get(split);
    return begun === undefined ? 1 : Number(begun.returned) / Number(begun.planned.end);
  }

  async close(): Promise<void> {
    const readers = [...this.#begun.values()].map(({ reader }) => reader);
    this.#begun.clear();
    await Promise.all(readers.map((reader) => reader?.close()));
  }

  async #nextLines(begun: BegunSplit, limit: PollLimit, signal: AbortSignal) {
    const { planned: { split, details, end }, position } = begun;
    try {
      const reader = begun.reader ??= await this.#open(String(details.name), signal);
      if (reader === null) throw new Error("it is gone");
      for (;;) {
        const batch = await nextBatch(reader, limit, signal);
        if (batch === null) break;
        const lines = linesOf(batch, position, split);
        if (lines !== null) return lines;
      }
      if (reader.delivered !== Number(end)) throw new Error(`it has ${reader.delivered} bytes instead of ${end}`);
    } catch (error) {
      signal.throwIfAborted();
      throw new FatalError(`the dead letters ${details.name} can't be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return null;
  }

  async #open(name: string, signal: AbortSignal): Promise<SplitReader | null> {
    const options = { policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal };
    const contents = await retry("open dead letters", () => this.#store.read(name, signal), options);
    return contents === null ? null : lineReader(name, contents);
  }

  /** Where the object ends, and how many letters can be tried again; null when it is gone. */
  async #scan(name: string, signal: AbortSignal): Promise<{ end: number; letterCount: number } | null> {
    const reader = await this.#open(name, signal);
    if (reader === null) return null;
    let letterCount = 0;
    try {
      for (;;) {
        const batch = await nextBatch(reader, READ, signal);
        if (batch === null) return { end: reader.delivered, letterCount };
        letterCount += linesOf(batch, "0", name)!.letters.filter((letter) => letter !== null).length;
      }
    } finally {
      await reader.close();
    }
  }
}

/** The lines of an object, unpacked. */
function lineReader(name: string, contents: AsyncIterable<Uint8Array>): SplitReader {
  const input = new SniffedInput(new InputStream(inputOf(contents), () => NaN));
  return new SplitReader(input, {
    split: name,
    epoch: RANGE_EPOCH,
    start: 0,
    maxRecordByteLength: MAX_LINE_BYTE_LENGTH,
  });
}

/** The next lines; null at the end. */
async function nextBatch(
  reader: SplitReader,
  limit: PollLimit,
  signal: AbortSignal,
): Promise<RecordBatch | null> {
  for (;;) {
    const batch = reader.take(limit);
    if (batch !== null) return batch;
    if (reader.ended) return null;
    await withAbort(reader.fill(limit), signal);
  }
}

/**
 * The lines of an object that can't be tried again, each ended by a line feed, in parts of whole lines; none when the object is
 * gone or another by now.
 */
export async function keptLines(
  store: DeadLetterStore,
  { name }: { readonly name: string },
  { runtime, signal }: { readonly runtime: Runtime; readonly signal: AbortSignal },
): Promise<Uint8Array<ArrayBuffer>[]> {
  const options = { policy: RETRY_UNTIL_STOPPED, runtime, signal };
  return await retry("read dead letters", async () => {
    const contents = await store.read(name, signal);
    const kept: Uint8Array<ArrayBuffer>[] = [];
    if (contents === null) return kept;
    const reader = lineReader(name, contents);
    try {
      for (;;) {
        const batch = await nextBatch(reader, READ, signal);
        if (batch === null) return kept;
        const part = keptOf(batch);
        if (part.length > 0) kept.push(part);
      }
    } finally {
      await reader.close();
    }
  }, options);
}

function keptOf({ bytes, offsets, rowCount }: RecordBatch): Uint8Array<ArrayBuffer> {
  const kept: string[] = [];
  for (let row = 0; row < rowCount; row++) {
    const line = utf8.decode(bytes.subarray(offsets[row], offsets[row + 1]));
    if (parseLetter(line) === null) kept.push(`${line}\n`);
  }
  return new TextEncoder().encode(kept.join(""));
}

function inputOf(contents: AsyncIterable<Uint8Array>) {
  const iterator = contents[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  return {
    async read(into: Uint8Array): Promise<number | null> {
      while (rest.length === 0) {
        const next = await iterator.next();
        if (next.done) return null;
        rest = next.value;
      }
      const part = rest.subarray(0, into.length);
      into.set(part);
      rest = rest.subarray(part.length);
      return part.length;
    },
  };
}

/** From `position` on; null when all of it is before that. */
function linesOf(
  { bytes, offsets, positions, rowCount, start, next }: RecordBatch,
  position: Position,
  split: SplitId,
) {
  if (BigInt(next) <= BigInt(position)) return null;
  const letters: (DeadLetterLine | null)[] = [];
  const kept: Position[] = [];
  for (let row = 0; row < rowCount; row++) {
    const at = (positions as BigInt64Array)[row];
    if (at < BigInt(position)) continue;
    letters.push(parseLetter(utf8.decode(bytes.subarray(offsets[row], offsets[row + 1]))));
    kept.push(String(at));
  }
  return { split, start: BigInt(start) < BigInt(position) ? position : start, next, letters, positions: kept };
}
