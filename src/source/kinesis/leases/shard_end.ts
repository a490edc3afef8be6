import { withEitherSignal } from "../../../runtime/abort.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { RetriableError } from "../../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import { type Checkpoint, SHARD_END, TRIM_HORIZON } from "./checkpoint.ts";
import type { HeldLease } from "./held_lease.ts";
import type { KinesisApi, Shard } from "../aws/kinesis_api.ts";
import type { LeaseTable } from "./lease_table.ts";
import { leaseOf } from "./shard_sync.ts";

/** A shard that ends has children; a list that doesn't have them yet is late. */
const LIST_RETRIES: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 5_000, maxAttempts: Infinity };

/** What happens when everything of a shard is durable: the order lets every crash in between be gone on from. */
export class ShardEnd {
  readonly #api: KinesisApi;
  readonly #table: LeaseTable;
  readonly #runtime: Runtime;

  constructor(api: KinesisApi, table: LeaseTable, runtime: Runtime) {
    this.#api = api;
    this.#table = table;
    this.#runtime = runtime;
  }

  /**
   * Creates the children's leases, notes them at the parent, and checkpoints its end. Twice is safe.
   *
   * @throws SplitLostError when the lease is lost meanwhile.
   */
  async finish(held: HeldLease, signal: AbortSignal): Promise<void> {
    const children = await withEitherSignal([signal, held.gone], async (either) => {
      const { children, byId } = await this.#children(held.key, either);
      // A shard may have ended before the moment that reading begins at: then its children begin at it too.
      const { checkpoint } = held.lease;
      const start = checkpoint.sequence === "AT_TIMESTAMP" ? checkpoint : TRIM_HORIZON;
      for (const child of children) await this.#create(child, { byId, start }, either);
      return children;
    });
    if (children.length > 0) await held.setChildren(children.map(({ id }) => id), signal);
    await held.checkpoint(SHARD_END, signal);
  }

  /**
   * The other parent of a merged shard may have no lease yet, when its own parents have not ended. No lease would look
   * as if it had ended, so it gets one first. (It can't be one that was deleted: that happens after the child has begun.)
   */
  async #create(
    shard: Shard,
    { byId, start }: { byId: ReadonlyMap<string, Shard>; start: Checkpoint },
    signal: AbortSignal,
  ): Promise<void> {
    if (await this.#table.get(shard.id, signal) !== undefined) return;
    for (const parent of shard.parents) {
      if (byId.has(parent)) await this.#create(byId.get(parent)!, { byId, start }, signal);
    }
    await this.#table.create(leaseOf(shard, start), signal);
  }

  #children(key: string, signal: AbortSignal): Promise<{ children: Shard[]; byId: ReadonlyMap<string, Shard> }> {
    const list = async () => {
      const shards = await this.#api.listShards(signal);
      const children = shards.filter(({ parents }) => parents.includes(key));
      // One that has left the stream may have no children there any more.
      if (children.length === 0 && shards.some(({ id }) => id === key)) {
        throw new RetriableError(`shard ${key} has ended, but the stream lists no children of it`);
      }
      return { children, byId: new Map(shards.map((shard) => [shard.id, shard])) };
    };
    return retry("kinesis find child shards", list, { policy: LIST_RETRIES, runtime: this.#runtime, signal });
  }
}
