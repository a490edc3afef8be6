/** Leases that don't fit the stream, mostly because one of its name was deleted and made anew. */
import type { Shard } from "../aws/kinesis_api.ts";
import { isEnded, type Lease } from "./lease.ts";

/** Shards that a line names at the most. */
const MAX_NAMED = 5;

/**
 * Open shards whose leases say that all of them was read: nobody reads them. Those with children are left out: they have
 * ended, and the list is late.
 */
export function unreadShards(shards: readonly Shard[], leases: readonly Lease[]): string[] {
  const ended = new Set(leases.filter(isEnded).map(({ key }) => key));
  const parents = new Set(shards.flatMap(({ parents }) => parents));
  return shards.filter(({ id, open }) => open && ended.has(id) && !parents.has(id)).map(({ id }) => id);
}

/** What to do about `unreadShards`, with the names of some. */
export function unreadWayOut(shards: readonly string[], table: string): string {
  const more = shards.length > MAX_NAMED ? ` and ${shards.length - MAX_NAMED} more` : "";
  return `delete their rows from table ${table}, as those of a stream that was made anew; ` +
    `they are then read anew: ${shards.slice(0, MAX_NAMED).join(", ")}${more}`;
}

/** What to do when a lease's place, or its shard, isn't in the stream. */
export function madeAnewWayOut(table: string): string {
  return `if the stream was made anew, table ${table} has leases of the old one: stop all workers of the table and ` +
    "delete it, or name another in kinesis.consumer-dynamodb-table; reading then begins at kinesis.initial-position";
}
