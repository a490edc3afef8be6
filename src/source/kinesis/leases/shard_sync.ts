/** Which leases the stream's shards need, and which are done with. */
import { failing, working } from "../../../runtime/outage.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { type Checkpoint, isSentinel, TRIM_HORIZON } from "./checkpoint.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import { eachLimited } from "../concurrency.ts";
import type { KinesisApi, Shard } from "../aws/kinesis_api.ts";
import { isEnded, type Lease, type NewLease } from "./lease.ts";
import type { LeaseTable } from "./lease_table.ts";
import { unreadShards, unreadWayOut } from "./stale_leases.ts";

export interface InitialPosition {
  readonly type: "TRIM_HORIZON" | "LATEST" | "AT_TIMESTAMP";
  /** Epoch ms, with AT_TIMESTAMP. */
  readonly timestampMs: number | undefined;
}

/** Writes in flight at a time. */
const CONCURRENCY = 10;
const LIST_RETRIES: RetryPolicy = { baseDelayMs: 200, maxDelayMs: 5_000, maxAttempts: 5 };

/** A lease for the shard. */
export function leaseOf(shard: Shard, checkpoint: Checkpoint, startTimestampMs?: number): NewLease {
  const { id, parents, startingHashKey, endingHashKey } = shard;
  return { key: id, checkpoint, parents, startingHashKey, endingHashKey, startTimestampMs };
}

/** The shards that were open at the initial position: reading begins with them, and their children follow. */
export function initialShards(
  shards: readonly Shard[],
  type: InitialPosition["type"],
  openAtTimestamp: ReadonlySet<string>,
): Set<string> {
  const ids = new Set(shards.map(({ id }) => id));
  if (type === "LATEST") return new Set(shards.filter(({ open }) => open).map(({ id }) => id));
  const atHorizon = shards.filter(({ parents }) => !parents.some((parent) => ids.has(parent)));
  if (type === "TRIM_HORIZON") return new Set(atHorizon.map(({ id }) => id));
  const atTimestamp = shards.filter(({ id, parents }) =>
    openAtTimestamp.has(id) && !parents.some((parent) => openAtTimestamp.has(parent))
  );
  return new Set((atTimestamp.length > 0 ? atTimestamp : atHorizon).map(({ id }) => id));
}

/**
 * The shards that need a lease now. With an empty table: the initial ones. Else each open shard without a lease is
 * followed up its ancestors: below one that has ended, its child is needed (from TRIM_HORIZON on); one that has a lease
 * and has not ended creates its children itself; where no ancestor has a lease, the initial position counts.
 *
 * @returns in an order in which parents come before their children.
 */
export function neededShards(
  shards: readonly Shard[],
  leases: readonly Lease[],
  initial: ReadonlySet<string>,
): Map<string, "child" | "initial"> {
  const needed = new Map<string, "child" | "initial">();
  if (leases.length === 0) {
    for (const id of initial) needed.set(id, "initial");
    return needed;
  }
  const byId = new Map(shards.map((shard) => [shard.id, shard]));
  const byKey = new Map(leases.map((lease) => [lease.key, lease]));
  const descends = new Map<string, boolean>();
  const descendsFromLease = (id: string): boolean => {
    const known = descends.get(id);
    if (known !== undefined) return known;
    descends.set(id, false);
    const found = (byId.get(id)?.parents ?? []).some((parent) => byKey.has(parent) || descendsFromLease(parent));
    descends.set(id, found);
    return found;
  };
  const seen = new Set<string>();
  const follow = ({ id, parents }: Shard): void => {
    if (seen.has(id) || byKey.has(id)) return;
    seen.add(id);
    if (initial.has(id) && !descendsFromLease(id)) return void needed.set(id, "initial");
    const hasEndedParent = parents.some((parent) => {
      const lease = byKey.get(parent);
      return lease !== undefined && isEnded(lease);
    });
    for (const parent of parents) if (byId.has(parent)) follow(byId.get(parent)!);
    if (!hasEndedParent) return;
    // A merged shard must not be read while its other parent has no lease yet, which would look as if it had ended.
    for (const ancestor of missingAncestors(id)) if (!needed.has(ancestor)) needed.set(ancestor, "child");
    needed.set(id, "child");
  };
  const missingAncestors = (id: string, listed = new Set<string>()): string[] => {
    const parents = byId.get(id)!.parents.filter((parent) => byId.has(parent) && !byKey.has(parent));
    return parents.flatMap((parent) => {
      if (listed.has(parent)) return []; // there are many ways up through splits and merges
      listed.add(parent);
      return [...missingAncestors(parent, listed), parent];
    });
  };
  for (const shard of shards) if (shard.open) follow(shard);
  return needed;
}

/** Ended leases that nobody needs any more: all children are under way, or the shard has left the stream. */
export function finishedLeases(shards: readonly Shard[], leases: readonly Lease[]): Lease[] {
  const byKey = new Map(leases.map((lease) => [lease.key, lease]));
  const listed = new Set(shards.map(({ id }) => id));
  return leases.filter((lease) => {
    if (!isEnded(lease)) return false;
    if (!listed.has(lease.key)) return true;
    const fromList = shards.filter(({ parents }) => parents.includes(lease.key)).map(({ id }) => id);
    const children = [...new Set([...lease.children, ...fromList])];
    return children.length > 0 && children.every((child) => {
      const checkpoint = byKey.get(child)?.checkpoint;
      return checkpoint !== undefined && (!isSentinel(checkpoint) || checkpoint.sequence === "SHARD_END");
    });
  });
}

export class ShardSync {
  readonly #api: KinesisApi;
  readonly #table: LeaseTable;
  readonly #runtime: Runtime;
  readonly #initial: InitialPosition;
  readonly #leaseTable: string;

  constructor(
    api: KinesisApi,
    table: LeaseTable,
    { runtime, initial, leaseTable }: { runtime: Runtime; initial: InitialPosition; leaseTable: string },
  ) {
    this.#api = api;
    this.#table = table;
    this.#runtime = runtime;
    this.#initial = initial;
    this.#leaseTable = leaseTable;
  }

  /** Looks again about every so often, until the signal aborts. Never rejects. */
  async loop(intervalMs: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#runtime;
    // A little apart from the others, so that not all list the shards at once.
    const period = () => intervalMs * (0.9 + random.next() / 5);
    while (await sleepUntilAborted(clock, period(), signal)) {
      try {
        await this.run(signal);
        working(this.#runtime, "kinesis look at shards");
      } catch (error) {
        if (!signal.aborted) failing(this.#runtime, "kinesis look at shards", { error });
      }
    }
  }

  /**
   * Creates the leases that are missing, and deletes those that are done with. Any number of workers may do so at a
   * time. The leases are read before the shards: the other way round, a lease that was deleted in between would look
   * like one that is missing, and its shard be read again.
   */
  async run(signal: AbortSignal): Promise<void> {
    const leases = await this.#table.list(signal);
    const options = { policy: LIST_RETRIES, runtime: this.#runtime, signal };
    const list = (timestampMs?: number) =>
      retry("kinesis list shards", () => this.#api.listShards(signal, timestampMs), options);
    const shards = await list();
    const unread = unreadShards(shards, leases);
    if (unread.length > 0) {
      const message = `${unread.length} open shards have leases that have ended: nobody reads them`;
      this.#runtime.log.warn(`${message}; ${unreadWayOut(unread, this.#leaseTable)}`);
    }
    const { type, timestampMs } = this.#initial;
    const nowMs = this.#api.serverTimeMs() ?? this.#runtime.clock.now();
    const atTimestamp = type === "AT_TIMESTAMP" ? await list(timestampMs) : [];
    const initial = initialShards(shards, type, new Set(atTimestamp.map(({ id }) => id)));
    const needed = neededShards(shards, leases, initial);
    // In this order, ancestors first: after a crash in between no child stands without its parents.
    const byId = new Map(shards.map((shard) => [shard.id, shard]));
    const create = async (shard: Shard) => {
      const isChild = needed.get(shard.id) === "child";
      const checkpoint = isChild ? TRIM_HORIZON : { sequence: type, sub: 0 };
      const latestMs = !isChild && type === "LATEST" ? nowMs : undefined;
      const created = await this.#table.create(leaseOf(shard, checkpoint, latestMs), signal);
      if (created) this.#runtime.log.info("lease created", { lease: shard.id, at: checkpoint.sequence });
    };
    const ids = [...needed.keys()];
    const roots = ids.filter((id) => needed.get(id) === "initial");
    await eachLimited(roots, CONCURRENCY, (id) => create(byId.get(id)!));
    for (const id of ids) if (needed.get(id) === "child") await create(byId.get(id)!);
    await eachLimited(finishedLeases(shards, leases), CONCURRENCY, async (lease) => {
      const deleted = await this.#table.delete(lease, signal);
      if (deleted) this.#runtime.log.info("lease of a finished shard deleted", { lease: lease.key });
    });
  }
}
