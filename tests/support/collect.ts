import { Collector } from "../../src/loop/collector.ts";
import type { DecodeConfig } from "../../src/decode/options.ts";
import { InlinePort } from "../../src/pipeline/inline_port.ts";
import type { SplitCounts } from "../../src/records/split_counts.ts";
import type { SealedUnit } from "../../src/pipeline/unit.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { SchemaFeed } from "../../src/schema/schema_feed.ts";
import type { Source } from "../../src/source/source.ts";
import type { UnitWriter, Written } from "../../src/target/unit_writer.ts";

/** Keeps what the collector writes: rows as printed, by table, and dead letters. */
class KeepingWriter implements UnitWriter {
  readonly rows: string[] = [];
  readonly deadLetters: string[] = [];
  readonly counts: SplitCounts[] = [];
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  write({ outputs }: SealedUnit): Promise<Written> {
    const decoder = new TextDecoder();
    for (const { pieces, deadLetters, counts } of outputs) {
      for (const { group, bytes } of pieces) {
        const lines = decoder.decode(bytes).trimEnd().split("\n");
        this.rows.push(...lines.map((line) => `${group.project}/${group.collection} ${line}`));
      }
      if (deadLetters !== null) this.deadLetters.push(...decoder.decode(deadLetters.bytes).trimEnd().split("\n"));
      this.counts.push(...counts);
    }
    this.#changed();
    return Promise.resolve({ objects: 0, rows: this.rows.length, byteLength: 0 });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export interface Collected {
  /** "project/collection row", in the order in which they were written. */
  readonly rows: readonly string[];
  readonly deadLetters: readonly string[];
  readonly counts: readonly SplitCounts[];
}

export interface CollectOptions {
  readonly source: Source;
  readonly decode: DecodeConfig;
  readonly schemas: SchemaFeed;
  readonly runtime: Runtime;
  /** Stops when so many rows and dead letters have been written; a source that ends needs none. */
  readonly until?: number;
  /** Stops before that. */
  readonly stop?: AbortSignal;
}

/** Runs the loop with one worker in this isolate, until the source ends or enough has been written. */
export async function collect(
  { source, decode, schemas, runtime, until = Infinity, stop: earlier }: CollectOptions,
): Promise<Collected> {
  const stop = new AbortController();
  earlier?.addEventListener("abort", () => stop.abort(earlier.reason));
  const writer: KeepingWriter = new KeepingWriter(() => {
    if (writer.rows.length + writer.deadLetters.length >= until) stop.abort(new DOMException("enough", "AbortError"));
  });
  const grouping = { needsProject: true, needsTable: true, timeUnit: null };
  const encode = { rowFormat: "flat", compression: "none", level: 0, grouping } as const;
  const limits = {
    streamMaxAgeMs: 50,
    streamMaxByteLength: 64 << 20,
    unitMaxAgeMs: 100,
    unitMaxRecords: Infinity,
    unitMaxRecordByteLength: Infinity,
    objectMaxByteLength: 64 << 20,
    memoryByteLength: 256 << 20,
    shutdownTimeoutMs: 10_000,
  };
  const ports = [new InlinePort({ decode, encode }, runtime.clock)];
  await new Collector({ source, writer, ports, limits, runtime, schemas }).run(stop.signal);
  return writer;
}
