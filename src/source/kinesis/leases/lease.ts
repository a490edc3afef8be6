/** A lease as it stands in the table. Attributes that aren't here are left alone by every write. */
import { type Checkpoint, isCheckpointText } from "./checkpoint.ts";
import type { Item } from "./lease_store.ts";

export interface Lease {
  /** The shard's id. */
  readonly key: string;
  /** Undefined when nobody owns it. */
  readonly owner: string | undefined;
  /** Heartbeat and optimistic lock. */
  readonly counter: bigint;
  readonly ownerSwitches: bigint;
  readonly checkpoint: Checkpoint;
  readonly parents: readonly string[];
  readonly children: readonly string[];
  /** Who still finishes and checkpoints it while `owner` waits (a handoff of KCL 3). */
  readonly checkpointOwner: string | undefined;
  /** When LATEST was, epoch ms by the service's clock: an attribute of our own, so that a restart loses nothing. */
  readonly startTimestampMs: number | undefined;
}

/** Our own attribute; KCL workers keep what they don't know. */
export const START_TIMESTAMP = "collectorStartTimestamp";

/** Undefined when the item is no lease, or one that can't be understood. */
export function parseLease(item: Item): Lease | undefined {
  const key = item.leaseKey?.S, sequence = item.checkpoint?.S, counter = item.leaseCounter?.N;
  const entityType = item.entityType?.S;
  if (entityType !== undefined && entityType !== "LEASE") return undefined;
  if (key === undefined || sequence === undefined || !isCheckpointText(sequence)) return undefined;
  if (counter === undefined || !/^\d+$/.test(counter)) return undefined;
  const startTimestamp = item[START_TIMESTAMP]?.N;
  return {
    key,
    owner: item.leaseOwner?.S,
    counter: BigInt(counter),
    ownerSwitches: BigInt(item.ownerSwitchesSinceCheckpoint?.N ?? 0),
    checkpoint: { sequence, sub: Number(item.checkpointSubSequenceNumber?.N ?? 0) },
    parents: item.parentShardId?.SS ?? [],
    children: item.childShardIds?.SS ?? [],
    checkpointOwner: item.checkpointOwner?.S,
    startTimestampMs: startTimestamp === undefined ? undefined : Number(startTimestamp),
  };
}

/** Whether everything of the shard was processed: such a lease needs no worker. */
export function isEnded({ checkpoint }: Lease): boolean {
  return checkpoint.sequence === "SHARD_END";
}

/** What a new lease starts with. */
export interface NewLease {
  readonly key: string;
  readonly checkpoint: Checkpoint;
  readonly parents: readonly string[];
  readonly startingHashKey: string | undefined;
  readonly endingHashKey: string | undefined;
  readonly startTimestampMs?: number;
}

/** The item that a KCL worker would create, unowned. */
export function newLeaseItem(lease: NewLease): Item {
  const { key, checkpoint, parents, startingHashKey, endingHashKey, startTimestampMs } = lease;
  return {
    leaseKey: { S: key },
    leaseCounter: { N: "0" },
    ownerSwitchesSinceCheckpoint: { N: "0" },
    checkpoint: { S: checkpoint.sequence },
    checkpointSubSequenceNumber: { N: String(checkpoint.sub) },
    ...(parents.length === 0 ? {} : { parentShardId: { SS: parents } }),
    ...(startingHashKey === undefined ? {} : { startingHashKey: { S: startingHashKey } }),
    ...(endingHashKey === undefined ? {} : { endingHashKey: { S: endingHashKey } }),
    ...(startTimestampMs === undefined ? {} : { [START_TIMESTAMP]: { N: String(Math.floor(startTimestampMs)) } }),
  };
}
