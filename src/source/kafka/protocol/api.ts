import type { WireReader, WireWriter } from "./wire.ts";

/** One request of the protocol, ready to be sent, and how its answer is read. */
export interface ApiRequest<Response> {
  readonly name: string;
  readonly apiKey: number;
  /** The versions that `encode` and `decode` can speak. */
  readonly minVersion: number;
  readonly maxVersion: number;
  encode(writer: WireWriter, version: number): void;
  decode(reader: WireReader, version: number): Response;
}

/** https://kafka.apache.org/protocol#protocol_api_keys */
export const ApiKey = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  SaslHandshake: 17,
  ApiVersions: 18,
  SaslAuthenticate: 36,
} as const;
