import { Condition } from "../../../runtime/condition.ts";
import type { Epoch, Position, SplitId } from "../../../records/position.ts";
import type { PollLimit, RecordBatch } from "../../../records/record_batch.ts";
import type { RecordChunk } from "./record_chunk.ts";

/** Chunks that wait to be taken, beside the one that is being taken. */
const MAX_WAITING = 1;

/** What was read of a shard and not taken yet. */
export class WaitingChunks {
  readonly #chunks: { readonly chunk: RecordChunk; readonly release: () => void }[] = [];
  readonly #changed = new Condition();
  /** Whether there is no room, however little there is. */
  #shut = false;

  get any(): boolean {
    return this.#chunks.length > 0;
  }

  get shut(): boolean {
    return this.#shut;
  }

  set shut(shut: boolean) {
    this.#shut = shut;
    this.#changed.notify();
  }

  /** Resolves when there is room for one more. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#shut || this.#chunks.length > MAX_WAITING) await this.#changed.wait(signal);
  }

  /** @param release called once, when the chunk's bytes are gone. */
  push(chunk: RecordChunk, release: () => void): void {
    this.#chunks.push({ chunk, release });
  }

  /** The next rows; call only when there are any chunks. */
  take(place: { split: SplitId; epoch: Epoch; start: Position }, limit: PollLimit): RecordBatch {
    const { chunk, release } = this.#chunks[0];
    const batch = chunk.take(place, limit);
    if (chunk.left === 0) {
      this.#chunks.shift();
      release();
      this.#changed.notify();
    }
    return batch;
  }

  dropAll(): void {
    for (const { release } of this.#chunks.splice(0)) release();
  }
}
