/**
 * -1, 0 or 1 as key `a` comes before, at or after `b` in a listing: by the bytes of their UTF-8, as stores sort. That is by
 * code points; JavaScript's own order is by UTF-16 units, where U+FF5E comes after U+1F600.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i), y = b.charCodeAt(i);
    if (x !== y) return rank(x) < rank(y) ? -1 : 1;
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
}

/** Surrogates stand for code points beyond all others: they go behind the units U+E000 to U+FFFF. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x10000 : unit;
}
