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
  const { rowCount } = block;
  const nulls = block.nulls === null ? null : cut(block.nulls, (rowCount + 7) >> 3);
  if ("bytes" in block) {
    const bytes = cut(block.bytes, block.offsets[rowCount]);
    return { ...block, nulls, bytes, offsets: cut(block.offsets, rowCount + 1) };
  }
  if ("elements" in block) {
    return { ...block, nulls, offsets: cut(block.offsets, rowCount + 1), elements: detachBlock(block.elements, cut) };
  }
  if ("keys" in block) {
    const keys = detachBlock(block.keys, cut), values = detachBlock(block.values, cut);
    return { ...block, nulls, offsets: cut(block.offsets, rowCount + 1), keys, values };
  }
  return { ...block, nulls, values: cut(block.values, rowCount) };
}
