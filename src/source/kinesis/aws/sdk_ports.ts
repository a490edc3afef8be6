import type { Runtime } from "../../../runtime/runtime.ts";
import { CloudWatchPublisher } from "./cloudwatch.ts";
import { connectToAws } from "./connect.ts";
import { DynamoLeaseStore } from "../leases/dynamo_store.ts";
import type { KinesisPorts } from "./kinesis_ports.ts";
import { SdkKinesisApi } from "./sdk_kinesis.ts";
import type { KinesisSettings } from "../settings.ts";

/** The stream and the table over the network. */
export async function openSdkPorts(
  settings: KinesisSettings,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<KinesisPorts> {
  const connection = await connectToAws(settings, runtime, signal);
  const ports = { api: new SdkKinesisApi(connection), store: new DynamoLeaseStore(connection) };
  if (!settings.enableCloudwatch) return ports;
  const publisher = new CloudWatchPublisher(connection, runtime);
  return {
    ...ports,
    publish: (origin, signal) => publisher.run(origin, signal),
    checkPublish: (signal) => publisher.check(signal),
  };
}
