/** How a member gets into the group: JoinGroup, sharing out as the leader, SyncGroup; and how it leaves. */
import { CollectorError, FatalError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
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
import { ErrorCode, errorName, isCoordinatorMoved } from "../protocol/errors.ts";
import {
  type JoinAnswer,
  joinGroupRequest,
  leaveGroupRequest,
  type Membership,
  syncGroupRequest,
} from "../protocol/group.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";
import type { TopicWatch } from "../fetch/topic_watch.ts";

export interface GroupOptions {
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly instanceId: string | null;
  readonly strategy: Strategy;
}

export interface JoinerParts {
  readonly coordinator: Coordinator;
  readonly topics: TopicWatch;
  readonly runtime: Runtime;
  /** What we own now. */
  owned(): readonly TopicPartition[];
  /** What to tell the members, decided before anybody of this generation commits anything. */
  hints(topics: readonly string[], signal: AbortSignal): Promise<AssignmentHints>;
  /** The coordinator counts us into this generation, whatever becomes of the rest. */
  joined(membership: Membership): void;
}

const LEAVE_TIMEOUT_MS = 2000;

/** The coordinator no longer counts us in. */
export class MembershipLostError extends CollectorError {
  constructor(errorCode: number) {
    super("MEMBERSHIP_LOST", `the coordinator says ${errorName(errorCode)}`);
  }
}

export class GroupJoiner {
  readonly #parts: JoinerParts;
  readonly #options: GroupOptions;
  /** Empty until the coordinator has given us one. */
  #memberId = "";

  constructor(parts: JoinerParts, options: GroupOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** The coordinator has refused us with this code: whether it knows us at all. */
  refused(errorCode: number): void {
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = "";
  }

  /** @throws MembershipLostError, RetriableError, FatalError, the signal's reason. */
  async join(signal: AbortSignal): Promise<{ membership: Membership; assignment: Assignment }> {
    const joined = await this.#join(signal);
    const membership: Membership = {
      groupId: this.#parts.coordinator.groupId,
      generation: joined.generation,
      memberId: joined.memberId,
      instanceId: this.#options.instanceId,
    };
    this.#parts.joined(membership);
    return { membership, assignment: await this.#sync(membership, joined, signal) };
  }

  async #join(signal: AbortSignal): Promise<JoinAnswer> {
    const { coordinator, topics } = this.#parts;
    const { sessionTimeoutMs, rebalanceTimeoutMs, requestTimeoutMs, instanceId, strategy } = this.#options;
    const owned = strategy === "cooperative-sticky" ? this.#parts.owned() : [];
    const protocols = [{ name: strategy, metadata: encodeSubscription({ topics: topics.subscribed, owned }) }];
    const request = () =>
      joinGroupRequest({
        groupId: coordinator.groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.#memberId,
        instanceId,
        protocols,
      });
    const options = { signal, timeoutMs: rebalanceTimeoutMs + requestTimeoutMs };
    let answer = await coordinator.send("group", request(), options);
    if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = answer.memberId;
      answer = await coordinator.send("group", request(), options);
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
    const { errorCode, assignment } = await this.#parts.coordinator.send("group", request, { signal, timeoutMs });
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
    const partitionsOf = await this.#parts.topics.partitionsOfAll(topics, signal);
    const hints = await this.#parts.hints(topics, signal);
    const assigned = assign(joined.protocol as Strategy, members, partitionsOf);
    return [...assigned].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment(partitions, hints),
    }));
  }

  #throw(errorCode: number, what: string): never {
    const { coordinator } = this.#parts;
    if (isCoordinatorMoved(errorCode)) coordinator.forget();
    this.refused(errorCode);
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.ILLEGAL_GENERATION) {
      throw new MembershipLostError(errorCode);
    }
    throwGroupError(errorCode, coordinator.groupId, what);
  }

  /**
   * Tells the coordinator that we go, so that nobody waits for our session to run out. A static member stays: it is
   * expected back. Never rejects.
   */
  async leave(membership: Membership | null): Promise<void> {
    const { coordinator, runtime } = this.#parts;
    if (this.#memberId === "" || this.#options.instanceId !== null) return;
    const generation = membership?.generation ?? -1;
    const leaver = { groupId: coordinator.groupId, generation, memberId: this.#memberId, instanceId: null };
    this.#memberId = "";
    const timeout = new AbortController();
    const timer = new AbortController();
    runtime.clock.sleep(LEAVE_TIMEOUT_MS, timer.signal)
      .then(() => timeout.abort(new FatalError("no answer to LeaveGroup")), () => {});
    try {
      await coordinator.send("heartbeat", leaveGroupRequest(leaver), { signal: timeout.signal });
    } catch (error) {
      runtime.log.warn("could not leave the group; the others wait for our session to run out", {}, error);
    } finally {
      timer.abort();
    }
  }
}
