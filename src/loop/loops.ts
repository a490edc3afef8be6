/** Several loops in one process, for a source whose parts are flushed apart from each other. */
import type { CollectorLimits } from "./collector.ts";
import { linkedController } from "../runtime/time_limit.ts";
import type { SourcePart } from "../source/source.ts";

export interface Loop {
  /** As Collector.run. */
  run(stop: AbortSignal): Promise<void>;
}

/** A part's limits: an equal share of the memory, and its own idea of when to flush if it has one. */
export function limitsOfPart(whole: CollectorLimits, { flush }: SourcePart, partCount: number): CollectorLimits {
  const limits = {
    ...whole,
    memoryByteLength: Math.floor(whole.memoryByteLength / partCount),
    streamMaxByteLength: Math.max(1, Math.floor(whole.streamMaxByteLength / partCount)),
  };
  if (flush === undefined) return limits;
  return {
    ...limits,
    unitMaxAgeMs: flush.maxAgeMs,
    unitMaxRecords: flush.maxRecords,
    unitMaxRecordByteLength: Infinity,
  };
}

/** Runs them side by side. When one fails, the others stop as for a signal: they write and commit what they hold. */
export function together(loops: readonly Loop[]): Loop {
  return {
    async run(stop: AbortSignal): Promise<void> {
      const { controller, unlink } = linkedController(stop);
      const failures: unknown[] = [];
      await Promise.all(loops.map(async (loop) => {
        try {
          await loop.run(controller.signal);
        } catch (error) {
          failures.push(error);
          controller.abort(new DOMException("another loop failed", "AbortError"));
        }
      }));
      unlink();
      if (failures.length > 0) throw failures[0];
    },
  };
}
