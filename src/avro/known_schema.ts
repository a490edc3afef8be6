/**
 * What pipeline workers are told about schemas. Workers do no I/O: the loop finds the schemas that a batch needs and
 * sends them before the batch, and messages arrive in order.
 */
import type { RejectionCode } from "../records/rejection.ts";

/** A schema as text. */
export interface SchemaText {
  readonly json: string;
  /** Schemas that it refers to by name, each after those that it refers to itself. */
  readonly references: readonly string[];
}

/** Why there is none: what becomes of the records that need it. */
export interface SchemaFailure {
  readonly code: Extract<RejectionCode, "unknown-schema" | "bad-schema">;
  readonly reason: string;
}

/** A schema of JSON records ("JSON Schema"): of the registry's framing, JSON stands behind the id. */
export const JSON_SCHEMA = "json";

/** What a registry has under an id. */
export type RegisteredSchema = SchemaText | SchemaFailure | typeof JSON_SCHEMA;

/** By what records name a schema. */
export type SchemaKey =
  /** The registry's id. */
  | { readonly by: "id"; readonly id: number }
  /** CRC-64-AVRO of the parsing canonical form, unsigned. */
  | { readonly by: "fingerprint"; readonly fingerprint: bigint }
  /** For records that name none: by the table they go to; project and collection are null for the schema of all others. */
  | { readonly by: "table"; readonly project: string | null; readonly collection: string | null };

export interface KnownSchema {
  readonly key: SchemaKey;
  readonly schema: RegisteredSchema;
}

export interface SchemaUpdate {
  /** Whether everything that came from the registry is to be forgotten first. */
  readonly forget: boolean;
  /** Whether there is a registry, so that a zero byte may begin its wire format. */
  readonly hasRegistry: boolean;
  /** The schema to see all records through; null for their own. */
  readonly reader: SchemaText | null;
  readonly schemas: readonly KnownSchema[];
}

/** Of the registry's framing: a zero byte, and the schema's id, big-endian. */
export const CONFLUENT_HEADER_BYTE_LENGTH = 5;
/** Of single objects: C3 01, and the CRC-64-AVRO of the schema, little-endian (Avro 1.12, "Single-object encoding"). */
export const SINGLE_OBJECT_HEADER_BYTE_LENGTH = 10;
