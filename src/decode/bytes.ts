/** The bytes that JSON's grammar is made of. */
export const TAB = 0x09, LINE_FEED = 0x0a, CARRIAGE_RETURN = 0x0d, SPACE = 0x20;
export const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a, SLASH = 0x2f;
export const LEFT_BRACE = 0x7b, RIGHT_BRACE = 0x7d, LEFT_BRACKET = 0x5b, RIGHT_BRACKET = 0x5d;
export const MINUS = 0x2d, PLUS = 0x2b, DOT = 0x2e, ZERO = 0x30, NINE = 0x39;
export const UPPER_E = 0x45, LOWER_E = 0x65, LOWER_F = 0x66, LOWER_N = 0x6e, LOWER_T = 0x74, LOWER_U = 0x75;
/** "null", "true" and "fals" as little-endian 32-bit words. */
export const WORD_NULL = 0x6c6c756e, WORD_TRUE = 0x65757274, WORD_FALS = 0x736c6166;

/** What each byte means after a backslash: the character, or 0 when nothing does ("u" is not in it). */
export const UNESCAPED: Uint8Array = new Uint8Array(256);
for (const [name, byte] of [['"', 34], ["\\", 92], ["/", 47], ["b", 8], ["f", 12], ["n", 10], ["r", 13], ["t", 9]]) {
  UNESCAPED[(name as string).charCodeAt(0)] = byte as number;
}

/** The value of a hexadecimal digit, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
