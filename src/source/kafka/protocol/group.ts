import { ApiKey, type ApiRequest } from "./api.ts";
import type { BrokerAddress } from "./metadata.ts";

export interface CoordinatorAnswer {
  readonly throttleMs: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly broker: BrokerAddress;
}

/** Which broker coordinates the group. */
export function findCoordinatorRequest(groupId: string): ApiRequest<CoordinatorAnswer> {
  return {
    name: "FindCoordinator",
    apiKey: ApiKey.FindCoordinator,
    minVersion: 1,
    maxVersion: 2,
    encode: (writer) => void writer.string(groupId).int8(0),
    decode: (reader) => ({
      throttleMs: reader.int32(),
      errorCode: reader.int16(),
      errorMessage: reader.nullableString(),
      broker: { nodeId: reader.int32(), host: reader.string(), port: reader.int32(), rack: null },
    }),
  };
}

/** Who we are in a group. */
export interface Membership {
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  /** Null for a dynamic member. */
  readonly instanceId: string | null;
}

export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinRequest {
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** Empty on the first try. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly protocols: readonly GroupProtocol[];
}

export interface JoinAnswer {
  readonly throttleMs: number;
  readonly errorCode: number;
  readonly generation: number;
  readonly protocol: string;
  readonly leaderId: string;
  readonly memberId: string;
  /** Only for the leader: everyone's subscription. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Uint8Array }[];
}

/** Enters the group, or enters it anew for a rebalance; answered when everyone has. */
export function joinGroupRequest(join: JoinRequest): ApiRequest<JoinAnswer> {
  return {
    name: "JoinGroup",
    apiKey: ApiKey.JoinGroup,
    minVersion: 2,
    maxVersion: 5,
    encode(writer, version) {
      writer.string(join.groupId).int32(join.sessionTimeoutMs).int32(join.rebalanceTimeoutMs).string(join.memberId);
      if (version >= 5) writer.string(join.instanceId);
      writer.string("consumer");
      writer.array(join.protocols, ({ name, metadata }) => void writer.string(name).byteString(metadata));
    },
    decode: (reader, version) => ({
      throttleMs: reader.int32(),
      errorCode: reader.int16(),
      generation: reader.int32(),
      protocol: reader.string(),
      leaderId: reader.string(),
      memberId: reader.string(),
      members: reader.array(() => {
        const memberId = reader.string();
        if (version >= 5) reader.nullableString(); // group instance id
        return { memberId, metadata: reader.byteString().slice() };
      }),
    }),
  };
}

/** Hands in the assignments (the leader) or nothing (everyone else), and gets one's own. */
export function syncGroupRequest(
  member: Membership,
  assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
): ApiRequest<{ throttleMs: number; errorCode: number; assignment: Uint8Array }> {
  return {
    name: "SyncGroup",
    apiKey: ApiKey.SyncGroup,
    minVersion: 1,
    maxVersion: 3,
    encode(writer, version) {
      writer.string(member.groupId).int32(member.generation).string(member.memberId);
      if (version >= 3) writer.string(member.instanceId);
      writer.array(assignments, ({ memberId, assignment }) => void writer.string(memberId).byteString(assignment));
    },
    decode: (reader) => ({
      throttleMs: reader.int32(),
      errorCode: reader.int16(),
      assignment: reader.byteString().slice(),
    }),
  };
}

/** Keeps the membership alive. */
export function heartbeatRequest(member: Membership): ApiRequest<{ throttleMs: number; errorCode: number }> {
  return {
    name: "Heartbeat",
    apiKey: ApiKey.Heartbeat,
    minVersion: 1,
    maxVersion: 3,
    encode(writer, version) {
      writer.string(member.groupId).int32(member.generation).string(member.memberId);
      if (version >= 3) writer.string(member.instanceId);
    },
    decode: (reader) => ({ throttleMs: reader.int32(), errorCode: reader.int16() }),
  };
}

/** Gives up the membership at once, so that nobody waits for the session to run out. */
export function leaveGroupRequest(member: Membership): ApiRequest<{ throttleMs: number; errorCode: number }> {
  return {
    name: "LeaveGroup",
    apiKey: ApiKey.LeaveGroup,
    minVersion: 1,
    maxVersion: 2,
    encode: (writer) => void writer.string(member.groupId).string(member.memberId),
    decode: (reader) => ({ throttleMs: reader.int32(), errorCode: reader.int16() }),
  };
}
