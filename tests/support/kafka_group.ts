/** The fake broker's group coordinator: the classic protocol's states, with sessions and rebalance timeouts. */
import { ErrorCode } from "../../src/source/kafka/protocol/errors.ts";
import { PatientClock } from "./patient_clock.ts";

export interface JoinFields {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocol: string;
  readonly metadata: Uint8Array;
}

export interface JoinResult {
  readonly errorCode: number;
  readonly generation: number;
  readonly protocol: string;
  readonly leaderId: string;
  readonly memberId: string;
  readonly members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[];
}

export interface SyncResult {
  readonly errorCode: number;
  readonly assignment: Uint8Array;
}

/** Where sessions, rebalances and fetches wait: a real time, or a simulated one. */
export interface Timers {
  /** @returns how to forget about it; after it has run, nothing happens. */
  start(run: () => void, durationMs: number): () => void;
}

const clock = new PatientClock();

export const REAL_TIMERS: Timers = {
  start(run, durationMs) {
    const forgotten = new AbortController();
    clock.sleep(durationMs, forgotten.signal).then(run, () => {});
    return () => forgotten.abort();
  },
};

interface Member {
  readonly memberId: string;
  readonly instanceId: string | null;
  metadata: Uint8Array;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  assignment: Uint8Array;
  forgetSession: (() => void) | undefined;
  join: ((result: JoinResult) => void) | null;
  sync: ((result: SyncResult) => void) | null;
}

const NOTHING = new Uint8Array(0);

export class FakeGroup {
  state: "empty" | "preparing" | "completing" | "stable" = "empty";
  generation = 0;
  readonly members = new Map<string, Member>();
  readonly offsets = new Map<string, { offset: bigint; metadata: string | null; epoch?: number }>();
  /** Every commit that was taken, in order. */
  readonly commits: { readonly split: string; readonly offset: bigint; readonly generation: number }[] = [];
  #protocol = "";
  #leaderId = "";
  #nextMember = 0;
  readonly #pendingIds = new Set<string>();
  #forgetDeadline: (() => void) | undefined;
  readonly #timers: Timers;
  /** Looks at each commit that was taken. */
  onCommit: (split: string, offset: bigint) => void = () => {};

  constructor(timers: Timers = REAL_TIMERS) {
    this.#timers = timers;
  }

  join(fields: JoinFields): Promise<JoinResult> {
    const failed = (errorCode: number, memberId = fields.memberId): JoinResult => ({
      errorCode,
      generation: -1,
      protocol: "",
      leaderId: "",
      memberId,
      members: [],
    });
    if (this.members.size > 0 && this.#protocol !== "" && this.#protocol !== fields.protocol) {
      return Promise.resolve(failed(ErrorCode.INCONSISTENT_GROUP_PROTOCOL));
    }
    if (fields.memberId === "" && fields.instanceId === null) {
      const memberId = `member-${++this.#nextMember}`;
      this.#pendingIds.add(memberId);
      return Promise.resolve(failed(ErrorCode.MEMBER_ID_REQUIRED, memberId));
    }
    let memberId = fields.memberId;
    if (fields.instanceId !== null && memberId === "") {
      const before = [...this.members.values()].find(({ instanceId }) => instanceId === fields.instanceId);
      memberId = `${fields.instanceId}-${++this.#nextMember}`;
      this.#pendingIds.add(memberId);
      if (before !== undefined) {
        this.#replace(before, memberId);
        // Who leads is told so only when it was so before: the leader that comes back mustn't share anew (KIP-345).
        if (this.state === "stable" && equal(before.metadata, fields.metadata)) {
          return Promise.resolve({ ...this.#joinResult(memberId), leaderId: before.memberId, members: [] });
        }
      }
    }
    if (!this.members.has(memberId) && !this.#pendingIds.delete(memberId)) {
      return Promise.resolve(failed(ErrorCode.UNKNOWN_MEMBER_ID));
    }
    const known = this.members.get(memberId);
    const unchanged = known !== undefined && equal(known.metadata, fields.metadata) && this.state === "stable";
    if (unchanged && memberId !== this.#leaderId) return Promise.resolve(this.#joinResult(memberId));
    return new Promise((resolve) => {
      const member: Member = known ?? {
        ...fields,
        memberId,
        assignment: NOTHING,
        forgetSession: undefined,
        join: null,
        sync: null,
      };
      member.metadata = fields.metadata;
      member.sessionTimeoutMs = fields.sessionTimeoutMs;
      member.rebalanceTimeoutMs = fields.rebalanceTimeoutMs;
      member.join = resolve;
      this.members.set(memberId, member);
      this.#protocol = fields.protocol;
      member.forgetSession?.();
      this.#prepare();
    });
  }

  #replace(before: Member, memberId: string): void {
    this.members.delete(before.memberId);
    before.forgetSession?.();
    this.members.set(memberId, { ...before, memberId, join: null, sync: null });
    if (this.#leaderId === before.memberId) this.#leaderId = memberId;
  }

  /** Waits for everyone to join again, up to the longest rebalance timeout. */
  #prepare(): void {
    if (this.state !== "preparing") {
      this.state = "preparing";
      for (const member of this.members.values()) {
        if (member.sync === null) continue;
        member.sync({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NOTHING });
        member.sync = null;
        this.#touch(member); // who waited was alive
      }
      this.#forgetDeadline?.();
      const timeoutMs = Math.max(...[...this.members.values()].map(({ rebalanceTimeoutMs }) => rebalanceTimeoutMs));
      this.#forgetDeadline = this.#timers.start(() => {
        for (const member of [...this.members.values()]) if (member.join === null) this.#drop(member);
        this.#complete();
      }, timeoutMs);
    }
    if ([...this.members.values()].every(({ join }) => join !== null)) this.#complete();
  }

  #complete(): void {
    this.#forgetDeadline?.();
    this.generation++;
    if (this.members.size === 0) {
      this.state = "empty";
      return;
    }
    this.state = "completing";
    if (!this.members.has(this.#leaderId)) this.#leaderId = [...this.members.keys()][0];
    for (const member of this.members.values()) {
      member.join?.(this.#joinResult(member.memberId));
      member.join = null;
      this.#touch(member);
    }
  }

  #joinResult(memberId: string): JoinResult {
    const members = memberId === this.#leaderId
      ? [...this.members.values()].map(({ memberId, metadata }) => ({ memberId, metadata }))
      : [];
    return {
      errorCode: 0,
      generation: this.generation,
      protocol: this.#protocol,
      leaderId: this.#leaderId,
      memberId,
      members,
    };
  }

  sync(memberId: string, generation: number, assignments: ReadonlyMap<string, Uint8Array>): Promise<SyncResult> {
    const errorCode = this.check(memberId, generation);
    const member = this.members.get(memberId);
    if (errorCode !== 0 || member === undefined) return Promise.resolve({ errorCode, assignment: NOTHING });
    if (this.state === "preparing") {
      return Promise.resolve({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: NOTHING });
    }
    if (this.state === "stable") return Promise.resolve({ errorCode: 0, assignment: member.assignment });
    return new Promise((resolve) => {
      member.sync = resolve;
      if (memberId !== this.#leaderId) return;
      this.state = "stable";
      for (const one of this.members.values()) {
        one.assignment = assignments.get(one.memberId) ?? NOTHING;
        one.sync?.({ errorCode: 0, assignment: one.assignment });
        one.sync = null;
        this.#touch(one);
      }
    });
  }

  /** The error code of a request by this member in this generation. */
  check(memberId: string, generation: number): number {
    if (!this.members.has(memberId)) return ErrorCode.UNKNOWN_MEMBER_ID;
    return generation === this.generation ? 0 : ErrorCode.ILLEGAL_GENERATION;
  }

  heartbeat(memberId: string, generation: number): number {
    const errorCode = this.check(memberId, generation);
    if (errorCode !== 0) return errorCode;
    this.#touch(this.members.get(memberId)!);
    return this.state === "preparing" ? ErrorCode.REBALANCE_IN_PROGRESS : 0;
  }

  commit(
    memberId: string,
    generation: number,
    split: string,
    { offset, metadata, epoch }: { offset: bigint; metadata: string | null; epoch?: number },
  ): number {
    if (generation < 0 && memberId === "" && this.members.size === 0) { // from outside
      this.offsets.set(split, { offset, metadata, epoch });
      return 0;
    }
    const errorCode = this.check(memberId, generation);
    if (errorCode !== 0) return errorCode;
    if (this.state === "completing") return ErrorCode.REBALANCE_IN_PROGRESS;
    this.#touch(this.members.get(memberId)!);
    this.offsets.set(split, { offset, metadata, epoch });
    this.commits.push({ split, offset, generation });
    this.onCommit(split, offset);
    return 0;
  }

  leave(memberId: string): number {
    const member = this.members.get(memberId);
    if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    this.#drop(member);
    this.#shrunk();
    return 0;
  }

  /** As if its session had run out. */
  expel(memberId: string): void {
    this.leave(memberId);
  }

  #drop(member: Member): void {
    member.forgetSession?.();
    this.members.delete(member.memberId);
    member.join?.({ ...this.#joinResult(""), errorCode: ErrorCode.UNKNOWN_MEMBER_ID });
    member.sync?.({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, assignment: NOTHING });
  }

  #shrunk(): void {
    if (this.members.size === 0) {
      this.#forgetDeadline?.();
      this.generation++;
      this.state = "empty";
    } else this.#prepare();
  }

  #touch(member: Member): void {
    member.forgetSession?.();
    member.forgetSession = this.#timers.start(() => {
      if (member.join !== null || member.sync !== null || this.members.get(member.memberId) !== member) return;
      this.#drop(member);
      this.#shrunk();
    }, member.sessionTimeoutMs);
  }

  stop(): void {
    this.#forgetDeadline?.();
    for (const { forgetSession } of this.members.values()) forgetSession?.();
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
