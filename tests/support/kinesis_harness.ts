import type { SourceBackend, SourceHarness } from "../contract/source_contract.ts";
import { KinesisSource, type KinesisTuning } from "../../src/source/kinesis/kinesis_source.ts";
import { openSdkPorts } from "../../src/source/kinesis/aws/sdk_ports.ts";
import type { KinesisSettings } from "../../src/source/kinesis/settings.ts";
import type { SourceContext } from "../../src/source/source.ts";
import { KinesisServers } from "./kinesis_servers.ts";
import { testRuntime } from "./stored_object.ts";

/** As fast as the emulators go. */
export const FAST: KinesisTuning = { minIntervalMs: 1, bytesPerSecond: Infinity, parentPollMs: 50, endDelayMs: 10 };

let workers = 0;

/** A worker over the emulators. */
export function createSource(
  settings: KinesisSettings,
  context: Partial<SourceContext> = {},
  tuning: Partial<KinesisTuning> = {},
): KinesisSource {
  const runtime = context.runtime ?? testRuntime();
  const full = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20, ...context };
  return new KinesisSource(settings, full, {
    connect: (signal) => openSdkPorts(settings, runtime, signal),
    workerId: settings.workerId ?? `worker-${++workers}`,
    tuning: { ...FAST, ...tuning },
  });
}

let servers: Promise<KinesisServers> | undefined;

/** The servers that the tests of this file share; they end with the process. */
export function sharedServers(): Promise<KinesisServers> {
  return servers ??= KinesisServers.start();
}

async function start(recordCount: number): Promise<SourceBackend> {
  const shared = await sharedServers();
  const stream = await shared.createStream(1);
  const records = Array.from({ length: recordCount }, (_, i) => JSON.stringify({ i, text: "x".repeat(i * 7 % 50) }));
  const encoder = new TextEncoder();
  await shared.put(stream, records.map((record, i) => ({ key: `key-${i}`, data: encoder.encode(record) })));
  return { records, create: () => createSource(shared.settings(stream)), stop: () => Promise.resolve() };
}

/** Plain records of one shard. */
export const kinesisHarness: SourceHarness = { start, ends: false, resumes: true, servesHere: true };
