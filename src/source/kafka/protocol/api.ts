import { WireReader, WireWriter } from "./wire.ts";

/** One request of the protocol, ready to be sent, and how its answer is read. */
export interface ApiRequest<Response> {
  readonly name: string;
  readonly apiKey: number;
  /** The versions that `encode` and `decode` can speak. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** The first version with compact lengths and tagged fields (KIP-482), when `maxVersion` isn't before it. */
  readonly flexibleFrom?: number;
  encode(writer: WireWriter, version: number): void;
  decode(reader: WireReader, version: number): Response;
}

/** What comes behind the client's id: the request in this version. */
export function writeRequest({ flexibleFrom = Infinity, encode }: ApiRequest<unknown>, version: number): Uint8Array {
  const writer = new WireWriter();
  writer.flexible = version >= flexibleFrom;
  writer.tags(); // of the header
  encode(writer, version);
  return writer.bytes;
}

/** The answer, from what comes behind the correlation id. @throws RangeError when it is cut off. */
export function readAnswer<T>(
  { flexibleFrom = Infinity, decode }: ApiRequest<T>,
  version: number,
  bytes: Uint8Array,
): T {
  const reader = new WireReader(bytes);
  reader.flexible = version >= flexibleFrom;
  reader.tags(); // of the header
  return decode(reader, version);
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
