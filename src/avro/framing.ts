/** How records say which schema they were written with. */

/** A zero byte, and the schema's id in the registry, big-endian. */
export const CONFLUENT_HEADER_BYTE_LENGTH = 5;
/** C3 01, and the CRC-64-AVRO of the schema, little-endian (Avro 1.12, "Single-object encoding"). */
export const SINGLE_OBJECT_HEADER_BYTE_LENGTH = 10;
