import { InvariantError } from "../runtime/errors.ts";
import { comparePositions, type Epoch, type Position, type SplitId } from "../records/position.ts";
import type { RecordBatch } from "../records/record_batch.ts";

interface OwnedSplit {
  readonly epoch: Epoch;
  /** Where the next batch must start. */
  read: Position;
  /** Up to where everything is durable and committed. */
  committed: Position;
  /** True from the moment we are asked to give the split up: it may commit, but takes no more records. */
  revoking: boolean;
}

/**
 * Which splits are ours, in which epoch, how far each was read and committed. The rules it holds up: batches of a split
 * follow each other without a gap; nothing is accepted or committed for a split, or an epoch, that isn't ours any more;
 * a commit never goes back or past what was read.
 */
export class SplitTracker {
  readonly #owned = new Map<SplitId, OwnedSplit>();

  /** Takes the split over in a new epoch. @throws InvariantError when the epoch isn't newer than the one we hold. */
  assign(split: SplitId, epoch: Epoch, start: Position): void {
    const held = this.#owned.get(split);
    if (held !== undefined && held.epoch >= epoch) {
      throw new InvariantError(`Cannot take over split ${split} in epoch ${epoch}: it is held in epoch ${held.epoch}`);
    }
    this.#owned.set(split, { epoch, read: start, committed: start, revoking: false });
  }

  /** From now on the split takes no more records; what was read may still be committed. */
  revoke(split: SplitId): void {
    const held = this.#owned.get(split);
    if (held !== undefined) held.revoking = true;
  }

  /** The split is no longer ours; nothing happens when it is held in another epoch by now, or wasn't held. */
  release(split: SplitId, epoch: Epoch | undefined): void {
    if (this.#owned.get(split)?.epoch === epoch) this.#owned.delete(split);
  }

  epochOf(split: SplitId): Epoch | undefined {
    return this.#owned.get(split)?.epoch;
  }

  /** Whether something read in `epoch` may still be committed. */
  mayCommit(split: SplitId, epoch: Epoch): boolean {
    return this.#owned.get(split)?.epoch === epoch;
  }

  /**
   * Notes that the batch was read. False when its split was given up meanwhile: the batch must be dropped.
   *
   * @throws InvariantError when it doesn't start where the one before ended: records in between would be lost.
   */
  accept(batch: RecordBatch): boolean {
    const held = this.#owned.get(batch.split);
    if (held === undefined || held.epoch !== batch.epoch || held.revoking) return false;
    if (held.read !== batch.start) {
      throw new InvariantError(
        `Batch of ${batch.split} starts at ${batch.start}, expected ${held.read}: the source left a gap`,
      );
    }
    if (comparePositions(batch.next, batch.start) < 0) {
      throw new InvariantError(`Batch of ${batch.split} goes back from ${batch.start} to ${batch.next}`);
    }
    held.read = batch.next;
    return true;
  }

  /** Notes a commit. @throws InvariantError when it goes back, or past what was read. */
  committed(split: SplitId, epoch: Epoch, next: Position): void {
    const held = this.#owned.get(split);
    if (held === undefined || held.epoch !== epoch) return;
    if (comparePositions(next, held.committed) < 0 || comparePositions(next, held.read) > 0) {
      throw new InvariantError(`Commit of ${split} at ${next} is outside [${held.committed}, ${held.read}]`);
    }
    held.committed = next;
  }

  splits(): SplitId[] {
    return [...this.#owned.keys()];
  }
}
