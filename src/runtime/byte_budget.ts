/** Bounds the bytes that are on their way at a time; who asks first gets first. */
export class ByteBudget {
  readonly #limit: number;
  readonly #waiting: { readonly byteLength: number; readonly start: () => void }[] = [];
  #used = 0;

  /** @param limit bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves when `byteLength` bytes fit; what is larger than the whole budget waits until it can have all of it.
   * The caller calls the returned function once, when the bytes are gone. Rejects when the signal aborts.
   */
  acquire(byteLength: number, signal: AbortSignal): Promise<() => void> {
    const share = Math.min(byteLength, this.#limit);
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const start = () => {
        signal.removeEventListener("abort", onAbort);
        this.#used += share;
        resolve(() => this.#release(share));
      };
      const waiter = { byteLength: share, start };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
        this.#startWaiting();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiter);
      this.#startWaiting();
    });
  }

  #release(share: number): void {
    this.#used -= share;
    this.#startWaiting();
  }

  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.#used + this.#waiting[0].byteLength <= this.#limit) {
      this.#waiting.shift()!.start();
    }
  }
}
