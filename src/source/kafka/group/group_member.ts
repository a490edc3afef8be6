/**
 * Our part in the consumer group (the classic protocol, KIP-62, KIP-345, KIP-394, KIP-429):
 *
 *     joining --JoinGroup--> syncing --SyncGroup--> stable --REBALANCE_IN_PROGRESS--> giving up --> joining
 *        ^                                            |
 *        +--- UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION: everything lost, at once ---+
 *
 * Eagerly, all partitions are given up (written, committed) before we join again; with cooperative-sticky we join while
 * reading on, give up what the new generation took away, and join once more. Heartbeats go on in every state but while
 * JoinGroup itself waits at the broker, which counts as a sign of life.
 */
import { failing, working } from "../../../runtime/outage.ts";
import { withAbort, withEitherSignal } from "../../../runtime/abort.ts";
import { Condition } from "../../../runtime/condition.ts";
import { RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { linkedController } from "../../../runtime/time_limit.ts";
import type { Assignment, AssignmentHints } from "./assignor.ts";
import { type Coordinator, throwGroupError } from "./coordinator.ts";
import { GroupJoiner, type GroupOptions, MembershipLostError } from "./group_joiner.ts";
import { HEARTBEAT_MS, sendHeartbeats } from "./heartbeats.ts";
import { ErrorCode, isCoordinatorMoved } from "../protocol/errors.ts";
import type { Membership } from "../protocol/group.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";
import type { TopicWatch } from "../fetch/topic_watch.ts";

/** What the rest of the source does at the turns of the group. */
export interface GroupListener {
  /** What we own now. */
  owned(): readonly TopicPartition[];
  /** Writes and commits what is held of these within `deadlineMs`, then forgets them. */
  revoke(partitions: readonly TopicPartition[], deadlineMs: number): Promise<void>;
  /**
   * They are ours in this membership: reading may begin, of each as soon as it can. What couldn't begin when the signal
   * aborts isn't ours.
   */
  assign(partitions: readonly TopicPartition[], hints: AssignmentHints | null, signal: AbortSignal): Promise<void>;
  /** Everything is gone already. */
  lose(): void;
  /** What to tell the members, decided before anybody of this generation commits anything. */
  hints(topics: readonly string[], signal: AbortSignal): Promise<AssignmentHints>;
}

/** Of the rebalance timeout: what is left goes into noticing the rebalance and joining again. */
const GIVE_UP_SHARE = 0.9;
const BACKOFF_MS = 100;
const JOINING = "kafka join";
/** As Java's retry.backoff.max.ms: who joins late is left out. */
const MAX_BACKOFF_MS = 1000;

export class GroupMember {
  readonly #coordinator: Coordinator;
  readonly #topics: TopicWatch;
  readonly #listener: GroupListener;
  readonly #options: GroupOptions;
  readonly #runtime: Runtime;
  readonly #joiner: GroupJoiner;
  readonly #changed = new Condition();
  #membership: Membership | null = null;
  /** As whom we send heartbeats: from the answer to JoinGroup on, those of an older generation count for nothing. */
  #alive: Membership | null = null;
  /** Aborts with the reason when we are no longer counted in, until everything is given up. */
  #lost = new AbortController();
  /** From the first try to join until we are in, or have lost everything. */
  #joining = false;
  /** A JoinGroup request is under way. */
  #asking = false;
  /** Why we must join again; null while we needn't. */
  #rejoinReason: string | null = null;
  /** Aborts when we must join again. */
  #rejoining = new AbortController();
  #joinedTopics = -1;
  #fatal: unknown = undefined;

  constructor(
    parts: { coordinator: Coordinator; topics: TopicWatch; listener: GroupListener; runtime: Runtime },
    options: GroupOptions,
  ) {
    this.#coordinator = parts.coordinator;
    this.#topics = parts.topics;
    this.#listener = parts.listener;
    this.#runtime = parts.runtime;
    this.#options = options;
    this.#joiner = new GroupJoiner({
      ...parts,
      owned: () => parts.listener.owned(),
      hints: (topics, signal) => parts.listener.hints(topics, signal),
      joined: (membership) => {
        this.#alive = membership;
        this.#asking = false;
      },
    }, options);
  }

  /** Under which generation commits go; null when we are no member. */
  get membership(): Membership | null {
    return this.#membership;
  }

  /** True until a join has come off, however often it is tried: the generation may be over, and we still count. */
  get joining(): boolean {
    return this.#joining;
  }

  /** Resolves when the state of the group changed. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#changed.wait(signal);
  }

  /** Topics or partitions have changed: share anew. */
  topicsChanged(): void {
    if (this.#topics.version !== this.#joinedTopics) this.#rejoin("topics or partitions changed");
  }

  /** A commit was refused with this code. False when that says nothing about the present membership. */
  commitRefused(membership: Membership, errorCode: number): boolean {
    if (this.#membership !== membership) return false;
    this.#lose(errorCode);
    return true;
  }

  /** Takes part until `signal` aborts. @throws FatalError, or the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    const { controller, unlink } = linkedController(signal);
    const beating = sendHeartbeats({
      coordinator: this.#coordinator,
      runtime: this.#runtime,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      // While we join, the request that waits at the broker is the sign of life.
      current: () => this.#asking ? null : this.#alive,
      answered: (_, errorCode) => this.#answered(errorCode),
      failed: (error) => this.#fail(error),
    }, controller.signal);
    let failures = 0;
    try {
      while (true) {
        signal.throwIfAborted();
        try {
          await this.#generation(signal, () => {
            failures = 0;
            working(this.#runtime, JOINING);
          });
        } catch (error) {
          if (error instanceof MembershipLostError) this.#loseAll(error);
          else if (!(error instanceof RetriableError)) throw error;
          else failing(this.#runtime, JOINING, { error });
          const ceilingMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(failures++, 10));
          await this.#runtime.clock.sleep(ceilingMs * (0.5 + this.#runtime.random.next() / 2), signal);
        }
      }
    } finally {
      controller.abort();
      unlink();
      await beating;
    }
  }

  /** From joining to the next rebalance. */
  async #generation(signal: AbortSignal, joined: () => void): Promise<void> {
    const { membership, assignment } = await this.#joinAndSync(signal);
    joined();
    await withEitherSignal([signal, this.#lost.signal], async (either) => {
      await this.#takeUp(membership, assignment, either);
      while (this.#rejoinReason === null) await this.#changed.wait(either);
      this.#throwFatal();
      either.throwIfAborted();
      this.#runtime.log.info("rebalancing", { group: membership.groupId, reason: this.#rejoinReason });
      if (this.#options.strategy === "cooperative-sticky") return;
      await withAbort(this.#listener.revoke(this.#listener.owned(), this.#giveUpMs), either);
    });
  }

  /** What the generation took away goes first; then what is new begins. */
  async #takeUp(membership: Membership, assignment: Assignment, signal: AbortSignal): Promise<void> {
    const owned = new Map(this.#listener.owned().map((one) => [`${one.topic}/${one.partition}`, one]));
    const added = assignment.partitions.filter((one) => !owned.delete(`${one.topic}/${one.partition}`));
    this.#runtime.log.info("joined the consumer group", {
      group: membership.groupId,
      generation: membership.generation,
      coordinator: this.#coordinator.name,
      partitions: assignment.partitions.length,
    });
    if (owned.size > 0) {
      await withAbort(this.#listener.revoke([...owned.values()], this.#giveUpMs), signal);
      this.#rejoin("gave up partitions that go to others");
    }
    await withEitherSignal([signal, this.#rejoining.signal], async (either) => {
      try {
        await withAbort(this.#listener.assign(added, assignment.hints, either), signal);
      } catch (error) {
        if (signal.aborted || !either.aborted) throw error; // else the next generation gives out what didn't begin
      }
    });
  }

  get #giveUpMs(): number {
    return Math.max(100, GIVE_UP_SHARE * this.#options.rebalanceTimeoutMs - HEARTBEAT_MS);
  }

  async #joinAndSync(signal: AbortSignal): Promise<{ membership: Membership; assignment: Assignment }> {
    this.#lost.signal.throwIfAborted(); // between two tries
    this.#joining = this.#asking = true;
    try {
      this.#rejoinReason = null;
      this.#rejoining = new AbortController();
      this.#joinedTopics = this.#topics.version;
      const joined = await this.#joiner.join(signal);
      // What we said that we own may be somebody else's already.
      this.#lost.signal.throwIfAborted();
      this.#membership = joined.membership;
      this.#joining = false;
      return joined;
    } finally {
      this.#asking = false;
      this.#changed.notify();
    }
  }

  #answered(errorCode: number): void {
    switch (errorCode) {
      case ErrorCode.NONE:
        return;
      case ErrorCode.REBALANCE_IN_PROGRESS:
        return this.#rejoin("members come or go");
      case ErrorCode.ILLEGAL_GENERATION:
        // The group went on when we last tried to join: the next try tells whether we are still in it.
        if (this.#joining) return;
        return this.#lose(errorCode);
      case ErrorCode.UNKNOWN_MEMBER_ID:
        return this.#lose(errorCode);
      case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        return;
      default:
        if (isCoordinatorMoved(errorCode)) return this.#coordinator.forget();
        throwGroupError(errorCode, this.#coordinator.groupId, "Heartbeat");
    }
  }

  #rejoin(reason: string): void {
    this.#rejoinReason ??= reason;
    this.#rejoining.abort();
    this.#changed.notify();
  }

  #lose(errorCode: number): void {
    this.#membership = this.#alive = null;
    this.#joiner.refused(errorCode);
    this.#lost.abort(new MembershipLostError(errorCode));
    this.#changed.notify();
  }

  #loseAll(reason: MembershipLostError): void {
    this.#membership = this.#alive = null;
    this.#joining = false;
    this.#lost = new AbortController();
    this.#runtime.log.warn(
      "no longer in the consumer group, joining again",
      { group: this.#coordinator.groupId },
      reason,
    );
    this.#listener.lose();
  }

  #fail(error: unknown): void {
    this.#fatal ??= error;
    this.#rejoin("failed");
  }

  #throwFatal(): void {
    if (this.#fatal !== undefined) throw this.#fatal;
  }

  /** Leaves the group, unless we are expected back. Never rejects. */
  async leave(): Promise<void> {
    const membership = this.#membership;
    if (this.#options.instanceId === null) this.#membership = this.#alive = null;
    await this.#joiner.leave(membership);
  }
}
