import type { Block } from "./block.ts";
import type { Page } from "./page.ts";

type TypedArray = Uint8Array | Uint32Array | Int32Array | Float64Array | BigInt64Array;

/** Pages that own their memory, and what to name in `postMessage` so that it moves instead of being copied. */
export interface DetachedPages {
  readonly pages: Page[];
  readonly transfer: ArrayBuffer[];
}

/** Copies pages out of the builders' arrays into new ones of exactly the needed length, each with its own buffer. */
export function detachPages(pages: readonly Page[]): DetachedPages {
  const transfer: ArrayBuffer[] = [];
  const cut = <A extends TypedArray>(array: A, length: number): A => {
    const copy = array.slice(0, length) as A;
    transfer.push(copy.buffer as ArrayBuffer);
    return copy;
  };
  return {
    pages: pages.map((page) => ({
      ...page,
      blocks: page.blocks.map((block) => detachBlock(block, cut)),
      eventTimes: cut(page.eventTimes, page.positionCount),
      arrivalTimes: cut(page.arrivalTimes, page.positionCount),
    })),
    transfer,
  };
}

type Cut = <A extends TypedArray>(array: A, length: number) => A;

function detachBlock<B extends Block>(block: B, cut: Cut): B {
  const { valueCount } = block;
  const rows = block.rows === null ? null : cut(block.rows, valueCount);
  if (!("offsets" in block)) return { ...block, rows, values: cut(block.values, valueCount) };
  const offsets = cut(block.offsets, valueCount + 1);
  if ("bytes" in block) return { ...block, rows, bytes: cut(block.bytes, offsets[valueCount]), offsets };
  if ("elements" in block) return { ...block, rows, offsets, elements: detachBlock(block.elements, cut) };
  return { ...block, rows, offsets, keys: detachBlock(block.keys, cut), values: detachBlock(block.values, cut) };
}
