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
