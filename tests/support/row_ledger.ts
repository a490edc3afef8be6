import type { Gap } from "../../src/records/gap.ts";
import { comparePositions } from "../../src/records/position.ts";
import { positionText } from "../../src/records/record_batch.ts";
import type { FromWorker, SealedOutput, ToWorker } from "../../src/pipeline/messages.ts";
import { batchByteLength, type WorkerPort } from "../../src/pipeline/port.ts";
import type { SealedUnit } from "../../src/pipeline/unit.ts";
import type { UnitWriter, Written } from "../../src/target/unit_writer.ts";
import { textAt } from "./batch_texts.ts";

/** A record as it was stored. */
export interface StoredRow {
  readonly split: string;
  readonly position: string;
  readonly value: string;
}

/** What all collectors of a test have stored: the bucket of a world without files. */
export class RowLedger {
  readonly rows: StoredRow[] = [];
  /** How often each value was stored. */
  readonly copies = new Map<string, number>();
  /** What units said is lost. */
  readonly gaps: (Gap & { readonly split: string })[] = [];
  readonly #places = new Set<string>();
  readonly #waiting: (() => void)[] = [];

  add(row: StoredRow): void {
    this.rows.push(row);
    this.copies.set(row.value, (this.copies.get(row.value) ?? 0) + 1);
    this.#places.add(`${row.split} ${row.position}`);
  }

  has(split: string, position: string): boolean {
    return this.#places.has(`${split} ${position}`);
  }

  isLost(split: string, position: string): boolean {
    return this.gaps.some((gap) =>
      gap.split === split && comparePositions(gap.start, position) <= 0 && comparePositions(position, gap.next) < 0
    );
  }

  /** Values that were stored more than once. */
  get duplicates(): string[] {
    return [...this.copies].filter(([, count]) => count > 1).map(([value]) => value);
  }

  /** Resolves once so many different values are there. */
  async reaches(count: number): Promise<void> {
    while (this.copies.size < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const encoder = new TextEncoder(), decoder = new TextDecoder();
const GROUP = { project: "", collection: null, timeMs: null };

/** A pipeline worker that keeps records as they are. */
export class RowPort implements WorkerPort {
  onMessage: (message: FromWorker) => void = () => {};
  onLost: (error: Error) => void = () => {};
  #rows: StoredRow[] = [];
  #closed = false;

  post(message: ToWorker): void {
    if (message.type === "schemas") return;
    const answer = message.type === "batch" ? this.#accept(message) : this.#seal(message);
    queueMicrotask(() => {
      if (!this.#closed) this.onMessage(answer);
    });
  }

  close(): void {
    this.#closed = true;
  }

  #accept({ batch }: ToWorker & { type: "batch" }): FromWorker {
    for (let i = 0; i < batch.rowCount; i++) {
      this.#rows.push({ split: batch.split, position: positionText(batch, i), value: textAt(batch, i) });
    }
    const byteLength = batchByteLength(batch);
    return { type: "accepted", batchByteLength: byteLength, bufferedByteLength: byteLength };
  }

  #seal({ unit, seal }: ToWorker & { type: "seal" }): FromWorker {
    const bytes = encoder.encode(JSON.stringify(this.#rows));
    const rowCount = this.#rows.length;
    this.#rows = [];
    const piece = {
      group: GROUP,
      bytes,
      crc32: 0,
      rawByteLength: bytes.length,
      rowCount,
      tables: [],
      minEventTime: NaN,
      maxEventTime: NaN,
    };
    const output: SealedOutput = {
      pieces: [piece],
      pages: [],
      pageByteLength: 0,
      deadLetters: null,
      counts: [],
      stageMs: { decode: 0, encode: 0, compress: 0 },
    };
    return { type: "sealed", unit, seal, bufferedByteLength: 0, output };
  }
}

/** Stores units in the ledger, after what `before` waits for (or throws). */
export class LedgerWriter implements UnitWriter {
  readonly #ledger: RowLedger;
  readonly #before: (signal: AbortSignal) => Promise<void>;

  constructor(ledger: RowLedger, before: (signal: AbortSignal) => Promise<void> = () => Promise.resolve()) {
    this.#ledger = ledger;
    this.#before = before;
  }

  async open(): Promise<void> {}

  async write(unit: SealedUnit, signal: AbortSignal): Promise<Written> {
    await this.#before(signal);
    let rows = 0, byteLength = 0;
    for (const { pieces } of unit.outputs) {
      for (const { bytes, rowCount } of pieces) {
        rows += rowCount;
        byteLength += bytes.length;
        for (const row of JSON.parse(decoder.decode(bytes)) as StoredRow[]) this.#ledger.add(row);
      }
    }
    for (const { split, gaps } of unit.ranges) {
      this.#ledger.gaps.push(...(gaps ?? []).map((gap) => ({ split, ...gap })));
    }
    this.#ledger.wake();
    return { objects: 0, rows, byteLength };
  }

  async close(): Promise<void> {}
}
