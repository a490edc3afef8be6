import { withAbort, withEitherSignal } from "../../../runtime/abort.ts";
import { InvariantError, SplitLostError } from "../../../runtime/errors.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { comparePositions, type Epoch, type Position, type SplitId } from "../../../records/position.ts";
import { checkpointBefore, END_POSITION, positionAfter } from "../leases/checkpoint.ts";
import type { HeldLease } from "../leases/held_lease.ts";
import type { OwnedShard, OwnedShards } from "./owned_shards.ts";
import type { ShardEnd } from "../leases/shard_end.ts";

export interface ShardCommitsOptions {
  readonly shards: OwnedShards;
  readonly shardEnd: ShardEnd;
  readonly runtime: Runtime;
  /** The loop forgets the split, so we must too, whatever becomes of the lease. */
  lose(held: HeldLease): void;
  /** Everything of the shard is durable, and its children have leases. */
  onEnded(owned: OwnedShard): void;
}

/** Writes positions as the table's checkpoints: one write at a time for each shard, of the latest position wanted. */
export class ShardCommits {
  readonly #options: ShardCommitsOptions;

  constructor(options: ShardCommitsOptions) {
    this.#options = options;
  }

  /** As Source.commit. */
  async commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    const { shards, lose } = this.#options;
    const owned = shards.get(split);
    if (owned === undefined || owned.held.epoch !== epoch || !owned.held.usable) {
      if (owned?.held.epoch === epoch) lose(owned.held);
      throw new SplitLostError(split, `can't commit ${split} in epoch ${epoch}: its lease is no longer ours`);
    }
    if (comparePositions(next, owned.wanted) < 0) {
      throw new InvariantError(`commit of ${split} at ${next}, but ${owned.wanted} was committed before`);
    }
    const delivered = owned.ended ? END_POSITION : owned.reader?.delivered ?? owned.committed;
    if (comparePositions(next, delivered) > 0) {
      throw new InvariantError(`commit of ${split} at ${next}, but records were delivered up to ${delivered} only`);
    }
    owned.wanted = next;
    const write = () => this.#writeWanted(owned, next, signal);
    const written = owned.committing.then(write, write);
    owned.committing = written.catch(() => {});
    await withAbort(written, signal);
  }

  async #writeWanted(owned: OwnedShard, next: Position, signal: AbortSignal): Promise<void> {
    if (comparePositions(owned.committed, next) >= 0 && !mustResolve(owned)) return;
    const { held, split, wanted } = owned;
    const { runtime, shardEnd, lose, onEnded } = this.#options;
    const write = (either: AbortSignal) =>
      wanted === END_POSITION
        ? shardEnd.finish(held, either)
        : held.checkpoint(checkpointBefore(wanted), either, startOf(owned, wanted));
    try {
      await withEitherSignal(
        [signal, held.gone],
        (either) =>
          retry("kinesis commit", () => write(either), { policy: RETRY_UNTIL_STOPPED, runtime, signal: either }),
      );
    } catch (error) {
      signal.throwIfAborted();
      if (held.gone.aborted || error instanceof SplitLostError) {
        lose(held);
        throw new SplitLostError(split, `can't commit ${split}: its lease was lost`, { cause: error });
      }
      throw error;
    }
    owned.committed = wanted;
    if (wanted === END_POSITION) onEnded(owned);
  }
}

/** "latest" is not kept in the table yet: it must be, before anything is read. */
function mustResolve({ held: { lease }, committed }: OwnedShard): boolean {
  return committed === positionAfter(lease.checkpoint) && lease.checkpoint.sequence === "LATEST" &&
    lease.startTimestampMs === undefined;
}

function startOf({ startMs }: OwnedShard, position: Position): number | undefined {
  return checkpointBefore(position).sequence === "LATEST" ? startMs : undefined;
}
