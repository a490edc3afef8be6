/**
 * JSON objects that carry a checksum, as the last of their fields, over all bytes in front of it:
 *
 *     {"version":1, ... ,"crc32":"1a2b3c4d"}
 *
 * A flipped digit in a position is still JSON: without a checksum it would be believed.
 */
import { crc32 } from "node:zlib";

const FIELD = "crc32";
const SEAL = /,"crc32":"([0-9a-f]{8})"\}\s*$/;
const SEAL_LENGTH = 64;

/** Adds the checksum to an object's text; what follows the closing brace stays. */
export function sealed(text: string): string {
  const end = text.lastIndexOf("}"), body = text.slice(0, end);
  return `${body}${sealOf(body)}${text.slice(end)}`;
}

/** Stands behind an object's fields, in front of its brace or of fields that it doesn't cover. */
export function sealOf(body: string): string {
  return `,"${FIELD}":"${crc32(body).toString(16).padStart(8, "0")}"`;
}

/**
 * The object of a text, without the checksum.
 *
 * @param fields of the texts that were written before there were checksums: one without is believed when it has no others.
 * @throws SyntaxError when it is no JSON; TypeError when it is no object, or not what was written.
 */
export function parseSealed(text: string, fields: readonly string[]): Record<string, unknown> {
  const root: unknown = JSON.parse(text);
  if (typeof root !== "object" || root === null || Array.isArray(root)) throw new TypeError("it isn't an object");
  const { [FIELD]: _, ...contents } = root as Record<string, unknown>;
  const from = Math.max(0, text.length - SEAL_LENGTH), seal = SEAL.exec(text.slice(from));
  if (seal === null) {
    const strange = Object.keys(root).find((name) => !fields.includes(name));
    if (strange === undefined) return contents;
    throw new TypeError(`it is damaged, or was edited (then take out its field ${FIELD}): it has "${strange}"`);
  }
  if (sealOf(text.slice(0, from + seal.index)) === seal[0].slice(0, seal[0].indexOf("}"))) return contents;
  throw new TypeError(`it is damaged, or was edited (then take out its field ${FIELD}): its checksum is wrong`);
}
