import { FatalError } from "../../../runtime/errors.ts";

/** A partition, as requests name it. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Groups by topic, in the order of first appearance. */
export function byTopic<T extends { readonly topic: string }>(items: readonly T[]): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.topic);
    if (group === undefined) groups.set(item.topic, [item]);
    else group.push(item);
  }
  return [...groups];
}

/** @throws FatalError beyond 2^53: offsets are numbers here, and these would be bent. */
export function exactOffset(offset: bigint): number {
  if (offset <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(offset);
  throw new FatalError(`The offset ${offset} is beyond 2^53 - 1: no exact position can be kept of it`);
}
