import type { Clock } from "../../src/runtime/clock.ts";

interface Sleeper {
  readonly atMs: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Lets every promise that can go on go on. Nothing in the simulation waits for anything but promises and the clock. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The simulated time: stands still until the world steps to the next sleeper. */
export class SimTime {
  nowMs = 0;
  #sleepers: Sleeper[] = [];
  #order = 0;

  /** Wakes the next sleeper; false when nobody sleeps. */
  step(): boolean {
    const next = this.#sleepers.shift();
    if (next === undefined) return false;
    this.nowMs = Math.max(this.nowMs, next.atMs);
    next.wake();
    return true;
  }

  /** Steps on until the work is over. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const end = () => void (done = true);
    work.then(end, end);
    for (await turn(); !done; await turn()) this.step();
    return await work;
  }

  add(atMs: number, wake: () => void): Sleeper {
    const sleeper = { atMs, order: this.#order++, wake };
    let at = this.#sleepers.length;
    while (at > 0 && this.#sleepers[at - 1].atMs > atMs) at--;
    this.#sleepers.splice(at, 0, sleeper);
    return sleeper;
  }

  remove(sleeper: Sleeper): void {
    const at = this.#sleepers.indexOf(sleeper);
    if (at >= 0) this.#sleepers.splice(at, 1);
  }
}

/** A wait for what rounding leaves of a duration takes time, too: else it would be waited for without end. */
const LEAST_SLEEP_MS = 0.001;

/**
 * One process's clock. Its wall time is off and drifts against the others'; its monotonic time starts anywhere. Once
 * `alive` is aborted (a crash), its sleepers never wake.
 */
export class SimClock implements Clock {
  readonly #time: SimTime;
  readonly #alive: AbortSignal;
  readonly #skewMs: number;
  readonly #drift: number;
  readonly #startMs: number;

  constructor(time: SimTime, alive: AbortSignal, { skewMs, drift }: { skewMs: number; drift: number }) {
    this.#time = time;
    this.#alive = alive;
    this.#skewMs = skewMs;
    this.#drift = drift;
    this.#startMs = time.nowMs;
  }

  now(): number {
    return 1_790_000_000_000 + this.#skewMs + this.#time.nowMs * this.#drift;
  }

  monotonicMs(): number {
    return (this.#time.nowMs - this.#startMs) * this.#drift;
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#alive.aborted) return;
      if (signal?.aborted) return reject(signal.reason);
      const forget = () => {
        this.#time.remove(sleeper);
        this.#alive.removeEventListener("abort", forget);
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        forget();
        reject(signal!.reason);
      };
      const sleeper = this.#time.add(this.#time.nowMs + Math.max(durationMs, LEAST_SLEEP_MS) / this.#drift, () => {
        forget();
        resolve();
      });
      this.#alive.addEventListener("abort", forget, { once: true });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
