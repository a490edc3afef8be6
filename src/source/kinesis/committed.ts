import type { Runtime } from "../../runtime/runtime.ts";
import type { Position, SplitId } from "../../records/position.ts";
import { type Checkpoint, isSentinel, positionAfter, SHARD_END } from "./leases/checkpoint.ts";
import { parseLease } from "./leases/lease.ts";
import type { LeaseStore } from "./leases/lease_store.ts";
import { persistently } from "./stream_setup.ts";

/**
 * Up to where the lease table has each shard: END_POSITION once it has ended, "0" before anything was committed, wherever
 * it is to begin. Shards whose leases were deleted, as they have ended and their children are under way, aren't there. Empty
 * when there is no table yet.
 */
export async function committedPositions(
  store: LeaseStore,
  { streamName, runtime, signal }: { streamName: string; runtime: Runtime; signal: AbortSignal },
): Promise<Map<SplitId, Position>> {
  const ask = <T>(what: string, attempt: () => Promise<T>): Promise<T> =>
    persistently(what, attempt, { runtime, signal });
  if (await ask("kinesis find lease table", () => store.describeTable(signal)) === "missing") return new Map();
  const items = await ask("kinesis list leases", () => store.scan(signal));
  const leases = items.map(parseLease).filter((lease) => lease !== undefined);
  return new Map(leases.map(({ key, checkpoint }) => [`${streamName}/${key}`, committedAt(checkpoint)]));
}

function committedAt(checkpoint: Checkpoint): Position {
  const isStart = isSentinel(checkpoint) && checkpoint.sequence !== SHARD_END.sequence;
  return isStart ? "0" : positionAfter(checkpoint);
}
