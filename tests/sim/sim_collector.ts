import { fileExtensionOf } from "../../src/encode/options.ts";
import { parseKeyTemplate } from "../../src/encode/key_template.ts";
import { Collector } from "../../src/loop/collector.ts";
import type { WorkerConfig } from "../../src/pipeline/pipeline_worker.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Source } from "../../src/source/source.ts";
import { DeadLetterWriter } from "../../src/target/dead_letter_writer.ts";
import { ObjectSink } from "../../src/target/object_sink.ts";
import { ObjectUnitWriter } from "../../src/target/object_unit_writer.ts";
import type { ObjectTarget } from "../../src/target/target.ts";
import { SimPort } from "./sim_port.ts";

export interface SimCollectorOptions {
  readonly source: Source;
  readonly target: ObjectTarget;
  readonly runtime: Runtime;
  readonly worker: WorkerConfig;
  /** Of the objects' keys. */
  readonly template: string;
  readonly workerCount: number;
  readonly memoryByteLength: number;
  /** Probability per message that a pipeline worker dies. */
  deathRate(): number;
}

/** The real loop, pipeline and writer over a source and a target. */
export function simCollector(options: SimCollectorOptions): Collector {
  const { source, target, runtime, worker, template, workerCount, memoryByteLength, deathRate } = options;
  const { clock, random } = runtime, { compression } = worker.encode;
  const sink = new ObjectSink({ target, writesInFlight: 4, runtime });
  const writer = new ObjectUnitWriter({
    sink,
    deadLetters: new DeadLetterWriter({ sink, prefix: "_dead-letters/", compression }),
    template: parseKeyTemplate(template),
    compression,
    extension: fileExtensionOf({ compression, fileExtension: undefined }),
    maxObjectByteLength: 40_000,
    manifests: true,
    runtime,
  });
  return new Collector({
    source,
    writer,
    ports: Array.from({ length: workerCount }, () => new SimPort(worker, { clock, random, deathRate })),
    limits: {
      streamMaxAgeMs: 500,
      streamMaxByteLength: memoryByteLength / 4,
      unitMaxAgeMs: 2000,
      unitMaxRecords: Infinity,
      unitMaxRecordByteLength: Infinity,
      objectMaxByteLength: 40_000,
      memoryByteLength,
      shutdownTimeoutMs: 20_000,
    },
    runtime,
  });
}

/** The target as it is; counts the puts that are under way. */
export function counting(target: ObjectTarget, counts: { writing: number }): ObjectTarget {
  return {
    kind: "objects",
    open: (signal) => target.open(signal),
    put: async (object, signal) => {
      counts.writing++;
      await target.put(object, signal).finally(() => counts.writing--);
    },
    close: () => target.close(),
  };
}
