import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { S3Settings } from "./options.ts";

/** Checksums that go with a body, as the SDK's fields name them. */
export interface ChecksumFields {
  readonly ChecksumSHA256?: string;
  readonly ChecksumCRC32?: string;
  /** The raw SHA-256 (32 bytes), when it was computed or known. */
  readonly sha256?: Uint8Array;
}

/** The checksum of the chosen kind. SHA-256 is computed away from the calling thread, unless it is known already. */
export async function checksumFields(
  kind: S3Settings["checksum"],
  body: Uint8Array<ArrayBuffer>,
  knownSha256?: Uint8Array,
): Promise<ChecksumFields> {
  if (kind === "none") return {};
  if (kind === "CRC32") {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(crc32(body));
    return { ChecksumCRC32: bytes.toString("base64") };
  }
  const sha256 = knownSha256 ?? await digest(body);
  return { ChecksumSHA256: Buffer.from(sha256).toString("base64"), sha256 };
}

/**
 * The value of x-amz-content-sha256, which the signature covers ("Signature Calculations for the Authorization Header",
 * S3 API reference): the known hash, else UNSIGNED-PAYLOAD where that is safe, else the hash of the body.
 */
export async function payloadHash(
  body: Uint8Array<ArrayBuffer>,
  unsigned: boolean,
  knownSha256?: Uint8Array,
): Promise<string> {
  if (knownSha256 === undefined && unsigned) return "UNSIGNED-PAYLOAD";
  return Buffer.from(knownSha256 ?? await digest(body)).toString("hex");
}

async function digest(body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", body));
}
