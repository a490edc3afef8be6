/**
 * The protocol of the lease table: who may write what, under which condition. Every write is conditional on the counter n
 * that was last seen, and sets n + 1, so of two that try only one succeeds. An answer that is lost is no answer: the next
 * try is refused by our own success, and reading the lease again tells that from a loss.
 */
import { RetriableError } from "../../../runtime/errors.ts";
import { retry, type RetryPolicy } from "../../../runtime/retry.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { type Checkpoint, compareCheckpoints } from "./checkpoint.ts";
import { type Lease, type NewLease, newLeaseItem, parseLease, START_TIMESTAMP } from "./lease.ts";
import type { Attribute, Item, ItemChange, LeaseStore } from "./lease_store.ts";

const RENEW_RETRIES: RetryPolicy = { baseDelayMs: 50, maxDelayMs: 500, maxAttempts: 2 };
const TAKE_RETRIES: RetryPolicy = { baseDelayMs: 50, maxDelayMs: 500, maxAttempts: 3 };
const READ_RETRIES: RetryPolicy = { baseDelayMs: 100, maxDelayMs: 2_000, maxAttempts: 5 };
/** Until the lease is lost or the work is done: the signal ends it. */
const CHECKPOINT_RETRIES: RetryPolicy = { baseDelayMs: 50, maxDelayMs: 2_000, maxAttempts: Infinity };
/** A write is built anew on what was read so often at the most: the counter moves without us only by a leader. */
const MAX_REBASES = 3;

/** A write, and what the lease is like after it. */
interface Write {
  readonly change: ItemChange;
  readonly after: Lease;
}

export class LeaseTable {
  readonly #store: LeaseStore;
  readonly #workerId: string;
  readonly #runtime: Runtime;

  constructor(store: LeaseStore, workerId: string, runtime: Runtime) {
    this.#store = store;
    this.#workerId = workerId;
    this.#runtime = runtime;
  }

  /** All leases; items that are none are left out. */
  async list(signal: AbortSignal): Promise<Lease[]> {
    const items = await this.#retry("list leases", READ_RETRIES, signal, () => this.#store.scan(signal));
    return items.map(parseLease).filter((lease) => lease !== undefined);
  }

  async get(key: string, signal: AbortSignal): Promise<Lease | undefined> {
    const item = await this.#retry("read lease", READ_RETRIES, signal, () => this.#store.get(key, signal));
    return item === undefined ? undefined : parseLease(item);
  }

  /** Creates it unowned; false when it was there. */
  create(lease: NewLease, signal: AbortSignal): Promise<boolean> {
    const put = () => this.#store.put(newLeaseItem(lease), signal);
    return this.#retry("create lease", READ_RETRIES, signal, put);
  }

  /** Makes it ours, from nobody or from somebody. Undefined when another was faster. */
  take(lease: Lease, signal: AbortSignal): Promise<Lease | undefined> {
    const me = this.#workerId;
    const switched = lease.owner !== me;
    const counter = lease.counter + 1n;
    const { checkpointOwner: _, ...rest } = lease;
    const after = { ...rest, checkpointOwner: undefined, owner: me, counter };
    const change: ItemChange = {
      when: { leaseCounter: number(lease.counter) },
      set: { leaseOwner: { S: me }, leaseCounter: number(counter) },
      remove: ["checkpointOwner"],
      ...(switched ? { add: { ownerSwitchesSinceCheckpoint: 1 } } : {}),
    };
    return this.#retry("take lease", TAKE_RETRIES, signal, async () => {
      if (await this.#store.update(lease.key, change, signal)) return after;
      const now = await this.#read(lease.key, signal);
      return now?.owner === me && now.counter === counter ? now : undefined;
    });
  }

  /** The heartbeat. Undefined when the lease is no longer ours. */
  renew(lease: Lease, signal: AbortSignal, throughputKBps?: number): Promise<Lease | undefined> {
    const throughput: Item = throughputKBps === undefined ? {} : { throughputKBps: { N: throughputKBps.toFixed(3) } };
    const build = (current: Lease): Write => {
      const counter = current.counter + 1n;
      return {
        // A handoff (KCL 3) must not be missed, so the plain renewal fails when it has begun.
        change: {
          when: {
            leaseCounter: number(current.counter),
            checkpointOwner: current.checkpointOwner === undefined ? null : { S: current.checkpointOwner },
          },
          set: { leaseCounter: number(counter), ...throughput },
        },
        after: { ...current, counter },
      };
    };
    return this.#write("renew lease", RENEW_RETRIES, { lease, build, signal });
  }

  /**
   * Moves the checkpoint. Undefined when the lease is no longer ours: nothing was moved. Tries until the signal aborts.
   *
   * @param startTimestampMs when LATEST was; kept beside that sentinel.
   */
  checkpoint(
    lease: Lease,
    checkpoint: Checkpoint,
    signal: AbortSignal,
    startTimestampMs?: number,
  ): Promise<Lease | undefined> {
    const build = (current: Lease): Write => {
      const counter = current.counter + 1n;
      return {
        change: {
          when: { leaseCounter: number(current.counter) },
          set: {
            leaseCounter: number(counter),
            checkpoint: { S: checkpoint.sequence },
            checkpointSubSequenceNumber: { N: String(checkpoint.sub) },
            ownerSwitchesSinceCheckpoint: { N: "0" },
            ...(startTimestampMs === undefined ? {} : { [START_TIMESTAMP]: { N: String(startTimestampMs) } }),
          },
          remove: [
            "pendingCheckpoint",
            "pendingCheckpointSubSequenceNumber",
            "pendingCheckpointState",
            ...(startTimestampMs === undefined ? [START_TIMESTAMP] : []),
          ],
        },
        after: { ...current, counter, checkpoint, ownerSwitches: 0n, startTimestampMs },
      };
    };
    return this.#write("checkpoint", CHECKPOINT_RETRIES, { lease, build, signal });
  }

  /** Notes a shard's children, before it is checkpointed as ended. Undefined when the lease is no longer ours. */
  setChildren(lease: Lease, children: readonly string[], signal: AbortSignal): Promise<Lease | undefined> {
    const build = (current: Lease): Write => {
      const counter = current.counter + 1n;
      return {
        change: {
          when: { leaseCounter: number(current.counter) },
          set: { leaseCounter: number(counter), childShardIds: { SS: children } },
        },
        after: { ...current, counter, children },
      };
    };
    return this.#write("set child shards", CHECKPOINT_RETRIES, { lease, build, signal });
  }

  /** Lets go of it, so that others can take it at once. False when it wasn't ours any more. */
  giveUp(lease: Lease, signal: AbortSignal): Promise<boolean> {
    return this.#retry("give up lease", TAKE_RETRIES, signal, () =>
      this.#store.update(lease.key, {
        when: { leaseOwner: { S: this.#workerId } },
        add: { leaseCounter: 1 },
        remove: ["leaseOwner"],
      }, signal));
  }

  /** What is in memory is checkpointed: lets the next worker begin. False when it was no longer ours to finish. */
  async endHandoff(lease: Lease, signal: AbortSignal): Promise<boolean> {
    const checkpointOwner = { S: this.#workerId };
    let current: Lease | undefined = lease;
    for (let tries = 0; tries <= MAX_REBASES && current?.checkpointOwner === this.#workerId; tries++) {
      const { owner } = current;
      const when = { leaseOwner: owner === undefined ? null : { S: owner }, checkpointOwner };
      const change = { when, add: { leaseCounter: 1 }, remove: ["checkpointOwner"] };
      const update = () => this.#store.update(lease.key, change, signal);
      if (await this.#retry("hand lease over", TAKE_RETRIES, signal, update)) return true;
      current = await this.get(lease.key, signal); // the leader may have chosen another worker meanwhile
    }
    return false;
  }

  /** Deletes it if nothing has changed since it was read. */
  delete(lease: Lease, signal: AbortSignal): Promise<boolean> {
    const when = { leaseCounter: number(lease.counter), checkpoint: { S: lease.checkpoint.sequence } };
    return this.#retry("delete lease", READ_RETRIES, signal, () => this.#store.delete(lease.key, when, signal));
  }

  async #write(
    what: string,
    policy: RetryPolicy,
    { lease, build, signal }: { lease: Lease; build: (current: Lease) => Write; signal: AbortSignal },
  ): Promise<Lease | undefined> {
    let current = lease;
    for (let rebases = 0; rebases <= MAX_REBASES; rebases++) {
      const { change, after } = build(current);
      const now = await this.#retry(what, policy, signal, async () => {
        if (await this.#store.update(lease.key, change, signal)) return after;
        return await this.#read(lease.key, signal);
      });
      if (now === after) return after;
      if (now === undefined || !this.#stillOurs(current, now)) return undefined;
      // An earlier try of this very write, whose answer was lost.
      if (now.owner === this.#workerId && now.counter === after.counter && sameContents(now, after)) return now;
      // An earlier write of ours that seemed to have failed, or the beginning of a handoff: go on from there.
      current = now;
    }
    throw new RetriableError(`cannot ${what} of ${lease.key}: it changes all the time`);
  }

  /**
   * Whether nobody else has had the lease since it was as in `before`. Taking it away and giving it back moves the
   * counter by two at least; our own write whose answer was lost by one, and the begin of a handoff by one more.
   */
  #stillOurs(before: Lease, now: Lease): boolean {
    const moved = now.counter - before.counter;
    if (moved < 0n) return false;
    return now.owner === this.#workerId ? moved <= 1n : now.checkpointOwner === this.#workerId && moved <= 2n;
  }

  async #read(key: string, signal: AbortSignal): Promise<Lease | undefined> {
    const item = await this.#store.get(key, signal);
    return item === undefined ? undefined : parseLease(item);
  }

  #retry<T>(what: string, policy: RetryPolicy, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
    return retry(`kinesis ${what}`, attempt, { policy, runtime: this.#runtime, signal });
  }
}

function number(value: bigint): Attribute {
  return { N: String(value) };
}

function sameContents(a: Lease, b: Lease): boolean {
  return compareCheckpoints(a.checkpoint, b.checkpoint) === 0 && a.children.length === b.children.length &&
    a.checkpointOwner === b.checkpointOwner;
}
