/**
 * A broker that holds splits, committed positions and ownership, for several collectors at once, and the oracle of the
 * simulation: at every commit it looks whether what is committed is durable.
 *
 * Must be survived: splits moved cleanly (revoking, in time or not), splits lost without a word until later, commits
 * that fail or whose answer is lost, a start position that was never committed, processes that vanish at any await.
 */
import { withEitherSignal } from "../../src/runtime/abort.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { Condition } from "../../src/runtime/condition.ts";
import { RetriableError, SplitLostError } from "../../src/runtime/errors.ts";
import type { Random } from "../../src/runtime/random.ts";
import type { PollLimit, RecordBatch } from "../../src/records/record_batch.ts";
import type { Source, SourceHandler } from "../../src/source/source.ts";
import { type FaultRates, unreliable } from "./faults.ts";
import { demand } from "./invariants.ts";
import { recordAt, type SimRecord } from "./records.ts";
import type { SimBucket } from "./sim_store.ts";

interface Split {
  readonly id: string;
  /** Records that exist; grows while the world runs. */
  end: number;
  committed: number | undefined;
  /** The first position ever committed: what is before it was never asked for. */
  first: number | undefined;
  owner: SimSource | undefined;
  epoch: bigint;
  /** Free again at this simulated time (a crashed owner is noticed late). */
  freeAtMs: number;
}

export class SimBroker {
  readonly splits: Split[];
  readonly #bucket: SimBucket;

  constructor(bucket: SimBucket, splitCount: number) {
    this.#bucket = bucket;
    this.splits = Array.from({ length: splitCount }, (_, i) => ({
      id: `events/${i}`,
      end: 0,
      committed: undefined,
      first: undefined,
      owner: undefined,
      epoch: 0n,
      freeAtMs: 0,
    }));
  }

  split(id: string): Split {
    return this.splits.find((split) => split.id === id)!;
  }

  commit(owner: SimSource, id: string, epoch: bigint, next: number): void {
    const split = this.split(id);
    if (split.owner !== owner || split.epoch !== epoch) throw new SplitLostError(id, `epoch ${epoch} is over`);
    if (split.committed === undefined) {
      split.committed = split.first = next;
      return;
    }
    demand("commitsGoForward", { split: id, before: BigInt(split.committed), next: BigInt(next) });
    const passed = Array.from({ length: next - split.committed }, (_, i) => recordAt(id, split.committed! + i));
    const unsafe = passed.filter((record) => !this.#isDurable(record)).map((record) => record.id);
    demand("committedIsDurable", { split: id, next: String(next), unsafe });
    split.committed = next;
  }

  #isDurable({ id, fate }: SimRecord): boolean {
    return fate === "dropped" || this.#bucket.copies(id, fate === "row" ? "data" : "dead-letter") > 0;
  }

  /** Every record was committed. */
  get drained(): boolean {
    return this.splits.every(({ committed, end }) => committed === end);
  }
}

interface Assignment {
  readonly epoch: bigint;
  position: number;
  /** Records may be read: the handler has taken it over. */
  ready: boolean;
  revoking: boolean;
  paused: boolean;
}

/** One process's source. */
export class SimSource implements Source {
  readonly #broker: SimBroker;
  readonly #network: { clock: Clock; random: Random; rates: FaultRates };
  readonly #assignments = new Map<string, Assignment>();
  readonly #changed = new Condition();
  #handler: SourceHandler | undefined;
  closed = false;
  /** Set by the world: what an assertion in here found. */
  readonly onViolation: (error: unknown) => void;

  constructor(
    broker: SimBroker,
    network: { clock: Clock; random: Random; rates: FaultRates },
    onViolation: (error: unknown) => void,
  ) {
    this.#broker = broker;
    this.#network = network;
    this.onViolation = onViolation;
  }

  async open(handler: SourceHandler): Promise<void> {
    await this.#network.clock.sleep(this.#network.random.next() * 50);
    this.#handler = handler;
  }

  get isOpen(): boolean {
    return this.#handler !== undefined && !this.closed;
  }

  async take(id: string): Promise<void> {
    const split = this.#broker.split(id);
    split.owner = this;
    const epoch = ++split.epoch;
    const start = split.committed ?? Math.floor(this.#network.random.next() * (split.end + 1));
    const assignment = { epoch, position: start, ready: false, revoking: false, paused: false };
    this.#assignments.set(id, assignment);
    await this.#handler!.assigned(id, epoch, String(start), { committed: split.committed !== undefined });
    assignment.ready = true;
    this.#changed.notify();
  }

  /** Gives a split up cleanly, within the deadline. */
  async giveUp(id: string, deadlineMs: number): Promise<void> {
    const assignment = this.#assignments.get(id);
    if (assignment === undefined || assignment.revoking) return;
    assignment.revoking = true;
    await this.#handler!.revoking([id], deadlineMs);
    if (this.#assignments.get(id) === assignment) this.#assignments.delete(id);
  }

  /** The split went to somebody else some time ago; this process learns of it now. */
  learnOfLoss(id: string, epoch: bigint): void {
    if (this.#assignments.get(id)?.epoch !== epoch || this.closed) return;
    this.#assignments.delete(id);
    this.#handler!.lost([id]);
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch> {
    const { clock, random } = this.#network;
    while (true) {
      await clock.sleep(random.next() * 10, signal);
      const ready = [...this.#assignments].filter(([id, { ready, revoking, paused, position }]) =>
        ready && !revoking && !paused && position < this.#broker.split(id).end
      );
      if (ready.length === 0) {
        // With a signal of its own: a wait that nobody ends would leave a listener on the long-lived one, look after look.
        await withEitherSignal(
          [signal],
          (look) => Promise.race([this.#changed.wait(look), clock.sleep(20, look)]),
        );
        continue;
      }
      const [id, assignment] = ready[Math.floor(random.next() * ready.length)];
      try {
        demand("startIsKept", { split: id, committed: this.#broker.split(id).committed !== undefined });
      } catch (error) {
        this.onViolation(error);
      }
      return this.#batch(id, assignment, limit);
    }
  }

  pause(splits: readonly string[]): void {
    for (const id of splits) this.#setPaused(id, true);
  }

  resume(splits: readonly string[]): void {
    for (const id of splits) this.#setPaused(id, false);
    this.#changed.notify();
  }

  /** Retries as a real source does, until the split is lost. */
  async commit(id: string, epoch: bigint, next: string, signal: AbortSignal): Promise<void> {
    while (true) {
      try {
        const effect = () => {
          try {
            this.#broker.commit(this, id, epoch, Number(next));
          } catch (error) {
            if (!(error instanceof SplitLostError)) this.onViolation(error);
            throw error;
          }
        };
        return await unreliable(effect, (why) => new RetriableError(why), { ...this.#network, signal });
      } catch (error) {
        if (!(error instanceof RetriableError)) throw error;
      }
    }
  }

  close(): Promise<void> {
    this.closed = true;
    for (const split of this.#broker.splits) if (split.owner === this) split.owner = undefined;
    this.#assignments.clear();
    return Promise.resolve();
  }

  #setPaused(id: string, paused: boolean): void {
    const assignment = this.#assignments.get(id);
    if (assignment !== undefined) assignment.paused = paused;
  }

  #batch(id: string, assignment: Assignment, limit: PollLimit): RecordBatch {
    const start = assignment.position;
    const most = Math.min(this.#broker.split(id).end, start + 1 + Math.floor(this.#network.random.next() * 60));
    const texts: string[] = [];
    let byteLength = 0;
    while (start + texts.length < most) {
      const { text } = recordAt(id, start + texts.length);
      byteLength += text.length;
      if (texts.length > 0 && (byteLength > limit.maxBytes || texts.length >= limit.maxRows)) break;
      texts.push(text);
    }
    const rowCount = texts.length;
    const offsets = new Uint32Array(rowCount + 1);
    texts.forEach((text, i) => offsets[i + 1] = offsets[i] + text.length);
    assignment.position = start + rowCount;
    return {
      split: id,
      epoch: assignment.epoch,
      start: String(start),
      next: String(start + rowCount),
      rowCount,
      bytes: new TextEncoder().encode(texts.join("")),
      offsets,
      timestamps: new Float64Array(rowCount).fill(1.7e12),
      positions: BigInt64Array.from({ length: rowCount }, (_, i) => BigInt(start + i)),
      keys: null,
      headers: null,
    };
  }
}
