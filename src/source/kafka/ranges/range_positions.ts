import { MisuseError } from "../../../runtime/errors.ts";
import type { SplitId } from "../../../records/position.ts";
import { splitOf } from "../fetch/partition.ts";

/** What positions say about a range's edge. */
export type OffsetEdge =
  /** The same offset in every partition. */
  | { readonly kind: "all"; readonly offset: number }
  /** Only these partitions, each with its own. */
  | { readonly kind: "named"; readonly offsets: ReadonlyMap<SplitId, number> };

const HOW = 'Write an offset for every partition ("1000"), or partition:offset for some ("0:1000,3:2500"), with the ' +
  'topic where there are several ("clicks/0:1000")';

function refuse(text: string, why: string): never {
  throw new MisuseError(`Cannot read "${text}" as offsets: ${why}. ${HOW}`);
}

function readNumber(digits: string, text: string): number {
  const number = Number(digits);
  if (!Number.isSafeInteger(number)) refuse(text, `${digits} is too large`);
  return number;
}

/**
 * Reads "1000", "0:1000,3:2500" or "topic/0:1000,...". Whether the partitions exist is for the caller to see.
 *
 * @param topics those that are read.
 * @throws FatalError with what to write instead.
 */
export function parseOffsets(text: string, topics: readonly string[]): OffsetEdge {
  const items = text.split(",").map((item) => item.trim());
  if (items.length === 1 && /^\d+$/.test(items[0])) return { kind: "all", offset: readNumber(items[0], text) };
  const offsets = new Map<SplitId, number>();
  for (const item of items) {
    const match = /^(?:([A-Za-z0-9._-]+)\/)?(\d+):(\d+)$/.exec(item);
    if (match === null) {
      refuse(text, item === "" ? "something is missing" : `"${item}" is no partition with its offset`);
    }
    const [, topic, partition, offset] = match;
    if (topic === undefined && topics.length !== 1) refuse(text, `"${item}" doesn't say which of ${topics.join(", ")}`);
    if (topic !== undefined && !topics.includes(topic)) {
      refuse(text, `topic ${topic} isn't read (${topics.join(", ")})`);
    }
    const split = splitOf({ topic: topic ?? topics[0], partition: readNumber(partition, text) });
    if (offsets.has(split)) refuse(text, `${split} comes twice`);
    offsets.set(split, readNumber(offset, text));
  }
  return { kind: "named", offsets };
}
