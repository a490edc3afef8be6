/** What the config says about fetching. */
import type { FetchSettings } from "./fetcher.ts";
import type { KafkaConfig } from "../options.ts";
import { type IsolationLevel, READ_COMMITTED, READ_UNCOMMITTED } from "../protocol/fetch.ts";

export function isolationOf({ isolationLevel }: KafkaConfig): IsolationLevel {
  return isolationLevel === "read_committed" ? READ_COMMITTED : READ_UNCOMMITTED;
}

export function fetchSettingsOf(config: KafkaConfig): FetchSettings {
  return {
    isolation: isolationOf(config),
    rack: config.rack ?? "",
    minByteLength: config.fetchMinByteLength,
    maxWaitMs: config.fetchMaxWaitMs,
    maxByteLength: config.fetchMaxByteLength,
    partitionMaxByteLength: config.partitionMaxByteLength,
    prefetchMaxByteLength: config.prefetchMaxByteLength,
    requestTimeoutMs: config.requestTimeoutMs,
    replicaMaxAgeMs: config.metadataMaxAgeMs,
  };
}
