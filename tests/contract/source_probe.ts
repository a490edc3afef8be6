/** What the contract of the sources does with a source: plays the loop, reads, looks at what came. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { type PollLimit, positionText, type RecordBatch } from "../../src/records/record_batch.ts";
import { comparePositions, type Epoch, type Position, type SplitId } from "../../src/records/position.ts";
import type { Source, SourceHandler } from "../../src/source/source.ts";
import { textsOf } from "../support/batch_texts.ts";
import type { SourceBackend } from "./source_contract.ts";

/** A signal that never aborts. */
export const NEVER = new AbortController().signal;
/** More than any test has. */
export const LIMIT: PollLimit = { maxBytes: 1 << 20, maxRows: 1000 };
/** Long enough for a source that wrongly delivers to do so; a test that waits this long can't fail for being slow. */
const SETTLE_MS = 30;

interface Assignment {
  readonly epoch: Epoch;
  readonly start: Position;
  readonly committed: boolean;
}

/** What the loop does with ownership, and nothing else. */
export class Handler implements SourceHandler {
  readonly assignments = new Map<SplitId, Assignment>();
  readonly #source: Source;
  /** `assigned` waits for this. */
  readonly gate: Promise<void>;

  constructor(source: Source, gate: Promise<void> = Promise.resolve()) {
    this.#source = source;
    this.gate = gate;
  }

  async assigned(
    split: SplitId,
    epoch: Epoch,
    start: Position,
    { committed }: { committed: boolean },
  ): Promise<void> {
    await this.gate;
    if (!committed) await this.#source.commit(split, epoch, start, NEVER);
    this.assignments.set(split, { epoch, start, committed });
  }

  async revoking(): Promise<void> {}

  lost(): void {}
}

/** An open source, and what it told the loop. */
export interface Opened {
  readonly source: Source;
  readonly handler: Handler;
}

/** A new source over the backend, open. */
export async function open(backend: SourceBackend): Promise<Opened> {
  const source = backend.create();
  const handler = new Handler(source);
  await source.open(handler, NEVER);
  return { source, handler };
}

/** Polls until `rowCount` rows have come. */
export async function read(source: Source, rowCount: number, limit = LIMIT): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for (let rows = 0; rows < rowCount;) {
    const batch = await source.poll(limit, NEVER);
    assert(batch !== "end", `the source ended after ${rows} of ${rowCount} rows`);
    batches.push(batch);
    rows += batch.rowCount;
  }
  return batches;
}

/** The rows of batches, as text, in order. */
export function allValues(batches: readonly RecordBatch[]): string[] {
  return batches.flatMap(textsOf);
}

/** Fails when lengths, offsets or positions of a batch are not what its interface says. */
export function assertWellFormed(batch: RecordBatch): void {
  const { rowCount, offsets, timestamps, positions, keys, headers } = batch;
  assertEquals(offsets.length, rowCount + 1);
  assertEquals(timestamps.length, rowCount);
  assertEquals(positions instanceof BigInt64Array ? positions.length : positions.offsets.length - 1, rowCount);
  for (const column of [keys, headers]) if (column !== null) assertEquals(column.offsets.length, rowCount + 1);
  assertLessOrEqual(offsets[rowCount], batch.bytes.length);
  for (let row = 0; row < rowCount; row++) {
    assertLessOrEqual(offsets[row], offsets[row + 1]);
    const position = positionText(batch, row);
    assert(comparePositions(batch.start, position) <= 0, `row ${row} at ${position} is before ${batch.start}`);
    assert(comparePositions(position, batch.next) < 0, `row ${row} at ${position} isn't before ${batch.next}`);
    if (row > 0) {
      assert(comparePositions(positionText(batch, row - 1), position) < 0, `row ${row} isn't after row ${row - 1}`);
    }
  }
}

/** Lets a source that wrongly delivers do so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

/** True when the poll is still pending after a while; then it is aborted. */
export async function staysPending(source: Source): Promise<boolean> {
  const stop = new AbortController();
  const poll = source.poll(LIMIT, stop.signal);
  const outcome = poll.then(() => false, (error) => error === stop.signal.reason);
  await settle();
  stop.abort(new DOMException("enough", "AbortError"));
  return await outcome;
}
