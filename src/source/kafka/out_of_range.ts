import { FatalError } from "../../runtime/errors.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Partition } from "./partition.ts";
import { logRange, type StartsParts } from "./starts.ts";

/** What to do when the log no longer has the offset that we would read next. */
export class OutOfRange {
  readonly #parts: StartsParts;
  readonly #policy: "earliest" | "latest" | "fail";
  readonly #runtime: Runtime;

  constructor(parts: StartsParts, policy: "earliest" | "latest" | "fail", runtime: Runtime) {
    this.#parts = parts;
    this.#policy = policy;
    this.#runtime = runtime;
  }

  /**
   * Where reading goes on; says loudly what is left out. Lower than the offset when the log ends before it.
   *
   * @throws FatalError when the policy is to stop; RetriableError.
   */
  async decide(partition: Partition, signal: AbortSignal): Promise<number> {
    const { split, fetchOffset } = partition;
    const { first, end } = await logRange(this.#parts, partition, signal);
    const range = `the log of ${split} has offsets ${first} to ${end}, we are at ${fetchOffset}`;
    if (this.#policy === "fail") {
      throw new FatalError(
        `Records are gone before they were read: ${range}. Set kafka.offset.out-of-range to earliest or latest to go on`,
      );
    }
    const to = this.#policy === "earliest" ? first : end;
    const skipped = Math.max(0, to - fetchOffset);
    this.#runtime.metrics.count("kafka_skipped_records_total", skipped);
    this.#runtime.log.error(
      fetchOffset < first
        ? "records expired before they were read"
        : "the log ends before the committed offset: the topic was made anew, or lost its end",
      { split, offset: fetchOffset, first, end, goesOnAt: to, skipped },
    );
    return to;
  }
}
