import { messageOf } from "../../runtime/errors.ts";
import type { CheckResult } from "../../runtime/check_result.ts";

/** What `collector check` has found so far. */
export class Findings {
  readonly results: CheckResult[] = [];
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  add(what: string, detail: string): void {
    this.results.push({ ok: true, what, detail });
  }

  fail(what: string, detail: string): void {
    this.results.push({ ok: false, what, detail });
  }

  /** Notes what came of it. Undefined when it failed; rejects only when the signal has aborted. */
  async try<T>(what: string, ask: () => Promise<T>, detail: (found: T) => string): Promise<T | undefined> {
    try {
      const found = await ask();
      this.add(what, detail(found));
      return found;
    } catch (error) {
      this.signal.throwIfAborted();
      this.fail(what, messageOf(error));
      return undefined;
    }
  }
}
