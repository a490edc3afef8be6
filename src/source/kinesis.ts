/** The source `kinesis`: a stream of Amazon Kinesis, shared with others by a lease table as the KCL's workers do. */
import { hostName } from "../runtime/host_name.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { BulkFiles } from "./kinesis/bulk_files.ts";
import { committedPositions } from "./kinesis/committed.ts";
import { KinesisRanges } from "./kinesis/ranges/kinesis_ranges.ts";
import type { KinesisPorts } from "./kinesis/aws/kinesis_ports.ts";
import { KinesisSource } from "./kinesis/kinesis_source.ts";
import { type KinesisConfig, kinesisOptions } from "./kinesis/options.ts";
import { kinesisConfigProblems, type KinesisSettings, kinesisSettings } from "./kinesis/settings.ts";
import type { SourceComponent } from "./source.ts";

/** The SDK is loaded only when it is used. */
async function openPorts(settings: KinesisSettings, runtime: Runtime, signal: AbortSignal): Promise<KinesisPorts> {
  const { openSdkPorts } = await import("./kinesis/aws/sdk_ports.ts");
  return await openSdkPorts(settings, runtime, signal);
}

export const kinesisSource: SourceComponent<KinesisConfig> = {
  doc: "Reads a stream of Amazon Kinesis, sharing its shards with other collectors and KCL workers by a lease table.",
  options: kinesisOptions,
  validate: kinesisConfigProblems,
  create(config, context) {
    const workerId = config.workerId ?? `${hostName()}:${context.runtime.random.hex(8)}`;
    const settings = { ...kinesisSettings(config), workerId };
    const connect = (signal: AbortSignal) => openPorts(settings, context.runtime, signal);
    return new KinesisSource(settings, context, { connect, workerId });
  },
  ranges(config, context) {
    const settings = kinesisSettings(config);
    return new KinesisRanges(settings, context, { connect: (signal) => openPorts(settings, context.runtime, signal) });
  },
  files(config, runtime) {
    const settings = kinesisSettings(config);
    return settings.bulkBucket === undefined ? null : new BulkFiles(settings, settings.bulkBucket, runtime);
  },
  async committed(config, { runtime }, signal) {
    const settings = kinesisSettings(config);
    const { api, store } = await openPorts(settings, runtime, signal);
    try {
      return await committedPositions(store, { streamName: settings.streamName, runtime, signal });
    } finally {
      api.close();
      store.close();
    }
  },
  async check(config, { runtime }, signal) {
    const { checkKinesis } = await import("./kinesis/check.ts");
    return await checkKinesis(kinesisSettings(config), runtime, { openPorts, signal });
  },
};
