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
import { withAbort } from "../../runtime/abort.ts";
import { Condition } from "../../runtime/condition.ts";
import { CollectorError, FatalError, RetriableError } from "../../runtime/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import {
  assign,
  type Assignment,
  type AssignmentHints,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Strategy,
} from "./assignor.ts";
import { type Coordinator, throwGroupError } from "./coordinator.ts";
import { ErrorCode, errorName, isCoordinatorMoved } from "./protocol/errors.ts";
import {
  heartbeatRequest,
  type JoinAnswer,
  joinGroupRequest,
  leaveGroupRequest,
  type Membership,
  syncGroupRequest,
} from "./protocol/group.ts";
import type { TopicPartition } from "./protocol/list_offsets.ts";
import type { TopicWatch } from "./topic_watch.ts";

/** What the rest of the source does at the turns of the group. */
export interface GroupListener {
  /** What we own now. */
  owned(): readonly TopicPartition[];
  /** Writes and commits what is held of these within `deadlineMs`, then forgets them. */
  revoke(partitions: readonly TopicPartition[], deadlineMs: number): Promise<void>;
  /** They are ours in this membership: reading may begin. */
  assign(partitions: readonly TopicPartition[], hints: AssignmentHints | null, signal: AbortSignal): Promise<void>;
  /** Everything is gone already. */
  lose(): void;
  /** What to tell the members, decided before anybody of this generation commits anything. */
  hints(topics: readonly string[], signal: AbortSignal): Promise<AssignmentHints>;
}

export interface GroupOptions {
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly instanceId: string | null;
  readonly strategy: Strategy;
}

/** As in the original. */
const HEARTBEAT_MS = 1000;
/** Of the rebalance timeout: what is left goes into noticing the rebalance and joining again. */
const GIVE_UP_SHARE = 0.9;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5000;
const LEAVE_TIMEOUT_MS = 2000;

/** The coordinator no longer counts us in. */
class MembershipLostError extends CollectorError {
  constructor(errorCode: number) {
    super("MEMBERSHIP_LOST", `the coordinator says ${errorName(errorCode)}`);
  }
}

export class GroupMember {
  readonly #coordinator: Coordinator;
  readonly #topics: TopicWatch;
  readonly #listener: GroupListener;
  readonly #options: GroupOptions;
  readonly #runtime: Runtime;
  readonly #changed = new Condition();
  #memberId = "";
  #membership: Membership | null = null;
  /** Aborts with the reason when the present membership is lost. */
  #lost = new AbortController();
  #joining = false;
  /** Why we must join again; null while we needn't. */
  #rejoinReason: string | null = null;
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
  }

  /** Under which generation commits go; null when we are no member. */
  get membership(): Membership | null {
    return this.#membership;
  }

  /** True while a join is under way: the generation may be over in a moment. */
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

  /** A commit was refused with this code. */
  commitRefused(membership: Membership, errorCode: number): void {
    if (this.#membership === membership) this.#lose(errorCode);
  }

  /** Takes part until `signal` aborts. @throws FatalError, or the signal's reason. */
  async run(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const beating = this.#beat(AbortSignal.any([signal, ended.signal]));
    let failures = 0;
    try {
      while (true) {
        signal.throwIfAborted();
        try {
          await this.#generation(signal, () => failures = 0);
        } catch (error) {
          if (error instanceof MembershipLostError) this.#loseAll(error);
          else if (!(error instanceof RetriableError)) throw error;
          else this.#runtime.log.warn("joining the group failed, trying again", { attempts: failures + 1 }, error);
          const ceilingMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(failures++, 10));
          await this.#runtime.clock.sleep(ceilingMs * (0.5 + this.#runtime.random.next() / 2), signal);
        }
      }
    } finally {
      ended.abort();
      await beating;
    }
  }

  /** From joining to the next rebalance. */
  async #generation(signal: AbortSignal, joined: () => void): Promise<void> {
    const { membership, assignment } = await this.#joinAndSync(signal);
    joined();
    const { lost } = { lost: this.#lost.signal };
    const either = AbortSignal.any([signal, lost]);
    const owned = new Map(this.#listener.owned().map((one) => [`${one.topic}/${one.partition}`, one]));
    const added = assignment.partitions.filter((one) => !owned.delete(`${one.topic}/${one.partition}`));
    this.#runtime.log.info("joined the consumer group", {
      group: membership.groupId,
      generation: membership.generation,
      coordinator: this.#coordinator.name,
      partitions: assignment.partitions.length,
    });
    if (owned.size > 0) {
      await withAbort(this.#listener.revoke([...owned.values()], this.#giveUpMs), either);
      this.#rejoin("gave up partitions that go to others");
    }
    await withAbort(this.#listener.assign(added, assignment.hints, either), either);
    while (this.#rejoinReason === null) await this.#changed.wait(either);
    this.#throwFatal();
    either.throwIfAborted();
    this.#runtime.log.info("rebalancing", { group: membership.groupId, reason: this.#rejoinReason });
    if (this.#options.strategy === "cooperative-sticky") return;
    await withAbort(this.#listener.revoke(this.#listener.owned(), this.#giveUpMs), either);
  }

  get #giveUpMs(): number {
    return Math.max(100, GIVE_UP_SHARE * this.#options.rebalanceTimeoutMs - HEARTBEAT_MS);
  }

  async #joinAndSync(signal: AbortSignal): Promise<{ membership: Membership; assignment: Assignment }> {
    this.#joining = true;
    try {
      this.#rejoinReason = null;
      this.#joinedTopics = this.#topics.version;
      const joined = await this.#join(signal);
      const membership: Membership = {
        groupId: this.#coordinator.groupId,
        generation: joined.generation,
        memberId: joined.memberId,
        instanceId: this.#options.instanceId,
      };
      const assignment = await this.#sync(membership, joined, signal);
      this.#lost = new AbortController();
      this.#membership = membership;
      return { membership, assignment };
    } finally {
      this.#joining = false;
      this.#changed.notify();
    }
  }

  async #join(signal: AbortSignal): Promise<JoinAnswer> {
    const { sessionTimeoutMs, rebalanceTimeoutMs, requestTimeoutMs, instanceId, strategy } = this.#options;
    const owned = strategy === "cooperative-sticky" ? this.#listener.owned() : [];
    const protocols = [{ name: strategy, metadata: encodeSubscription({ topics: this.#topics.subscribed, owned }) }];
    const request = () =>
      joinGroupRequest({
        groupId: this.#coordinator.groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        instanceId,
        protocols,
      });
    const options = { signal, timeoutMs: rebalanceTimeoutMs + requestTimeoutMs };
    let answer = await this.#coordinator.send("group", request(), options);
    if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = answer.memberId;
      answer = await this.#coordinator.send("group", request(), options);
    }
    if (answer.errorCode === ErrorCode.NONE) {
      this.#memberId = answer.memberId;
      return answer;
    }
    this.#throw(answer.errorCode, "JoinGroup");
  }

  async #sync(membership: Membership, joined: JoinAnswer, signal: AbortSignal): Promise<Assignment> {
    const { rebalanceTimeoutMs, requestTimeoutMs } = this.#options;
    const assignments = joined.leaderId === joined.memberId ? await this.#share(joined, signal) : [];
    const request = syncGroupRequest(membership, assignments);
    const timeoutMs = rebalanceTimeoutMs + requestTimeoutMs;
    const { errorCode, assignment } = await this.#coordinator.send("group", request, { signal, timeoutMs });
    if (errorCode === ErrorCode.NONE) return decodeAssignment(assignment);
    this.#throw(errorCode, "SyncGroup");
  }

  /** As the leader: who gets what. */
  async #share(
    joined: JoinAnswer,
    signal: AbortSignal,
  ): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    const members = joined.members.map(({ memberId, metadata }) => ({ memberId, ...decodeSubscription(metadata) }));
    const topics = [...new Set(members.flatMap((member) => member.topics))];
    const partitionsOf = await this.#topics.partitionsOfAll(topics, signal);
    const hints = await this.#listener.hints(topics, signal);
    const assigned = assign(joined.protocol as Strategy, members, partitionsOf);
    return [...assigned].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(partitions, hints),
    }));
  }

  #throw(errorCode: number, what: string): never {
    if (isCoordinatorMoved(errorCode)) this.#coordinator.forget();
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = "";
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.ILLEGAL_GENERATION) {
      throw new MembershipLostError(errorCode);
    }
    throwGroupError(errorCode, this.#coordinator.groupId, what);
  }

  /** Heartbeats until `signal` aborts; never rejects. */
  async #beat(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#runtime.clock.sleep(Math.min(HEARTBEAT_MS, this.#options.sessionTimeoutMs / 3), signal);
        const membership = this.#membership;
        if (membership === null || this.#joining) continue;
        const timeoutMs = Math.ceil(this.#options.sessionTimeoutMs / 3);
        const request = heartbeatRequest(membership);
        const { errorCode } = await this.#coordinator.send("heartbeat", request, { signal, timeoutMs });
        if (this.#membership === membership && !this.#joining) this.#answered(errorCode);
        if (failures > 0) {
          this.#runtime.log.info("heartbeats are answered again", { coordinator: this.#coordinator.name });
        }
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RetriableError) {
          if (failures++ === 0) this.#runtime.log.warn("heartbeat failed, trying again", {}, error);
        } else this.#fail(error);
      }
    }
  }

  #answered(errorCode: number): void {
    switch (errorCode) {
      case ErrorCode.NONE:
        return;
      case ErrorCode.REBALANCE_IN_PROGRESS:
        return this.#rejoin("members come or go");
      case ErrorCode.ILLEGAL_GENERATION:
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
    this.#changed.notify();
  }

  #lose(errorCode: number): void {
    this.#membership = null;
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = "";
    this.#lost.abort(new MembershipLostError(errorCode));
    this.#changed.notify();
  }

  #loseAll(reason: MembershipLostError): void {
    this.#membership = null;
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

  /**
   * Tells the coordinator that we go, so that nobody waits for our session to run out. A static member stays: it is
   * expected back. Never rejects.
   */
  async leave(): Promise<void> {
    if (this.#memberId === "" || this.#options.instanceId !== null) return;
    const generation = this.#membership?.generation ?? -1;
    const membership = { groupId: this.#coordinator.groupId, generation, memberId: this.#memberId, instanceId: null };
    this.#membership = null;
    this.#memberId = "";
    const timeout = new AbortController();
    const timer = new AbortController();
    this.#runtime.clock.sleep(LEAVE_TIMEOUT_MS, timer.signal)
      .then(() => timeout.abort(new FatalError("no answer to LeaveGroup")), () => {});
    try {
      await this.#coordinator.send("heartbeat", leaveGroupRequest(membership), { signal: timeout.signal });
    } catch (error) {
      this.#runtime.log.warn("could not leave the group; the others wait for our session to run out", {}, error);
    } finally {
      timer.abort();
    }
  }
}
