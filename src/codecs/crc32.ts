/**
 * The CRC-32 of two byte strings set together, from the CRCs of each: what makes one gzip member out of pieces that were
 * compressed apart. Appending n bytes multiplies the CRC, a polynomial over GF(2), by x^(8n) modulo the CRC's polynomial; as
 * in zlib's crc32_combine (crc32.c, 1.2.12).
 */

/** The CRC's polynomial; polynomials are bit-reflected, so x^0 is the highest bit. */
const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;

/** a * b modulo the polynomial. Neither is 0 as a polynomial here, though 0 works. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= b;
    b = (b & 1) !== 0 ? (b >>> 1) ^ POLYNOMIAL : b >>> 1;
  }
  return product >>> 0;
}

/** x^(2^i) modulo the polynomial, i from 0 to 31; then they repeat, since x^(2^32) is x. */
const SQUARES = new Uint32Array(32);
SQUARES[0] = ONE >>> 1;
for (let i = 1; i < 32; i++) SQUARES[i] = multiply(SQUARES[i - 1], SQUARES[i - 1]);

/** x^(8 * byteLength) modulo the polynomial. */
function shift(byteLength: number): number {
  let power = ONE;
  // 8 is 2^3: the lowest bit of the length stands for x^(2^3). Lengths may pass 2^32, so no bit operations on them.
  for (let i = 3; byteLength > 0; i++) {
    if (byteLength % 2 === 1) power = multiply(SQUARES[i & 31], power);
    byteLength = Math.floor(byteLength / 2);
  }
  return power;
}

/**
 * The CRC-32 of a followed by b.
 *
 * @param secondByteLength length of b, any safe integer.
 */
export function combineCrc32(first: number, second: number, secondByteLength: number): number {
  return (multiply(shift(secondByteLength), first) ^ second) >>> 0;
}
