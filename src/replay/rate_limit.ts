import type { Clock } from "../runtime/clock.ts";

/** What may be read in a second. */
export interface Rate {
  readonly amount: number;
  readonly unit: "bytes" | "records";
}

/** Debts are paid by waiting: a batch is let through whole, and the next one waits until its time has passed. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Clock;
  /** When what was spent is paid, monotonic ms. */
  #freeAtMs = -Infinity;

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Resolves when more may be read; rejects with the signal's reason as soon as it aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const waitMs = this.#freeAtMs - this.#clock.monotonicMs();
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }

  spend(byteLength: number, recordCount: number): void {
    const { amount, unit } = this.#rate;
    const spent = unit === "bytes" ? byteLength : recordCount;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#clock.monotonicMs()) + spent / amount * 1000;
  }
}
