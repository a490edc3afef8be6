/** The log of one partition of the fake broker: record batches as bytes, like the real one. */
import { BatchBuilder } from "../../src/source/kafka/records/batch_builder.ts";
import { ChunkReader } from "../../src/source/kafka/records/chunk_reader.ts";
import {
  type BatchToWrite,
  type RecordToWrite,
  writeRecordBatch,
} from "../../src/source/kafka/records/record_batch_writer.ts";

export interface LogBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

/** A record with this value, and nothing else of note. */
export function recordOf(value: string | null, fields: Partial<RecordToWrite> = {}): RecordToWrite {
  const bytes = value === null ? null : encoder.encode(value);
  return { key: null, value: bytes, headers: [], timestamp: 1_600_000_000_000, ...fields };
}

export class PartitionLog {
  readonly batches: LogBatch[] = [];
  /** The first offset that is still there. */
  start = 0;
  end = 0;
  leader: number;
  /** Grows with each election. */
  leaderEpoch = 0;
  /** A replica that readers who name a rack are sent to. */
  follower: number | null = null;
  /** The follower hears nothing more of the leader: it answers, and has nothing new. */
  followerEnd = Infinity;
  readonly aborted: { producerId: bigint; firstOffset: number; lastOffset: number }[] = [];
  #openTransactions = new Map<bigint, number>();
  /** Called when something was appended. */
  readonly waiters = new Set<() => void>();

  constructor(leader: number) {
    this.leader = leader;
  }

  /** Everything before it is decided, one way or the other. */
  get stableEnd(): number {
    return Math.min(this.end, ...this.#openTransactions.values());
  }

  write(batch: Omit<BatchToWrite, "baseOffset">): void {
    this.appendBytes(writeRecordBatch(batch));
  }

  /** Whole batches as a producer sent them: they get their offsets here. */
  appendBytes(batches: Uint8Array): number {
    const base = this.end;
    for (let at = 0; at < batches.length;) {
      const view = new DataView(batches.buffer, batches.byteOffset + at);
      const bytes = batches.slice(at, at + 12 + view.getInt32(8));
      const own = new DataView(bytes.buffer);
      own.setBigInt64(0, BigInt(this.end));
      own.setInt32(12, this.leaderEpoch);
      const lastOffset = this.end + own.getInt32(23);
      this.batches.push({ baseOffset: this.end, lastOffset, bytes });
      if ((own.getInt16(21) & 48) === 16 && !this.#openTransactions.has(own.getBigInt64(43))) {
        this.#openTransactions.set(own.getBigInt64(43), this.end);
      }
      this.end = lastOffset + 1;
      at += bytes.length;
    }
    for (const wake of [...this.waiters]) wake();
    return base;
  }

  values(values: readonly (string | null)[], batch: Omit<BatchToWrite, "baseOffset" | "records"> = {}): void {
    if (values.length > 0) this.write({ ...batch, records: values.map((value) => recordOf(value)) });
  }

  /** Writes the control record that ends a transaction. */
  endTransaction(producerId: bigint, commit: boolean): void {
    const firstOffset = this.#openTransactions.get(producerId);
    this.#openTransactions.delete(producerId);
    const key = Uint8Array.of(0, 0, 0, commit ? 1 : 0), value = new Uint8Array(6);
    if (firstOffset !== undefined && !commit) this.aborted.push({ producerId, firstOffset, lastOffset: this.end });
    this.write({ records: [{ key, value, headers: [], timestamp: 1_600_000_000_000 }], attributes: 48, producerId });
  }

  /** An unclean election: whoever leads now had only what lies before `offset`. */
  loseEnd(offset: number): void {
    this.batches.splice(0, this.batches.length, ...this.batches.filter(({ lastOffset }) => lastOffset < offset));
    this.end = offset;
    this.leaderEpoch++;
  }

  /** Where the log parts from one whose last record before `offset` is of this epoch; null when it doesn't (KIP-320). */
  divergence(offset: number, epoch: number): { epoch: number; endOffset: number } | null {
    if (epoch < 0) return null;
    const known = this.batches.map(({ baseOffset, bytes }) => ({
      baseOffset,
      epoch: new DataView(bytes.buffer, bytes.byteOffset).getInt32(12),
    }));
    const last = known.findLast((batch) => batch.epoch <= epoch)?.epoch ?? -1;
    const endOffset = known.find((batch) => batch.epoch > epoch)?.baseOffset ?? this.end;
    return last < epoch && epoch !== this.leaderEpoch || endOffset < offset ? { epoch: last, endOffset } : null;
  }

  /** Retention. */
  deleteBefore(offset: number): void {
    this.start = offset;
    while (this.batches.length > 0 && this.batches[0].lastOffset < offset) this.batches.shift();
  }

  /** Compaction: what `keep` doesn't name is gone, its offsets stay. Only whole batches go. */
  compact(keep: (baseOffset: number) => boolean): void {
    this.batches.splice(0, this.batches.length, ...this.batches.filter(({ baseOffset }) => keep(baseOffset)));
  }

  /** The first offset with this time or a later one, -1 when there is none before `end`. */
  offsetAt(timestamp: number, end: number): number {
    for (const { bytes, baseOffset } of this.batches) {
      const limit = { maxBytes: 1 << 30, maxRows: 1 << 30 }, wants = { keys: false, headers: false };
      const builder = new BatchBuilder({ limit, wants, maxRecordByteLength: 1 });
      new ChunkReader(bytes, Math.max(baseOffset, this.start), []).read(builder);
      const { timestamps, positions } = builder.finish("s/0", 1n, 0, 0);
      const row = timestamps.findIndex((time) => time >= timestamp);
      if (row >= 0) {
        return Number((positions as BigInt64Array)[row]) < end ? Number((positions as BigInt64Array)[row]) : -1;
      }
    }
    return -1;
  }

  /** Whether a fetch at this offset brings anything. */
  hasAfter(offset: number, end: number): boolean {
    return this.batches.some(({ lastOffset }) => lastOffset >= offset && lastOffset < end);
  }

  /** Whole batches from the one with `offset` on, the first one in any case (KIP-74), the last one perhaps cut. */
  read(
    offset: number,
    maxByteLength: number,
    { committedOnly, first }: { committedOnly: boolean; first: boolean },
  ): Uint8Array {
    const end = committedOnly ? this.stableEnd : this.end;
    const parts: Uint8Array[] = [];
    let room = maxByteLength;
    for (const { lastOffset, bytes } of this.batches) {
      if (lastOffset < offset || lastOffset >= end) continue;
      if (room <= 0) break;
      const whole = parts.length === 0 && first;
      parts.push(whole ? bytes : bytes.subarray(0, room));
      room -= bytes.length;
    }
    const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }
}
