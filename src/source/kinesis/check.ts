import type { Runtime } from "../../runtime/runtime.ts";
import type { CheckResult } from "../source.ts";
import type { KinesisPorts } from "./kinesis_source.ts";
import type { KinesisSettings } from "./settings.ts";

type OpenPorts = (settings: KinesisSettings, runtime: Runtime, signal: AbortSignal) => Promise<KinesisPorts>;

export async function checkKinesis(
  settings: KinesisSettings,
  runtime: Runtime,
  { openPorts, signal }: { openPorts: OpenPorts; signal: AbortSignal },
): Promise<CheckResult[]> {
  const { api, store } = await openPorts(settings, runtime, signal);
  api.close();
  store.close();
  return [];
}
