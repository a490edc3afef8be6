import { groupKey } from "../encode/group.ts";
import { type Epoch, type Position, splitParent, splitPart } from "../records/position.ts";
import type { RecordBatch } from "../records/record_batch.ts";
import { addGap, type Gap } from "../records/gap.ts";
import type { FlushRange, FlushUnit } from "../records/flush_unit.ts";
import { createHash } from "node:crypto";
import type { SealedOutput, UnitId } from "./messages.ts";

/** Why a unit was flushed. "failure": the source failed; what it had delivered is written before the process ends. "cut": the source says so. "groups": it would become very many objects. */
export type FlushTrigger =
  | "cut"
  | "age"
  | "rows"
  | "bytes"
  | "groups"
  | "memory"
  | "revoke"
  | "lost"
  | "end"
  | "shutdown"
  | "failure";

/** A unit whose rows have all come back from the workers: ready to be written. */
export interface SealedUnit extends FlushUnit {
  readonly trigger: FlushTrigger;
  /** In the order of the rows. */
  readonly outputs: readonly SealedOutput[];
}

/** What a piece holds beside its bytes: events of ever new hours make many pieces of a few bytes each. */
const PIECE_OVERHEAD_BYTES = 1024;
/** What it holds of a table. */
const PIECE_TABLE_BYTES = 128;

/** Memory that it holds, bytes. */
export function outputByteLength(output: SealedOutput): number {
  let total = output.deadLetters?.bytes.byteLength ?? 0;
  for (const piece of output.pieces) {
    total += piece.bytes.byteLength + PIECE_OVERHEAD_BYTES + PIECE_TABLE_BYTES * piece.tables.length;
  }
  const { diverted } = output;
  if (diverted !== undefined) {
    for (const { bytes, offsets } of [diverted.values, diverted.keys, diverted.headers]) {
      total += bytes.byteLength + offsets.byteLength;
    }
  }
  return total + output.pageByteLength;
}

/** "events/3" at 120 to 250 -> "events-3_000000000120_000000000250"; safe characters only. */
function rangeName(range: FlushRange): string {
  const safe = (text: string) => text.replace(/[^A-Za-z0-9.-]/g, "-").replace(/^\.+/, "-");
  const position = (text: Position) => safe(text.split(":").map((part) => part.padStart(12, "0")).join("."));
  const short = (text: string, length: number) => safe(text).slice(0, length);
  const split = `${short(splitParent(range.split).split("/").at(-1)!, 24)}-${short(splitPart(range.split), 20)}`;
  return `${split}_${position(range.start)}`;
}

/**
 * The unit's name: its first range for people and for the order of listings, a hash of all of them for the rest. Epochs
 * are left out: whoever reads the same ranges again, in a later epoch, writes the same names.
 */
export function unitName(ranges: readonly FlushRange[]): string {
  const hash = createHash("sha256");
  for (const { split, start, next, log = [] } of ranges) hash.update(JSON.stringify([split, start, next].concat(log)));
  return `${rangeName(ranges[0]).slice(0, 102)}_${hash.digest("hex").slice(0, 16)}`;
}

interface OpenRange {
  readonly epoch: Epoch;
  readonly log?: string;
  readonly start: Position;
  next: Position;
  gaps?: Gap[];
}

/** A unit while it takes batches and until its last seal has come back. */
export class Unit {
  readonly id: UnitId;
  /** Monotonic ms. */
  readonly openedAtMs: number;
  readonly #ranges = new Map<string, OpenRange>();
  readonly #outputs: { readonly seal: number; readonly output: SealedOutput }[] = [];
  /** Encoded bytes by group, to know when the largest object is full. */
  readonly #groupByteLength = new Map<string, number>();
  /** Records of the batches it took. */
  recordCount = 0;
  /** Bytes of their values. */
  recordByteLength = 0;
  /** Bytes of the pieces, pages and dead letters that have come back. */
  heldByteLength = 0;
  /** Bytes of the largest group's pieces so far: the size that its object will have. */
  largestObjectByteLength = 0;
  /** Set when the unit takes no more batches. */
  trigger: FlushTrigger | null = null;

  constructor(id: UnitId, openedAtMs: number) {
    this.id = id;
    this.openedAtMs = openedAtMs;
  }

  /** Groups that have rows so far: objects that it becomes at least. */
  get groupCount(): number {
    return this.#groupByteLength.size;
  }

  /** Whether the batch can go into this unit: a split's range has one epoch, and is of one log. */
  fits(batch: RecordBatch): boolean {
    const range = this.#ranges.get(batch.split);
    if (range === undefined) return true;
    // A batch without rows (a cut, a stretch of nothing) may not say of which log it is.
    const ofSameLog = range.log === batch.log || (batch.log === undefined && batch.rowCount === 0);
    return range.epoch === batch.epoch && ofSameLog;
  }

  add(batch: RecordBatch): void {
    let range = this.#ranges.get(batch.split);
    if (range === undefined) {
      const { epoch, start, next, log } = batch;
      range = { epoch, start, next, ...(log !== undefined && { log }) };
      this.#ranges.set(batch.split, range);
    } else range.next = batch.next;
    if (batch.gap !== undefined) addGap(range.gaps ??= [], batch.gap);
    this.recordCount += batch.rowCount;
    this.recordByteLength += batch.offsets[batch.rowCount] - batch.offsets[0];
  }

  has(split: string): boolean {
    return this.#ranges.has(split);
  }

  /** Whether it is so of any range. */
  some(is: (split: string, epoch: Epoch) => boolean): boolean {
    for (const [split, { epoch }] of this.#ranges) if (is(split, epoch)) return true;
    return false;
  }

  addOutput(seal: number, output: SealedOutput): void {
    this.#outputs.push({ seal, output });
    this.heldByteLength += outputByteLength(output);
    for (const { group, bytes } of output.pieces) {
      const key = groupKey(group);
      const total = (this.#groupByteLength.get(key) ?? 0) + bytes.byteLength;
      this.#groupByteLength.set(key, total);
      if (total > this.largestObjectByteLength) this.largestObjectByteLength = total;
    }
  }

  ranges(): FlushRange[] {
    return [...this.#ranges].map(([split, range]) => ({ split, ...range })).sort((a, b) => a.split < b.split ? -1 : 1);
  }

  /** Call when every seal has come back. */
  toSealed(): SealedUnit {
    const ranges = this.ranges();
    const outputs = this.#outputs.sort((a, b) => a.seal - b.seal).map(({ output }) => output);
    return { name: unitName(ranges), ranges, trigger: this.trigger!, outputs };
  }
}
