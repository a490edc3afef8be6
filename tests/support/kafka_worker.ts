import { Collector } from "../../src/loop/collector.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { KafkaClient } from "../../src/source/kafka/network/client.ts";
import type { Source } from "../../src/source/source.ts";
import { KafkaSource } from "../../src/source/kafka/kafka_source.ts";
import type { KafkaConfig } from "../../src/source/kafka/options.ts";
import { mortal } from "./kinesis_worker.ts";
import { LedgerWriter, RowLedger, RowPort } from "./row_ledger.ts";

export interface KafkaWorkerOptions {
  readonly config: KafkaConfig;
  readonly client: KafkaClient;
  readonly ledger: RowLedger;
  readonly runtime: Omit<Runtime, "metrics">;
  /** What storing a unit waits for. */
  readonly beforeWrite: (signal: AbortSignal) => Promise<void>;
  readonly unitMaxAgeMs: number;
  readonly shutdownTimeoutMs: number;
  /** Looks at what the source does. */
  readonly watch?: (source: Source) => Source;
}

/** A collector of its own: the real loop over the real source, storing rows in a ledger. */
export class KafkaWorker {
  readonly metrics = new Metrics();
  /** What ended it; undefined when it ended as it should. Never settles when it was killed. */
  readonly ended: Promise<unknown>;
  readonly #stop = new AbortController();
  readonly #dead = new AbortController();

  constructor(options: KafkaWorkerOptions) {
    const { config, client, ledger, beforeWrite, unitMaxAgeMs, shutdownTimeoutMs, watch, ...rest } = options;
    const dead = this.#dead.signal;
    const runtime: Runtime = { ...rest.runtime, metrics: this.metrics };
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
    const source = new KafkaSource(config, context, mortal(client, dead));
    const collector = new Collector({
      source: watch?.(source) ?? source,
      writer: mortal(new LedgerWriter(ledger, beforeWrite), dead),
      ports: [new RowPort()],
      limits: {
        streamMaxAgeMs: unitMaxAgeMs / 2,
        streamMaxByteLength: 8 << 20,
        unitMaxAgeMs,
        unitMaxRecords: Infinity,
        unitMaxRecordByteLength: Infinity,
        objectMaxByteLength: 8 << 20,
        memoryByteLength: 64 << 20,
        shutdownTimeoutMs,
      },
      runtime,
    });
    this.ended = collector.run(this.#stop.signal).then(() => undefined, (error) => error);
  }

  /** SIGTERM. */
  stop(): void {
    this.#stop.abort(new DOMException("stop", "AbortError"));
  }

  /** SIGKILL: nothing of it ever happens again. Its clock must stop too. */
  kill(): void {
    this.#dead.abort(new DOMException("killed", "AbortError"));
  }
}
