import { withEitherSignal } from "../../../runtime/abort.ts";
import { SplitLostError } from "../../../runtime/errors.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { Epoch } from "../../../records/position.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Lease } from "./lease.ts";
import type { LeaseTable } from "./lease_table.ts";

export interface HeldLeaseOptions {
  readonly table: LeaseTable;
  readonly clock: Clock;
  readonly failoverTimeMs: number;
  /** When the request that made it ours was sent, monotonic ms. */
  readonly sentMs: number;
  readonly epoch: Epoch;
  /** Whether renewals say how much is read: a leader of KCL 3 shares the shards out by that. */
  readonly reportsThroughput: boolean;
}

/** How much a new measurement of the throughput counts. */
const SMOOTHING = 0.2;

/**
 * A lease that is ours, until it isn't. Its writes go one after the other, each with the counter of the one before.
 * It counts as expired once the failover time has passed since we SENT what renewed it last; others start counting
 * later, when they see it, so they never take it before we know.
 */
export class HeldLease {
  readonly key: string;
  readonly epoch: Epoch;
  readonly #table: LeaseTable;
  readonly #clock: Clock;
  readonly #failoverTimeMs: number;
  readonly #gone = new AbortController();
  #lease: Lease;
  #renewedMs: number;
  #last: Promise<unknown> = Promise.resolve();
  readonly #reportsThroughput: boolean;
  #bytesPerSecond = 0;
  /** Since the last measurement. */
  #readByteLength = 0;
  #measuredMs: number;

  constructor(lease: Lease, options: HeldLeaseOptions) {
    const { table, clock, failoverTimeMs, sentMs, epoch, reportsThroughput } = options;
    this.key = lease.key;
    this.epoch = epoch;
    this.#lease = lease;
    this.#table = table;
    this.#clock = clock;
    this.#failoverTimeMs = failoverTimeMs;
    this.#renewedMs = this.#measuredMs = sentMs;
    this.#reportsThroughput = reportsThroughput;
  }

  /** As it was last written or read by us. */
  get lease(): Lease {
    return this.#lease;
  }

  /** Aborts when the lease is no longer ours, for whatever reason. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get expired(): boolean {
    return this.#clock.monotonicMs() - this.#renewedMs >= this.#failoverTimeMs;
  }

  /** Whether records may be read and positions committed. */
  get usable(): boolean {
    return !this.#gone.signal.aborted && !this.expired;
  }

  /** A leader has given it to another worker, who waits for us to finish. */
  get handingOver(): boolean {
    return this.#lease.checkpointOwner !== undefined;
  }

  /** Ends it on our side. Twice is safe. */
  letGo(): void {
    this.#gone.abort(new SplitLostError(this.key, `the lease of ${this.key} is no longer ours`));
  }

  /** False when it is no longer ours. */
  async renew(signal: AbortSignal): Promise<boolean> {
    const throughput = this.#reportsThroughput ? this.#measure() : undefined;
    const renewed = await this.#exclusive(signal, (lease, signal) => {
      // Once expired it stays so: somebody may have been told already that it is lost.
      return this.expired ? Promise.resolve(undefined) : this.#table.renew(lease, signal, throughput);
    });
    return renewed !== undefined;
  }

  /** Notes what was read of the shard. */
  noteRead(byteLength: number): void {
    this.#readByteLength += byteLength;
  }

  /** kB a second, smoothed. */
  #measure(): number {
    const nowMs = this.#clock.monotonicMs();
    const rate = this.#readByteLength / Math.max(1, nowMs - this.#measuredMs) * 1000;
    this.#bytesPerSecond += SMOOTHING * (rate - this.#bytesPerSecond);
    this.#readByteLength = 0;
    this.#measuredMs = nowMs;
    return this.#bytesPerSecond / 1024;
  }

  /** @throws SplitLostError when it is no longer ours. */
  async checkpoint(checkpoint: Checkpoint, signal: AbortSignal, startTimestampMs?: number): Promise<void> {
    await this.#mustHold(
      signal,
      (lease, signal) => this.#table.checkpoint(lease, checkpoint, signal, startTimestampMs),
    );
  }

  /** @throws SplitLostError when it is no longer ours. */
  async setChildren(children: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#mustHold(signal, (lease, signal) => this.#table.setChildren(lease, children, signal));
  }

  /** Gives it up in the table, when it is still ours there. Call `letGo` before. */
  async release(signal: AbortSignal): Promise<void> {
    await this.#last.catch(() => {});
    if (this.handingOver) await this.#table.endHandoff(this.#lease, signal);
    else await this.#table.giveUp(this.#lease, signal);
  }

  async #mustHold(
    signal: AbortSignal,
    write: (lease: Lease, signal: AbortSignal) => Promise<Lease | undefined>,
  ): Promise<void> {
    const written = await this.#exclusive(signal, (lease, signal) => {
      if (!this.usable) throw this.#lostError();
      return write(lease, signal);
    });
    if (written === undefined) throw this.#lostError();
  }

  #lostError(): SplitLostError {
    return new SplitLostError(this.key, `the lease of ${this.key} is no longer ours: it expired, or was taken`);
  }

  #exclusive(
    signal: AbortSignal,
    write: (lease: Lease, signal: AbortSignal) => Promise<Lease | undefined>,
  ): Promise<Lease | undefined> {
    const run = async () => {
      this.#gone.signal.throwIfAborted();
      const sentMs = this.#clock.monotonicMs();
      const written = await withEitherSignal(
        [signal, this.#gone.signal],
        (either) => write(this.#lease, either),
      );
      if (written !== undefined) {
        this.#lease = written;
        this.#renewedMs = sentMs;
      }
      return written;
    };
    const result = this.#last.then(run, run);
    this.#last = result.catch(() => {});
    return result;
  }
}
