import { release } from "../runtime/release.ts";
import type { EncodedPiece } from "./piece.ts";

/** Pieces of fewer bytes share buffers: one costs some hundred bytes of its own, and a hand-over to another isolate. */
const SMALL_BYTES = 16 << 10;
/** Bytes of a shared buffer, about. */
const PACK_BYTES = 256 << 10;

/** The same pieces in the same order; small ones are moved into buffers that they share, each as large as its pieces. */
export function packPieces(pieces: readonly EncodedPiece[]): EncodedPiece[] {
  const packed = [...pieces];
  let small: number[] = [], byteLength = 0;
  const pack = () => {
    if (small.length > 1) moveTogether(packed, small, byteLength);
    small = [];
    byteLength = 0;
  };
  pieces.forEach(({ bytes }, i) => {
    if (bytes.length >= SMALL_BYTES) return;
    small.push(i);
    byteLength += bytes.length;
    if (byteLength >= PACK_BYTES) pack();
  });
  pack();
  return packed;
}

function moveTogether(pieces: EncodedPiece[], indexes: readonly number[], byteLength: number): void {
  const shared = new Uint8Array(byteLength);
  let at = 0;
  for (const i of indexes) {
    const { bytes } = pieces[i];
    shared.set(bytes, at);
    pieces[i] = { ...pieces[i], bytes: shared.subarray(at, at + bytes.length) };
    at += bytes.length;
    release(bytes);
  }
}
