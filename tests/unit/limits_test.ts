import { assertEquals, assertThrows } from "@std/assert";
import {
  ASSUMED_MEMORY_BYTES,
  limitsOf,
  steadyBufferByteLength,
  threadsOf,
  WORKER_BYTES,
} from "../../src/loop/limits.ts";
import { objectsSection, type PipelineConfig, pipelineSection, processSection } from "../../src/pipeline/options.ts";
import { ConfigError } from "../../src/runtime/errors.ts";
import type { Machine } from "../../src/runtime/machine.ts";
import { defaultConfig } from "../support/default_config.ts";

const MB = 2 ** 20;
const USED = 60 * MB;

function machine(memoryByteLength: number | undefined, cores = 2): Machine {
  return { cores, memoryByteLength, usedByteLength: () => USED };
}

function limits(pipeline: Partial<PipelineConfig>, on: Machine) {
  return limitsOf({
    pipeline: defaultConfig(pipelineSection.options, pipeline),
    objects: defaultConfig(objectsSection.options),
    process: defaultConfig(processSection.options),
  }, on);
}

Deno.test("limitsOf() takes the config's values, and no limit where there is none", () => {
  assertEquals(limits({ memoryLimitByteLength: 100 * MB }, machine(1000 * MB)), {
    streamMaxAgeMs: 15_000,
    streamMaxByteLength: 10 * MB,
    unitMaxAgeMs: 60_000,
    unitMaxRecords: Infinity,
    unitMaxRecordByteLength: Infinity,
    objectMaxByteLength: 256 * MB,
    memoryByteLength: 100 * MB,
    shutdownTimeoutMs: 60_000,
  });
  const { unitMaxRecords, unitMaxRecordByteLength } = limits(
    { middlewareMaxFlushRecords: 10, middlewareMaxFlushByteLength: 20 },
    machine(1000 * MB),
  );
  assertEquals([unitMaxRecords, unitMaxRecordByteLength], [10, 20]);
});

Deno.test("limitsOf() leaves a machine that is shared to the others by default", () => {
  const GB = 1024 * MB;
  const buffers = (pipeline: Partial<PipelineConfig>, framed: boolean) =>
    limits({ workers: 0, ...pipeline }, { ...machine(64 * GB), framed }).memoryByteLength;
  assertEquals(buffers({}, false), 2 * GB);
  const share = Math.floor(0.6 * 64 * GB) - USED;
  assertEquals(buffers({}, true), share);
  assertEquals(buffers({ memoryHeapRatio: 0.6 }, false), share);
  const pipeline = defaultConfig(pipelineSection.options);
  assertEquals(steadyBufferByteLength({ pipeline }, machine(64 * GB)), 2 * GB);
  assertEquals(steadyBufferByteLength({ pipeline }, machine(2 * GB)), 0.6 * GB);
});

Deno.test("limitsOf() gives buffers what the share of memory leaves", () => {
  const share = (total: number) => Math.floor(0.6 * total) - USED;
  const cases: [Partial<PipelineConfig>, number | undefined, number][] = [
    [{ workers: 0 }, 1000 * MB, share(1000 * MB)],
    [{ workers: 4 }, 1000 * MB, share(1000 * MB) - 4 * WORKER_BYTES],
    [{ workers: "auto" }, 1000 * MB, share(1000 * MB) - 2 * WORKER_BYTES],
    [{ workers: 0 }, undefined, share(ASSUMED_MEMORY_BYTES)],
    // the share leaves too little, so they get a little more than it
    [{ workers: 0, memoryHeapRatio: 0.01 }, 1000 * MB, 32 * MB],
    [{ workers: 0 }, 100 * MB, 20 * MB],
    [{ workers: 0 }, 76 * MB, 8 * MB],
    [{ workers: 0, memoryLimitByteLength: 1000 * MB }, 1000 * MB, 1000 * MB],
  ];
  for (const [pipeline, total, expected] of cases) {
    assertEquals(limits(pipeline, machine(total)).memoryByteLength, expected, JSON.stringify([pipeline, total]));
  }
});

Deno.test("limitsOf() refuses what can't work", () => {
  const cases: [Partial<PipelineConfig>, number, string, string][] = [
    [
      { memoryLimitByteLength: 1001 * MB },
      1000 * MB,
      "memory.limit",
      "1001MB is more than the 1000MB that this process may use",
    ],
    [
      { workers: 1 },
      90 * MB,
      "memory.heap-ratio",
      "this process may use 90MB and needs 85MB for itself, which leaves too little for buffers: allow it at least " +
      "101MB, or set pipeline.workers=0",
    ],
  ];
  for (const [pipeline, total, key, message] of cases) {
    const error = assertThrows(() => limits(pipeline, machine(total)), ConfigError);
    assertEquals(error.problems, [{ key, message }]);
  }
});

Deno.test("steadyBufferByteLength() is the same whatever the process takes by then", () => {
  const pipeline = defaultConfig(pipelineSection.options, { memoryHeapRatio: 0.5 });
  const at = (usedByteLength: number) => ({ ...machine(1000 * MB), usedByteLength: () => usedByteLength });
  assertEquals([0, 400 * MB].map((used) => steadyBufferByteLength({ pipeline }, at(used))), [250 * MB, 250 * MB]);
  const limited = { pipeline: { ...pipeline, memoryLimitByteLength: 100 * MB } };
  assertEquals(steadyBufferByteLength(limited, at(0)), 100 * MB);
});

Deno.test("threadsOf() gives each core a worker and a write", () => {
  const pipeline = defaultConfig(pipelineSection.options);
  assertEquals(threadsOf(pipeline, { cores: 3 }), { workers: 3, writesInFlight: 3 });
  const set = { ...pipeline, workers: 0, committerThreadCount: 7 };
  assertEquals(threadsOf(set, { cores: 3 }), { workers: 0, writesInFlight: 7 });
});
