import type { SealedOutput } from "../pipeline/messages.ts";
import { FatalError } from "../runtime/errors.ts";
import type { LogFields } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Between two lines of counts. */
const LINE_INTERVAL_MS = 60_000;
/** Firsts that get a line of their own, in the life of a loop: a source may have thousands of splits. */
const MAX_FIRSTS = 100;
/** The share counts over so many of the latest records, or a few more. */
const WINDOW_RECORDS = 1000;
/** Of the window: then the config is wrong rather than a record. */
const MOST = 0.5;

interface Counted {
  readonly records: number;
  readonly rejected: number;
}

/**
 * Says what becomes of records that can't be decoded: the first of each code and split as it was, then counts once a minute;
 * an error when most of the latest records are such.
 */
export class Rejections {
  readonly #runtime: Runtime;
  readonly #maxShare: number;
  readonly #firsts = new Set<string>();
  /** Seals of the latest records, oldest first: at most WINDOW_RECORDS, and one. */
  #window: Counted[] = [];
  #windowRecords = 0;
  #windowRejected = 0;
  /** Since the last line. */
  #records = 0;
  #byCode = new Map<string, number>();
  #lineAtMs: number;
  #isMost = false;

  /** @param maxShare of the latest records, beyond which `note` fails; Infinity for any. */
  constructor({ runtime, maxShare }: { runtime: Runtime; maxShare: number }) {
    this.#runtime = runtime;
    this.#maxShare = maxShare;
    this.#lineAtMs = runtime.clock.monotonicMs() + LINE_INTERVAL_MS;
  }

  /** Takes note of a seal. @throws FatalError when too many of the latest records are rejected. */
  note({ counts, deadLetters, rejected: samples = [] }: SealedOutput): void {
    let records = 0, dropped = 0;
    for (const split of counts) {
      records += split.records;
      dropped += split.dropped["dead-letter"] ?? 0;
    }
    const codes = Object.entries(deadLetters?.codes ?? {});
    if (dropped > 0) codes.push(["dropped", dropped]);
    this.#records += records;
    let rejected = 0;
    for (const [code, count] of codes) {
      rejected += count;
      this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + count);
    }
    for (const { split, position, code, reason, beginning } of samples) {
      const key = `${code} ${split}`;
      if (this.#firsts.has(key) || this.#firsts.size === MAX_FIRSTS) continue;
      this.#firsts.add(key);
      this.#runtime.log.warn("a record can't be decoded", { split, position, code, reason, record: beginning });
    }
    if (records > 0) this.#look({ records, rejected });
  }

  /** To be called every now and then. */
  tick(): void {
    if (this.#runtime.clock.monotonicMs() < this.#lineAtMs) return;
    this.#lineAtMs = this.#runtime.clock.monotonicMs() + LINE_INTERVAL_MS;
    if (this.#byCode.size > 0) this.#runtime.log[this.#isMost ? "error" : "warn"](...this.#line());
    this.#records = 0;
    this.#byCode.clear();
  }

  #line(): [string, LogFields] {
    const message = this.#isMost ? "most records can't be decoded: is the config right?" : "records can't be decoded";
    return [message, { records: this.#records, ...Object.fromEntries(this.#byCode) }];
  }

  #look(seal: Counted): void {
    this.#window.push(seal);
    this.#windowRecords += seal.records;
    this.#windowRejected += seal.rejected;
    while (this.#windowRecords - this.#window[0].records >= WINDOW_RECORDS) {
      const { records, rejected } = this.#window.shift()!;
      this.#windowRecords -= records;
      this.#windowRejected -= rejected;
    }
    if (this.#windowRecords < WINDOW_RECORDS) return;
    const share = this.#windowRejected / this.#windowRecords;
    if (share > MOST && !this.#isMost) {
      this.#isMost = true;
      this.#runtime.log.error(...this.#line());
    } else if (share <= MOST) this.#isMost = false;
    if (share <= this.#maxShare) return;
    throw new FatalError(
      `${this.#windowRejected} of the latest ${this.#windowRecords} records can't be decoded, more than ` +
        `dead-letter.max-share=${this.#maxShare} allows. What was not committed is read again by the next run`,
    );
  }
}
