import { Collector } from "../../src/loop/collector.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { KinesisPorts } from "../../src/source/kinesis/aws/kinesis_ports.ts";
import { KinesisSource, type KinesisTuning } from "../../src/source/kinesis/kinesis_source.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import { LedgerWriter, RowLedger, RowPort } from "./row_ledger.ts";

export interface WorkerOptions {
  readonly id: string;
  readonly settings: KinesisSettings;
  readonly tuning: KinesisTuning;
  readonly ledger: RowLedger;
  readonly runtime: Pick<Runtime, "clock" | "random"> & Partial<Runtime>;
  connect(runtime: Runtime, signal: AbortSignal): Promise<KinesisPorts>;
  /** What storing a unit waits for, or fails by. */
  readonly beforeWrite?: (signal: AbortSignal) => Promise<void>;
  readonly unitMaxAgeMs: number;
  readonly shutdownTimeoutMs?: number;
  readonly memoryByteLength?: number;
}

/** Nothing that is called here ever comes back once `dead` has aborted. */
export function mortal<T extends object>(port: T, dead: AbortSignal): T {
  const never = () => new Promise<never>(() => {});
  return new Proxy(port, {
    get(target, name) {
      const member = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        if (dead.aborted) return never();
        const result = member.apply(target, args);
        if (!(result instanceof Promise)) return result;
        return result.then(
          (value) => dead.aborted ? never() : value,
          (error) => dead.aborted ? never() : Promise.reject(error),
        );
      };
    },
  });
}

/** A clock that stops with its process. */
function mortalClock(clock: Clock, dead: AbortSignal): Clock {
  return {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (durationMs, signal) =>
      clock.sleep(durationMs, signal === undefined ? dead : AbortSignal.any([signal, dead])).catch((error) =>
        dead.aborted ? new Promise<never>(() => {}) : Promise.reject(error)
      ),
  };
}

/** A collector of its own: the real loop over the real source, storing rows in a ledger. */
export class KinesisWorker {
  readonly id: string;
  readonly source: KinesisSource;
  readonly metrics = new Metrics();
  readonly collector: Collector;
  /** What ended it; undefined when it ended as it should. Settles when it is over (never when it was killed). */
  readonly ended: Promise<unknown>;
  readonly #stop = new AbortController();
  readonly #dead = new AbortController();
  #ports: KinesisPorts | undefined;

  constructor(options: WorkerOptions) {
    this.id = options.id;
    const dead = this.#dead.signal;
    const clock = mortalClock(options.runtime.clock, dead);
    const runtime: Runtime = { log: silentLog, metrics: this.metrics, ...options.runtime, clock };
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
    this.source = new KinesisSource(options.settings, context, {
      workerId: options.id,
      tuning: options.tuning,
      connect: async (signal) => {
        const ports = await options.connect(runtime, signal);
        this.#ports = ports;
        return { ...ports, api: mortal(ports.api, dead), store: mortal(ports.store, dead) };
      },
    });
    const writer = mortal(
      new LedgerWriter(options.ledger, async (signal) => {
        await options.beforeWrite?.(signal);
        if (dead.aborted) await new Promise(() => {});
      }),
      dead,
    );
    this.collector = new Collector({
      source: this.source,
      writer,
      ports: [new RowPort()],
      limits: {
        streamMaxAgeMs: options.unitMaxAgeMs / 2,
        streamMaxByteLength: 8 << 20,
        unitMaxAgeMs: options.unitMaxAgeMs,
        unitMaxRecords: Infinity,
        unitMaxRecordByteLength: Infinity,
        objectMaxByteLength: 8 << 20,
        memoryByteLength: options.memoryByteLength ?? 64 << 20,
        shutdownTimeoutMs: options.shutdownTimeoutMs ?? 20_000,
      },
      runtime,
    });
    this.ended = this.collector.run(this.#stop.signal).then(() => undefined, (error) => error);
  }

  /** SIGTERM. Resolves with what ended it. */
  stop(): Promise<unknown> {
    this.#stop.abort(new DOMException("stop", "AbortError"));
    return this.ended;
  }

  /** SIGKILL: nothing of it ever happens again. */
  kill(): void {
    this.#dead.abort(new DOMException("killed", "AbortError"));
    this.#ports?.api.close();
    this.#ports?.store.close();
  }

  /** Shards that it holds now. */
  get shardCount(): number {
    return this.source.leaseCounts === undefined ? 0 : this.source.heldCount;
  }
}
