const HEX = "0123456789abcdef";
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const QUOTE = 0x22, BACKSLASH = 0x5c;
const encoder = new TextEncoder();

/** A growing buffer for text that is made outside the hot path: `bytes[0, length)`. */
export class ByteWriter {
  bytes: Uint8Array = new Uint8Array(0);
  length = 0;

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.length + count, 2 * this.bytes.length, 256));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Text as UTF-8. */
  text(text: string): void {
    this.reserve(3 * text.length);
    this.length += encoder.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  /** The bytes [start, end) of `source` as they are. */
  copy(source: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    this.bytes.set(source.subarray(start, end), this.length);
    this.length += end - start;
  }

  /** Valid UTF-8 as a JSON string, with quotes. */
  jsonString(source: Uint8Array, start: number, end: number): void {
    this.reserve(6 * (end - start) + 2);
    const bytes = this.bytes;
    let at = this.length;
    bytes[at++] = QUOTE;
    for (let i = start; i < end; i++) {
      const byte = source[i];
      if (byte < 0x20) {
        at = writeControlEscape(bytes, at, byte);
      } else {
        if (byte === QUOTE || byte === BACKSLASH) bytes[at++] = BACKSLASH;
        bytes[at++] = byte;
      }
    }
    bytes[at++] = QUOTE;
    this.length = at;
  }

  /** Any bytes as base64 (RFC 4648, padded). */
  base64(source: Uint8Array, start: number, end: number): void {
    this.reserve(4 * Math.ceil((end - start) / 3));
    const bytes = this.bytes;
    let at = this.length;
    for (let i = start; i < end; i += 3) {
      const left = end - i;
      const word = (source[i] << 16) | (left > 1 ? source[i + 1] << 8 : 0) | (left > 2 ? source[i + 2] : 0);
      bytes[at++] = BASE64.charCodeAt(word >> 18);
      bytes[at++] = BASE64.charCodeAt((word >> 12) & 63);
      bytes[at++] = left > 1 ? BASE64.charCodeAt((word >> 6) & 63) : 0x3d;
      bytes[at++] = left > 2 ? BASE64.charCodeAt(word & 63) : 0x3d;
    }
    this.length = at;
  }
}

function writeControlEscape(bytes: Uint8Array, at: number, byte: number): number {
  bytes[at++] = BACKSLASH;
  const short = "btn_fr".charCodeAt(byte - 8);
  if (byte >= 8 && byte <= 13 && byte !== 11) {
    bytes[at++] = short;
    return at;
  }
  bytes[at++] = 0x75;
  bytes[at++] = 0x30;
  bytes[at++] = 0x30;
  bytes[at++] = HEX.charCodeAt(byte >> 4);
  bytes[at++] = HEX.charCodeAt(byte & 15);
  return at;
}
