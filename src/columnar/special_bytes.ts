/**
 * Bit 7 of every byte of a little-endian word that can't stand in a string as it is: quote, backslash, control
 * character, part of a character beyond ASCII. Exact for the lowest such byte; higher ones may be false.
 *
 * Flipping bit 1 swaps quote and blank, so one comparison ("less than 0x21") finds quotes and control characters; bytes
 * beyond ASCII, for which the subtractions tell nothing, are special anyway. (After "Bit Twiddling Hacks", determine if
 * a word has a byte less than n.)
 */
export function specialBytes(word: number): number {
  return (((word ^ 0x02020202) - 0x21212121) | ((word ^ 0x5c5c5c5c) - 0x01010101) | word) & 0x80808080;
}
