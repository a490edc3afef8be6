/**
 * Checkpoints of the lease table, and the positions that the collector's loop works with.
 *
 *     table      the LAST record processed, inclusive       AT_TIMESTAMP < TRIM_HORIZON < LATEST < (sequence, sub) < SHARD_END
 *     position   the place of the NEXT record to read       "0"            "1"            "2"      "sequence:sub"    END_POSITION
 *
 * A record stands at "sequence:sub", where sub is its index inside a KPL aggregate (0 when it is plain). After it comes
 * "sequence:(sub + 1)": no gap is left whatever follows, be it the aggregate's next record or another sequence number.
 * So the checkpoint (s, k) is the position "s:(k + 1)", and back. The sentinels become numbers that are smaller, or
 * longer, than any sequence number (which have 56 digits; 64 are not reached by 192 bits), so that
 * `comparePositions` orders all of them as the table does.
 */
import { InvariantError } from "../../../runtime/errors.ts";
import { comparePositions, type Position } from "../../../records/position.ts";

export type Sentinel = "AT_TIMESTAMP" | "TRIM_HORIZON" | "LATEST" | "SHARD_END";

/** As the table has it: the last record processed. */
export interface Checkpoint {
  /** A decimal number or a sentinel. */
  readonly sequence: string;
  /** Index inside an aggregate; 0 for plain records and sentinels. */
  readonly sub: number;
}

/** The place after a shard's last record. */
export const END_POSITION: Position = "9".repeat(64);

const SENTINEL_POSITIONS: Readonly<Record<string, Position>> = {
  AT_TIMESTAMP: "0",
  TRIM_HORIZON: "1",
  LATEST: "2",
  SHARD_END: END_POSITION,
};
const SENTINELS = new Map(Object.entries(SENTINEL_POSITIONS).map(([name, position]) => [position, name as Sentinel]));

export const TRIM_HORIZON: Checkpoint = { sequence: "TRIM_HORIZON", sub: 0 };
export const SHARD_END: Checkpoint = { sequence: "SHARD_END", sub: 0 };

/** True for a place that names no record: AT_TIMESTAMP, TRIM_HORIZON, LATEST, SHARD_END. */
export function isSentinel({ sequence }: Checkpoint): boolean {
  return sequence in SENTINEL_POSITIONS;
}

/** Whether the table's text is a checkpoint at all. */
export function isCheckpointText(text: string): boolean {
  return text in SENTINEL_POSITIONS || /^\d{1,63}$/.test(text);
}

/** Where reading goes on after this checkpoint. */
export function positionAfter({ sequence, sub }: Checkpoint): Position {
  return SENTINEL_POSITIONS[sequence] ?? `${sequence}:${sub + 1}`;
}

/** The sentinel that a position stands for; undefined when it names a record. */
export function sentinelAt(position: Position): Sentinel | undefined {
  return SENTINELS.get(position);
}

/** The record that a position names, and which of its user records is the next one; undefined for a sentinel's. */
export function recordAt(position: Position): { readonly sequence: string; readonly sub: number } | undefined {
  if (SENTINELS.has(position)) return undefined;
  const [sequence, sub = "0"] = position.split(":");
  return { sequence, sub: Number(sub) };
}

/** The checkpoint that lets reading go on at this position. @throws InvariantError for a position of no record's end. */
export function checkpointBefore(position: Position): Checkpoint {
  const sentinel = SENTINELS.get(position);
  if (sentinel !== undefined) return { sequence: sentinel, sub: 0 };
  const [sequence, next] = position.split(":");
  if (!/^\d+$/.test(sequence) || !(Number(next) >= 1)) {
    throw new InvariantError(`Cannot checkpoint at ${position}: it is not a place after a record`);
  }
  return { sequence, sub: Number(next) - 1 };
}

/** -1, 0 or 1, in the one order of sentinels and sequence numbers. */
export function compareCheckpoints(a: Checkpoint, b: Checkpoint): number {
  return comparePositions(positionAfter(a), positionAfter(b));
}

/** -1, 0 or 1 for decimal numbers without leading zeros. */
export function compareDecimals(a: string, b: string): number {
  if (a.length !== b.length) return a.length < b.length ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}
