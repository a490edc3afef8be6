import type { Clock } from "../runtime/clock.ts";
import { FatalError, InvariantError } from "../runtime/errors.ts";
import type { SchemaUpdate } from "../avro/known_schema.ts";
import type { RecordBatch } from "../records/record_batch.ts";
import type { SplitId } from "../records/position.ts";
import type { FromWorker, SealedOutput, UnitId } from "./messages.ts";
import { batchByteLength, type WorkerPort } from "./port.ts";

/** Why a worker's builders were sealed. */
export type SealTrigger = "bytes" | "age" | "block" | "unit";

/** What the dispatcher tells the loop. Called from the ports' message events. */
export interface DispatcherEvents {
  sealed(unit: UnitId, seal: number, output: SealedOutput): void;
  sealing(trigger: SealTrigger): void;
  /** Something moved: room may have come free. */
  progress(): void;
  /** A worker failed or died. The process has to end: what it held can't be committed. */
  failed(error: Error): void;
}

export interface DispatcherLimits {
  /** A worker's builders are sealed after this many bytes of batches. */
  readonly sealByteLength: number;
  /** Bytes of batches that may wait for one worker (sent and not yet decoded, or being encoded). */
  readonly backlogByteLength: number;
  /** Whether all batches up to the next `sealBlock` go to one worker, whatever their splits; else they are spread. */
  readonly inBlocks: boolean;
}

interface WorkerState {
  readonly port: WorkerPort;
  /** Batches sent and not yet decoded. */
  queuedByteLength: number;
  /** What the worker said its builders hold. */
  bufferedByteLength: number;
  /** Batches whose seal was asked for and hasn't come back. */
  sealingByteLength: number;
  /** Batches since the last seal: for which unit, how many bytes, since when (monotonic ms). Null when there are none. */
  open: { readonly unit: UnitId; byteLength: number; readonly sinceMs: number; readonly splits: Set<SplitId> } | null;
  /** Bytes of each seal that is under way, in order. */
  readonly seals: { readonly unit: UnitId; readonly seal: number; readonly byteLength: number }[];
}

/**
 * Spreads batches over the pipeline workers. A split stays with a worker until that worker's builders are sealed and may
 * then go to the one with the least to do. Seal numbers grow, so the seals' order is the order of each split's rows; and
 * since builders are small, one busy split keeps all workers busy.
 */
export class Dispatcher {
  readonly #workers: readonly WorkerState[];
  readonly #limits: DispatcherLimits;
  readonly #events: DispatcherEvents;
  readonly #clock: Clock;
  readonly #workerOf = new Map<SplitId, WorkerState>();
  /** Who has the open block. */
  #blockWorker: WorkerState | null = null;
  #lastSeal = 0;

  constructor(ports: readonly WorkerPort[], limits: DispatcherLimits, events: DispatcherEvents, clock: Clock) {
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
    this.#workers = ports.map((port) => ({
      port,
      queuedByteLength: 0,
      bufferedByteLength: 0,
      sealingByteLength: 0,
      open: null,
      seals: [],
    }));
    for (const worker of this.#workers) {
      worker.port.onMessage = (message) => this.#receive(worker, message);
      worker.port.onLost = (error) =>
        events.failed(
          new FatalError("a pipeline worker died; what it held is read again after a restart", { cause: error }),
        );
    }
  }

  /** Memory that workers and the lines to them hold, bytes. */
  get heldByteLength(): number {
    let total = 0;
    for (const worker of this.#workers) total += worker.queuedByteLength + worker.bufferedByteLength;
    return total;
  }

  /** Seals of this unit that were asked for and haven't come back. */
  pendingSeals(unit: UnitId): number {
    let count = 0;
    for (const worker of this.#workers) for (const seal of worker.seals) if (seal.unit === unit) count++;
    return count;
  }

  /** Whether a batch of the split can be dispatched now. */
  hasRoom(split: SplitId): boolean {
    return this.#backlog(this.#choose(split)) < this.#limits.backlogByteLength;
  }

  /** Sends the batch to its worker. Its arrays must not be used afterwards. */
  dispatch(unit: UnitId, batch: RecordBatch): void {
    const worker = this.#choose(batch.split);
    if (worker.open !== null && worker.open.unit !== unit) {
      throw new InvariantError(`Worker still holds rows of unit ${worker.open.unit}, got a batch of unit ${unit}`);
    }
    const message = { type: "batch", unit, batch } as const;
    const byteLength = batchByteLength(batch);
    worker.open ??= { unit, byteLength: 0, sinceMs: this.#clock.monotonicMs(), splits: new Set() };
    worker.open.byteLength += byteLength;
    worker.open.splits.add(batch.split);
    if (this.#limits.inBlocks) this.#blockWorker = worker;
    else this.#workerOf.set(batch.split, worker);
    worker.queuedByteLength += byteLength;
    worker.port.post(message);
    if (worker.open.byteLength >= this.#limits.sealByteLength) this.#seal(worker, "bytes");
  }

  /** Tells all workers of schemas that batches from here on may need. */
  updateSchemas(update: SchemaUpdate): void {
    for (const { port } of this.#workers) port.post({ type: "schemas", update });
  }

  /** Ends the open block; nothing happens when there is none. */
  sealBlock(): void {
    if (this.#blockWorker?.open != null) this.#seal(this.#blockWorker, "block");
  }

  /** Seals every worker that holds rows of the unit; no batch may be dispatched to it any more. */
  sealUnit(unit: UnitId): void {
    for (const worker of this.#workers) if (worker.open?.unit === unit) this.#seal(worker, "unit");
  }

  /** Seals the builders that were started longer ago than `maxAgeMs`. */
  sealAged(maxAgeMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    for (const worker of this.#workers) {
      if (worker.open !== null && nowMs - worker.open.sinceMs >= maxAgeMs) this.#seal(worker, "age");
    }
  }

  /** Ends all workers at once. */
  close(): void {
    for (const worker of this.#workers) worker.port.close();
  }

  #backlog(worker: WorkerState): number {
    return worker.queuedByteLength + worker.sealingByteLength;
  }

  #choose(split: SplitId): WorkerState {
    const held = this.#blockWorker ?? this.#workerOf.get(split);
    if (held !== undefined) return held;
    return this.#workers.reduce((best, worker) => this.#load(worker) < this.#load(best) ? worker : best);
  }

  #load(worker: WorkerState): number {
    return this.#backlog(worker) + (worker.open?.byteLength ?? 0);
  }

  #seal(worker: WorkerState, trigger: SealTrigger): void {
    const { unit, byteLength, splits } = worker.open!;
    const seal = ++this.#lastSeal;
    worker.open = null;
    worker.sealingByteLength += byteLength;
    worker.seals.push({ unit, seal, byteLength });
    for (const split of splits) this.#workerOf.delete(split);
    if (this.#blockWorker === worker) this.#blockWorker = null;
    this.#events.sealing(trigger);
    worker.port.post({ type: "seal", unit, seal });
  }

  #receive(worker: WorkerState, message: FromWorker): void {
    switch (message.type) {
      case "accepted":
        worker.queuedByteLength -= message.batchByteLength;
        worker.bufferedByteLength = message.bufferedByteLength;
        break;
      case "sealed": {
        const expected = worker.seals.shift();
        if (expected?.seal !== message.seal) {
          return this.#events.failed(new InvariantError(`Got seal ${message.seal}, expected ${expected?.seal}`));
        }
        worker.sealingByteLength -= expected.byteLength;
        worker.bufferedByteLength = message.bufferedByteLength;
        for (const output of [...message.earlier ?? [], message.output]) {
          this.#events.sealed(message.unit, message.seal, output);
        }
        break;
      }
      case "failed":
        return this.#events.failed(new FatalError(message.message));
    }
    this.#events.progress();
  }
}
