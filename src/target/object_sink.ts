import pLimit, { type LimitFunction } from "p-limit";
import type { ObjectContents } from "../encode/object.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ObjectTarget, StoredObject } from "./target.ts";

/** Puts objects into an object target: so many at a time, each tried until it is stored, all counted. */
export class ObjectSink {
  readonly #target: ObjectTarget;
  readonly #runtime: Runtime;
  readonly #limit: LimitFunction;

  constructor(options: { target: ObjectTarget; writesInFlight: number; runtime: Runtime }) {
    this.#target = options.target;
    this.#runtime = options.runtime;
    this.#limit = pLimit(options.writesInFlight);
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#target.open(signal);
  }

  /** Durable when resolved. @throws what the target throws for good, or the signal's reason. */
  async put(
    { chunks, byteLength, sha256 }: ObjectContents,
    labels: Pick<StoredObject, "key" | "contentType" | "purpose">,
    signal: AbortSignal,
  ): Promise<void> {
    const { metrics, clock, log } = this.#runtime;
    await this.#limit(async () => {
      const startMs = clock.monotonicMs();
      await retry(
        `put ${labels.purpose}`,
        () => this.#target.put({ ...labels, chunks, byteLength, sha256 }, signal),
        { policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal },
      );
      const tookMs = clock.monotonicMs() - startMs;
      metrics.count("collector_put_seconds_total", tookMs / 1000, { purpose: labels.purpose });
      log.debug("stored", { key: labels.key, purpose: labels.purpose, bytes: byteLength, tookMs: Math.round(tookMs) });
    });
    metrics.count("collector_objects_total", 1, { purpose: labels.purpose });
    metrics.count("collector_object_bytes_total", byteLength, { purpose: labels.purpose });
  }

  close(): Promise<void> {
    return this.#target.close();
  }
}
