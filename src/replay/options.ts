import { type ConfigOf, option } from "../config/option.ts";
import type { Section } from "../config/section.ts";

const replayOptions = {
  directory: option.string("replay.directory", {
    exact: true,
    default: "./out/_jobs",
    doc: "The directory where replays keep their locks and how far they got, a folder a job.",
  }),
  unitByteLength: option.size("replay.unit-size", {
    default: "256MB",
    min: 1 << 20,
    max: 2 ** 40,
    doc:
      "A replay's objects are closed after this many bytes of records, as the source delivered them, whatever their " +
      "time. The same range gives the same objects only with the same size. When it is more than half of memory.limit, " +
      "or a quarter of what memory.heap-ratio allows, the next smaller power of two is taken.",
  }),
} as const;

export type ReplayConfig = ConfigOf<typeof replayOptions>;

export const replaySection: Section<ReplayConfig> = {
  title: "Replays",
  doc: "For collector replay and collector redrive.",
  options: replayOptions,
};

/** The unit's length for buffers of this size: not more than half, so that one can be written while the next is read. */
export function unitByteLengthOf({ unitByteLength }: ReplayConfig, memoryByteLength: number): number {
  const most = memoryByteLength / 2;
  return unitByteLength <= most ? unitByteLength : 2 ** Math.floor(Math.log2(most));
}
