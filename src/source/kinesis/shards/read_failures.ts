import { failing, working } from "../../../runtime/outage.ts";
import { RetriableError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { SplitId } from "../../../records/position.ts";
import { ExpiredIteratorError } from "../aws/kinesis_api.ts";

const GET_RECORDS = "kinesis GetRecords";
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
    if (this.#count > 1) working(this.#runtime, GET_RECORDS);
    this.#count = 0;
  }

  /** How long to wait before the next try, ms. @throws the error, when trying again doesn't help. */
  pauseMs(error: unknown): number {
    const { metrics, random } = this.#runtime;
    const expired = error instanceof ExpiredIteratorError;
    if (!expired && !(error instanceof RetriableError)) throw error;
    const failures = ++this.#count;
    if (expired) {
      metrics.count("collector_kinesis_expired_iterators_total");
      if (failures === 1) return 0;
    } else {
      metrics.count("collector_retries_total", 1, { what: GET_RECORDS });
      // One is nothing that anybody need know of.
      if (failures > 1) failing(this.#runtime, GET_RECORDS, { error, fields: { split: this.#split } });
    }
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(failures, 10));
    return ceilingMs / 2 + random.next() * ceilingMs / 2;
  }
}
