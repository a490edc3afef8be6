import type { Condition } from "../../src/runtime/condition.ts";
import { PatientClock } from "./patient_clock.ts";

const NEVER = new AbortController().signal;

/**
 * A real clock on which all waits end at once when a server leaves a request without an answer: time limits pass when
 * there is nothing to wait for, and never because the machine is slow.
 */
export class HangClock extends PatientClock {
  readonly #hung: Condition;

  /** `hung` is notified by the server, see S3Server and FakeRegistry. */
  constructor(hung: Condition) {
    super();
    this.#hung = hung;
  }

  override async sleep(durationMs: number, signal: AbortSignal = NEVER): Promise<void> {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const timer = super.sleep(durationMs, either), hung = this.#hung.wait(either);
    for (const wait of [timer, hung]) wait.catch(() => {}); // only the first one to settle counts
    try {
      await Promise.race([timer, hung]);
    } finally {
      done.abort();
    }
  }
}
