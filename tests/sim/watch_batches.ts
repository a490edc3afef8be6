import { positionText } from "../../src/records/record_batch.ts";
import { comparePositions } from "../../src/records/position.ts";
import type { Source } from "../../src/source/source.ts";
import { demand } from "./invariants.ts";

/** The source as it is; each of its batches is looked at. */
export function watchBatches(source: Source, violated: (error: unknown) => void): Source {
  return new Proxy(source, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (name !== "poll") return member.bind(target);
      return async (...args: Parameters<Source["poll"]>) => {
        const batch = await source.poll(...args);
        if (batch === "end") return batch;
        const { split, start, next, rowCount } = batch;
        const positions = Array.from({ length: rowCount }, (_, i) => positionText(batch, i));
        const outside = positions.filter((at, i) =>
          comparePositions(at, i === 0 ? start : positions[i - 1]) < (i === 0 ? 0 : 1) ||
          comparePositions(at, next) >= 0
        );
        try {
          demand("batchesHoldWhatTheySay", { split, start, next, outside });
        } catch (error) {
          violated(error);
        }
        return batch;
      };
    },
  });
}
