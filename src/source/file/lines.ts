/** Lines that stand one after the other, and where they are in their stream. The arrays belong to whoever gets them. */
export interface Lines {
  /** Stream offsets: of the first byte after the lines before, and of the first byte after these. */
  readonly start: number;
  readonly next: number;
  readonly rowCount: number;
  /** The lines without their line ends. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Length rowCount + 1. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  /** Stream offset of each line's first byte. Length rowCount. */
  readonly positions: BigInt64Array<ArrayBuffer>;
  /** How many bytes the line has, where it is a single one of which only the beginning is here. */
  readonly cutLength?: number;
}

const CR = 13;
const TWO_32 = 2 ** 32;

/** Where the line's own bytes end: before "\n", or before "\r\n". `lineFeed` is the index of the line feed. */
export function contentEnd(bytes: Uint8Array, start: number, lineFeed: number): number {
  return lineFeed > start && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
}

/**
 * Moves lines together, in place, over their line ends.
 *
 * @param head index of the first line's first byte; `position` is its stream offset.
 * @param lineFeeds index of each line's line feed, plus `shift`.
 */
export function squeezeLines(
  bytes: Uint8Array<ArrayBuffer>,
  { head, position, lineFeeds, shift }: { head: number; position: number; lineFeeds: Int32Array; shift: number },
): Pick<Lines, "rowCount" | "bytes" | "offsets" | "positions"> {
  const rowCount = lineFeeds.length;
  const offsets = new Uint32Array(rowCount + 1);
  const positions = new BigInt64Array(rowCount);
  const words = new Uint32Array(positions.buffer); // writing halves (little-endian) spares a BigInt a row
  let from = head, to = head;
  for (let row = 0; row < rowCount; row++) {
    const lineFeed = lineFeeds[row] - shift;
    const end = contentEnd(bytes, from, lineFeed);
    const rowPosition = position + (from - head);
    words[2 * row] = rowPosition >>> 0;
    words[2 * row + 1] = rowPosition / TWO_32;
    if (to !== from) bytes.copyWithin(to, from, end);
    to += end - from;
    offsets[row + 1] = to - head;
    from = lineFeed + 1;
  }
  return { rowCount, bytes: bytes.subarray(head, to), offsets, positions };
}

/** A single line of `byteLength` bytes. `range` is what it covers in the stream, line end and all. */
export function oneLine(
  range: { start: number; next: number; position: number },
  bytes: Uint8Array<ArrayBuffer>,
  byteLength = bytes.length,
): Lines {
  return {
    start: range.start,
    next: range.next,
    rowCount: 1,
    bytes,
    offsets: Uint32Array.of(0, bytes.length),
    positions: BigInt64Array.of(BigInt(range.position)),
    ...(byteLength > bytes.length && { cutLength: byteLength }),
  };
}
