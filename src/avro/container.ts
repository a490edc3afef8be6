/**
 * Object container files (Avro 1.12, "Object Container Files"):
 *
 *     "Obj" 1 | metadata: a map of bytes | sync marker 16 | blocks: count, size, contents, sync marker 16
 */
import { decompressSnappy } from "../codecs/snappy.ts";
import { decompressZstd } from "../codecs/zstd.ts";
import { Buffer } from "node:buffer";
import { crc32, inflateRawSync } from "node:zlib";
import { decompressBzip2 } from "../codecs/bzip2.ts";
import { decompressXz } from "../codecs/xz.ts";

export const CONTAINER_MAGIC: Uint8Array = Uint8Array.of(0x4f, 0x62, 0x6a, 0x01);
export const SYNC_BYTE_LENGTH = 16;
/** The header, which holds the schema. */
export const MAX_HEADER_BYTE_LENGTH = 16 * 1024 * 1024;
/** Bytes after a damaged block in which the next sync marker is looked for. */
const MAX_DAMAGE_BYTE_LENGTH = 64 * 1024 * 1024;
/** A block's contents, packed or not. */
export const MAX_BLOCK_BYTE_LENGTH = 256 * 1024 * 1024;

export const CODECS = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"] as const;
export type Codec = typeof CODECS[number];

export interface ContainerHeader {
  /** JSON text. */
  readonly schema: string;
  readonly codec: Codec;
  readonly sync: Uint8Array;
  readonly byteLength: number;
}

/** A block in bytes: the datums are [start, end), as they were packed. */
export interface Block {
  readonly count: number;
  readonly start: number;
  readonly end: number;
  /** After the sync marker. */
  readonly next: number;
}

/** What is wrong with a container file. */
export class ContainerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ContainerError";
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Whether bytes[start, end) begin like a container file. */
export function isContainer(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 4 && CONTAINER_MAGIC.every((byte, i) => bytes[start + i] === byte);
}

/** A long at `at`: its value and the position after it; null when the bytes end before it does. */
function readLong(bytes: Uint8Array, at: number): { value: number; next: number } | null {
  let value = 0, factor = 1;
  for (let i = 0; i < 10; i++) {
    if (at + i >= bytes.length) return null;
    const byte = bytes[at + i];
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80) return { value: value % 2 === 0 ? value / 2 : -(value + 1) / 2, next: at + i + 1 };
  }
  throw new ContainerError("a whole number has more than 10 bytes");
}

/**
 * Reads the header that begins at bytes[0].
 *
 * @returns null when more bytes are needed.
 * @throws ContainerError
 */
export function readHeader(bytes: Uint8Array): ContainerHeader | null {
  if (bytes.length > MAX_HEADER_BYTE_LENGTH) bytes = bytes.subarray(0, MAX_HEADER_BYTE_LENGTH);
  const metadata = new Map<string, Uint8Array>();
  let at = CONTAINER_MAGIC.length;
  for (;;) {
    const count = readLong(bytes, at);
    if (count === null) return incomplete(bytes);
    at = count.next;
    if (count.value === 0) break;
    if (count.value < 0) {
      const size = readLong(bytes, at);
      if (size === null) return incomplete(bytes);
      at = size.next;
    }
    for (let i = Math.abs(count.value); i > 0; i--) {
      const key = readBytes(bytes, at);
      const value = key === null ? null : readBytes(bytes, key.next);
      if (key === null || value === null) return incomplete(bytes);
      metadata.set(new TextDecoder().decode(key.bytes), value.bytes);
      at = value.next;
    }
  }
  if (at + SYNC_BYTE_LENGTH > bytes.length) return incomplete(bytes);
  const schema = metadata.get("avro.schema");
  if (schema === undefined) throw new ContainerError("its header has no avro.schema");
  return {
    schema: schemaText(schema),
    codec: codecOf(metadata.get("avro.codec")),
    sync: bytes.slice(at, at + SYNC_BYTE_LENGTH),
    byteLength: at + SYNC_BYTE_LENGTH,
  };
}

function incomplete(bytes: Uint8Array): null {
  if (bytes.length < MAX_HEADER_BYTE_LENGTH) return null;
  throw new ContainerError(`its header has more than ${MAX_HEADER_BYTE_LENGTH} bytes`);
}

function readBytes(bytes: Uint8Array, at: number): { bytes: Uint8Array; next: number } | null {
  const length = readLong(bytes, at);
  if (length === null) return null;
  if (length.value < 0 || length.value > MAX_HEADER_BYTE_LENGTH) {
    throw new ContainerError(`its header has a value of ${length.value} bytes`);
  }
  const next = length.next + length.value;
  return next > bytes.length ? null : { bytes: bytes.subarray(length.next, next), next };
}

function schemaText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ContainerError("the schema in its header is not UTF-8");
  }
}

function codecOf(bytes: Uint8Array | undefined): Codec {
  const name = bytes === undefined ? "null" : new TextDecoder().decode(bytes);
  const codec = CODECS.find((known) => known === name);
  if (codec === undefined) {
    throw new ContainerError(`its codec ${JSON.stringify(name)} can't be read; ${CODECS.join(", ")} can`);
  }
  return codec;
}

/**
 * Reads the block that begins at `at`, up to and with its sync marker.
 *
 * @param sync the file's marker; null when the bytes end with the block's contents.
 * @returns null when more bytes are needed.
 * @throws ContainerError
 */
export function readBlock(bytes: Uint8Array, at: number, sync: Uint8Array | null): Block | null {
  const count = readLong(bytes, at);
  const size = count === null ? null : readLong(bytes, count.next);
  if (count === null || size === null) return null;
  if (count.value < 0 || size.value < 0 || size.value > MAX_BLOCK_BYTE_LENGTH) {
    throw new ContainerError(`a block says that it has ${count.value} records in ${size.value} bytes`);
  }
  const start = size.next, end = start + size.value;
  if (sync === null) return end > bytes.length ? null : { count: count.value, start, end, next: end };
  const next = end + SYNC_BYTE_LENGTH;
  if (next > bytes.length) return null;
  if (!sync.every((byte, i) => bytes[end + i] === byte)) {
    throw new ContainerError("a block doesn't end with the file's sync marker");
  }
  return { count: count.value, start, end, next };
}

/**
 * Reads the block that begins at `at`; where that isn't one, all up to the next sync marker, for whoever can make rows of a
 * part of it. The count is 0 then.
 *
 * @param isFinal whether nothing comes after the bytes.
 * @returns null when more bytes are needed.
 * @throws ContainerError when no sync marker follows.
 */
export function readBlockOrDamage(
  bytes: Uint8Array,
  at: number,
  { sync, isFinal }: { readonly sync: Uint8Array; readonly isFinal: boolean },
): Block | null {
  let damage: ContainerError | null = null;
  try {
    const block = readBlock(bytes, at, sync);
    if (block !== null || !isFinal) return block;
  } catch (error) {
    if (!(error instanceof ContainerError)) throw error;
    damage = error;
  }
  const end = at + Buffer.from(bytes.buffer, bytes.byteOffset + at, bytes.length - at).indexOf(sync);
  if (end >= at) return { count: 0, start: at, end, next: end + SYNC_BYTE_LENGTH };
  if (damage !== null && (isFinal || bytes.length - at > MAX_DAMAGE_BYTE_LENGTH)) throw damage;
  return null;
}

/**
 * A block's contents as the datums' own bytes: the given array's, or new ones.
 *
 * @throws ContainerError when they are damaged, or too many.
 */
export function unpackBlock(
  packed: Uint8Array,
  codec: string,
  maxByteLength: number = MAX_BLOCK_BYTE_LENGTH,
): Uint8Array {
  try {
    return unpack(packed, codec, Math.min(maxByteLength, MAX_BLOCK_BYTE_LENGTH));
  } catch (error) {
    if (error instanceof ContainerError) throw error;
    throw new ContainerError(`a block can't be unpacked (${codec}): ${(error as Error).message}`);
  }
}

function unpack(packed: Uint8Array, codec: string, maxByteLength: number): Uint8Array {
  switch (codec) {
    case "null":
      if (packed.length > maxByteLength) throw new ContainerError(`a block has more than ${maxByteLength} bytes`);
      return packed;
    case "deflate":
      return new Uint8Array(inflateRawSync(packed, { maxOutputLength: maxByteLength }));
    case "zstandard":
      return decompressZstd(packed, maxByteLength);
    case "bzip2":
      return decompressBzip2(packed, maxByteLength);
    case "xz":
      return decompressXz(packed, maxByteLength);
    case "snappy": {
      if (packed.length < 4) throw new ContainerError("a block has no checksum");
      const contents = decompressSnappy(packed.subarray(0, -4), maxByteLength);
      const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
      if (crc32(contents) !== view.getUint32(packed.length - 4)) {
        throw new ContainerError("a block's checksum is not that of its contents");
      }
      return contents;
    }
    default:
      throw new ContainerError(`the codec ${JSON.stringify(codec)} can't be read`);
  }
}
