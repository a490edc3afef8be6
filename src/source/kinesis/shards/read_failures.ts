import { RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { SplitId } from "../../../records/position.ts";
import { ExpiredIteratorError } from "../aws/kinesis_api.ts";

const BACKOFF_BASE_MS = 200, BACKOFF_MAX_MS = 10_000;

/** The reads of a shard that failed since the last one that didn't, and how long to wait because of them. */
export class ReadFailures {
  readonly #split: SplitId;
  readonly #runtime: Runtime;
  #count = 0;

  constructor(split: SplitId, runtime: Runtime) {
    this.#split = split;
    this.#runtime = runtime;
  }

  succeeded(): void {
    this.#count = 0;
  }

  /** How long to wait before the next try, ms. @throws the error, when trying again doesn't help. */
  pauseMs(error: unknown): number {
    const { log, metrics, random } = this.#runtime;
    const expired = error instanceof ExpiredIteratorError;
    if (!expired && !(error instanceof RetriableError)) throw error;
    const failures = ++this.#count;
    if (expired) {
      metrics.count("collector_kinesis_expired_iterators_total");
      if (failures === 1) return 0;
    } else {
      metrics.count("collector_retries_total", 1, { what: "kinesis GetRecords" });
      log.debug("a read failed, trying again", { split: this.#split, failures, error: error.message });
      if (failures % 10 === 0) {
        log.warn("reads of a shard fail again and again", { split: this.#split, failures }, error);
      }
    }
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(failures, 10));
    return ceilingMs / 2 + random.next() * ceilingMs / 2;
  }
}
