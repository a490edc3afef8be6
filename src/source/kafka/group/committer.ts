/**
 * Moves the group's offsets. Commits that come while a request is under way go together in the next one, so that a unit
 * of 200 partitions costs one request; requests follow each other, so that no offset can go back.
 */
import { failing, working } from "../../../runtime/outage.ts";
import { FatalError, RetriableError, SplitLostError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Epoch } from "../../../records/position.ts";
import { type Coordinator, throwGroupError } from "./coordinator.ts";
import type { GroupMember } from "./group_member.ts";
import { type Partition, splitOf } from "../fetch/partition.ts";
import { ErrorCode, errorName, isCoordinatorMoved, isPassing } from "../protocol/errors.ts";
import type { Membership } from "../protocol/group.ts";
import type { TopicPartition } from "../protocol/topic_partition.ts";
import { offsetCommitRequest, type OffsetToCommit } from "../protocol/offsets.ts";
import { commitMetadata } from "./starts.ts";

/** What is committed of. */
type CommittedPartition = Pick<Partition, "topic" | "partition" | "topicId" | "log" | "leaderEpochs">;

interface PendingCommit extends OffsetToCommit {
  readonly owned: Epoch;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Since when the coordinator doesn't know the partition, monotonic ms. */
  unknownSinceMs?: number;
}

export interface CommitterParts {
  readonly coordinator: Coordinator;
  readonly group: GroupMember;
  readonly runtime: Runtime;
  /** The epoch in which a partition is ours, if it is. */
  epochOf(partition: TopicPartition): Epoch | undefined;
  /** The partition doesn't exist any more; it can't be committed, nor given up in peace. */
  gone(partition: TopicPartition): void;
}

const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2000;
/** How long the coordinator must say that a partition doesn't exist until that is believed. */
const GONE_AFTER_MS = 3000;

export class Committer {
  readonly #parts: CommitterParts;
  readonly #signal: AbortSignal;
  #pending: PendingCommit[] = [];
  #running = false;
  #failures = 0;

  /** Works until `signal` aborts; what is pending is rejected then. */
  constructor(parts: CommitterParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /**
   * Resolves when the broker has stored it.
   *
   * @throws SplitLostError when the epoch is over: nothing was moved; FatalError when it is forbidden.
   */
  commit(of: CommittedPartition, owned: Epoch, offset: bigint): Promise<void> {
    return new Promise((resolve, reject) => {
      const { topic, partition, topicId, log, leaderEpochs } = of;
      const epoch = leaderEpochs.before(Number(offset)), metadata = commitMetadata(topicId, log);
      leaderEpochs.forgetBefore(Number(offset));
      this.#pending.push({ topic, partition, offset, epoch, metadata, owned, resolve, reject });
      if (this.#running) return;
      this.#running = true;
      // In a moment, so that what is committed together goes together.
      queueMicrotask(() => void this.#run());
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        const again = await this.#send(this.#stillOurs(batch));
        this.#pending.unshift(...again);
        if (again.length === 0) this.#failures = 0;
        else await this.#pause();
      } catch (error) {
        for (const { reject } of [...batch, ...this.#pending]) reject(error);
        this.#pending = [];
      }
    }
    this.#running = false;
  }

  async #pause(): Promise<void> {
    const ceilingMs = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(this.#failures++, 10));
    await this.#parts.runtime.clock.sleep(ceilingMs * (0.5 + this.#parts.runtime.random.next() / 2), this.#signal);
  }

  #stillOurs(batch: readonly PendingCommit[]): PendingCommit[] {
    return batch.filter((commit) => {
      if (this.#parts.epochOf(commit) === commit.owned) return true;
      commit.reject(
        new SplitLostError(splitOf(commit), `${splitOf(commit)} is no longer ours in epoch ${commit.owned}`),
      );
      return false;
    });
  }

  /** @returns what must be tried again. */
  async #send(batch: readonly PendingCommit[]): Promise<PendingCommit[]> {
    if (batch.length === 0) return [];
    const { coordinator, group, runtime } = this.#parts;
    const { membership } = group;
    if (membership === null) return [...batch]; // lost: soon the epochs are over
    const furthest = new Map<string, PendingCommit>();
    for (const commit of batch) {
      const before = furthest.get(splitOf(commit));
      if (before === undefined || before.offset <= commit.offset) furthest.set(splitOf(commit), commit);
    }
    const offsets = [...furthest.values()];
    try {
      const { results } = await coordinator.send("commit", offsetCommitRequest(membership, offsets), {
        signal: this.#signal,
      });
      const codes = new Map(results.map((result) => [splitOf(result), result.errorCode]));
      const codeOf = (commit: PendingCommit) => codes.get(splitOf(commit)) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
      const again = batch.filter((commit) => this.#settle(commit, codeOf(commit), membership));
      if (again.length > 0) {
        const fields = { partitions: again.length, split: splitOf(again[0]), reason: errorName(codeOf(again[0])) };
        failing(runtime, "kafka commit", { fields });
      } else working(runtime, "kafka commit");
      return again;
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error;
      failing(runtime, "kafka commit", { error, fields: { partitions: batch.length } });
      return [...batch];
    }
  }

  /** @returns whether the commit must be tried again. */
  #settle(commit: PendingCommit, errorCode: number, membership: Membership): boolean {
    const { coordinator, group } = this.#parts;
    if (errorCode === ErrorCode.NONE) {
      commit.resolve();
      return false;
    }
    if (isCoordinatorMoved(errorCode)) coordinator.forget();
    if (errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) commit.unknownSinceMs = undefined;
    const split = splitOf(commit);
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && this.#isGone(commit)) {
      this.#parts.gone(commit);
      commit.reject(new SplitLostError(split, `${split} doesn't exist any more: nothing can be committed for it`));
      return false;
    }
    if (isPassing(errorCode)) return true;
    switch (errorCode) {
      case ErrorCode.ILLEGAL_GENERATION:
        // With cooperative-sticky we join anew while we go on: the next generation may still be ours.
        if (group.joining) return true;
        break;
      case ErrorCode.UNKNOWN_MEMBER_ID:
      case ErrorCode.FENCED_INSTANCE_ID:
        break;
      default:
        commit.reject(this.#final(split, errorCode));
        return false;
    }
    // The membership has changed meanwhile: whether the partition is still ours is found out before the next try.
    if (!group.commitRefused(membership, errorCode)) return true;
    commit.reject(new SplitLostError(split, `The coordinator refused the commit of ${split}: ${errorName(errorCode)}`));
    return false;
  }

  #isGone(commit: PendingCommit): boolean {
    const nowMs = this.#parts.runtime.clock.monotonicMs();
    commit.unknownSinceMs ??= nowMs;
    return nowMs - commit.unknownSinceMs >= GONE_AFTER_MS && this.#parts.epochOf(commit) === commit.owned;
  }

  #final(split: string, errorCode: number): unknown {
    try {
      throwGroupError(errorCode, this.#parts.coordinator.groupId, `OffsetCommit of ${split}`);
    } catch (error) {
      return error instanceof FatalError ? error : new FatalError((error as Error).message);
    }
  }
}
