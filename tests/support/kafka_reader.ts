/** A loop that only reads, counts and commits: what a test needs around a Kafka source. */
import { kafkaSource } from "../../src/source/kafka.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import { SplitLostError } from "../../src/runtime/errors.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Epoch, Position, SplitId } from "../../src/records/position.ts";
import type { RecordBatch } from "../../src/records/record_batch.ts";
import type { Source, SourceContext, SourceHandler } from "../../src/source/source.ts";
import { Condition } from "../../src/runtime/condition.ts";
import { defaultConfig } from "./default_config.ts";
import { HANG_MS } from "./until.ts";
import { textsOf } from "./batch_texts.ts";
import { PatientClock } from "./patient_clock.ts";

const NEVER = new AbortController().signal;

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export interface ReaderOptions {
  /** Commits each batch at once. Else only what is held when a split is revoked. */
  readonly autoCommit?: boolean;
  /** `revoking` waits for this before it commits. */
  readonly beforeRevoked?: () => Promise<void>;
  readonly wants?: { readonly keys: boolean; readonly headers: boolean };
  readonly maxBytes?: number;
  /** One of the parts that a historical worker has; everything when unset. */
  readonly part?: "live" | "historical";
}

export class KafkaReader implements SourceHandler {
  readonly source: Source;
  readonly batches: RecordBatch[] = [];
  readonly values: string[] = [];
  /** "assigned events/0 from 5", "revoking events/0", "lost events/0". */
  readonly turns: string[] = [];
  readonly owned = new Map<SplitId, Epoch>();
  readonly logs: LogLine[] = [];
  readonly metrics = new Metrics();
  /** What ended the reading, if anything has. */
  failure: unknown = undefined;
  readonly #options: ReaderOptions;
  readonly #uncommitted = new Map<SplitId, { epoch: Epoch; next: Position }>();
  readonly #changed = new Condition();
  readonly #stop = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  constructor(fields: Partial<KafkaConfig>, options: ReaderOptions = {}) {
    this.#options = options;
    const log = (level: string) => (message: string, fields: LogFields = {}, error?: unknown) => {
      const text = error instanceof Error ? `${message}: ${error.message}` : message;
      this.logs.push({ level, message: text, fields });
      this.#changed.notify();
    };
    const runtime: Runtime = {
      clock: new PatientClock(),
      random: new SeededRandom(1),
      metrics: this.metrics,
      log: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
    };
    const config = defaultConfig(kafkaSource.options, {
      topic: "events",
      groupId: "readers",
      offset: "earliest",
      fetchMaxWaitMs: 20,
      sessionTimeoutMs: 1500,
      requestTimeoutMs: 10_000,
      rebalanceTimeoutMs: 5000,
      metadataMaxAgeMs: 100,
      ...fields,
    });
    const wants = options.wants ?? { keys: false, headers: false };
    const component = options.part === undefined
      ? { create: (context: SourceContext) => kafkaSource.create(config, context) }
      : kafkaSource.parts!(config)!.find(({ name }) => name === options.part)!;
    this.source = component.create({ runtime, wants, maxRecordByteLength: 64 << 20 });
  }

  /** Opens the source and reads until `close`. */
  async start(): Promise<this> {
    await this.source.open(this, this.#stop.signal);
    this.#reading = this.#read();
    return this;
  }

  async #read(): Promise<void> {
    try {
      while (true) {
        const limit = { maxBytes: this.#options.maxBytes ?? 1 << 20, maxRows: 1000 };
        const batch = await this.source.poll(limit, this.#stop.signal);
        if (batch === "end") return;
        if (this.owned.get(batch.split) !== batch.epoch) continue;
        this.#take(batch);
        if (this.#options.autoCommit) await this.commit(batch.split);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.failure = error;
    } finally {
      this.#changed.notify();
    }
  }

  #take(batch: RecordBatch): void {
    this.batches.push(batch);
    this.values.push(...textsOf(batch));
    this.#uncommitted.set(batch.split, { epoch: batch.epoch, next: batch.next });
    this.#changed.notify();
  }

  /** Commits what was read of the split. */
  async commit(split: SplitId): Promise<void> {
    const held = this.#uncommitted.get(split);
    if (held === undefined) return;
    this.#uncommitted.delete(split);
    try {
      await this.source.commit(split, held.epoch, held.next, NEVER);
    } catch (error) {
      if (!(error instanceof SplitLostError)) throw error;
      this.turns.push(`refused ${split}`);
    }
    this.#changed.notify();
  }

  async assigned(split: SplitId, epoch: Epoch, start: Position, { committed }: { committed: boolean }): Promise<void> {
    this.turns.push(`assigned ${split} from ${start}`);
    this.owned.set(split, epoch);
    if (!committed) await this.source.commit(split, epoch, start, NEVER);
    this.#changed.notify();
  }

  async revoking(splits: readonly SplitId[]): Promise<void> {
    for (const split of splits) this.turns.push(`revoking ${split}`);
    this.#changed.notify();
    await this.#options.beforeRevoked?.();
    await Promise.all(splits.map((split) => this.commit(split)));
    for (const split of splits) this.owned.delete(split);
    this.#changed.notify();
  }

  lost(splits: readonly SplitId[]): void {
    for (const split of splits) {
      this.turns.push(`lost ${split}`);
      this.owned.delete(split);
      this.#uncommitted.delete(split);
    }
    this.#changed.notify();
  }

  /** Resolves as soon as it is true. @throws when it never is, or the failure that ended the reading. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), HANG_MS);
    try {
      while (!condition()) {
        if (this.failure !== undefined) throw this.failure;
        await this.#changed.wait(timeout.signal).catch(() => {
          throw new Error(`waited in vain: ${what}; ${this.values.length} values, ${JSON.stringify(this.turns)}`);
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves with the error that ends the reading. */
  async failed(): Promise<unknown> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), HANG_MS);
    while (this.failure === undefined) await this.#changed.wait(timeout.signal);
    clearTimeout(timer);
    return this.failure;
  }

  /** Commits what was read and stops, as the loop does. */
  async close(): Promise<void> {
    this.#stop.abort(new DOMException("stop", "AbortError"));
    await this.#reading;
    await Promise.all([...this.owned.keys()].map((split) => this.commit(split)));
    await this.source.close();
  }

  /** Stops without committing. */
  async crash(): Promise<void> {
    this.#stop.abort(new DOMException("stop", "AbortError"));
    await this.#reading;
    await this.source.close();
  }
}
