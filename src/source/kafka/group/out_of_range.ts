import type { GapReason } from "../../../records/gap.ts";
import { FatalError } from "../../../runtime/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import type { Partition } from "../fetch/partition.ts";
import { logRange, type StartsParts } from "./starts.ts";

/** Before a fetch is tried again that was refused for no reason that we can see. */
const AGAIN_AFTER_MS = 500;

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
   * Where reading goes on, and why nothing before that is read; says loudly what is left out. Lower than the offset when the log ends before it, the offset
   * itself when the log has it: whoever refused it may have been the leader of an earlier time.
   *
   * @throws FatalError when the policy is to stop; RetriableError.
   */
  async decide(partition: Partition, signal: AbortSignal): Promise<{ to: number; reason: GapReason }> {
    const { split, fetchOffset } = partition;
    await this.#parts.topics.refresh(signal); // the leader of now has the last word
    const { first, end } = await logRange(this.#parts, partition, signal);
    const range = `the log of ${split} has offsets ${first} to ${end}, we are at ${fetchOffset}`;
    if (fetchOffset >= first && fetchOffset <= end) {
      const fields = { split, offset: fetchOffset, first, end };
      this.#runtime.log.warn("offset was out of range, and is in the log now: going on with it", fields);
      await this.#runtime.clock.sleep(AGAIN_AFTER_MS, signal);
      return { to: fetchOffset, reason: "expired" };
    }
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
    return { to, reason: to === first ? "expired" : "skipped" };
  }
}
