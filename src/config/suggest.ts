/** "Did you mean ...?": the nearest of the names that would have been right. */

/** Separators and letter case are what people get wrong first, so they don't count as a difference. */
function normalize(name: string): string {
  return name.toLowerCase().replace(/[._-]+/g, ".");
}

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`: optimal string alignment. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length];
}

/**
 * The candidate that `name` was probably meant to be: fewest edits, at most `maxDistance` (default: one in four
 * characters, at least one); else the only one that ends in it ("s3-bucket" -> "target.aws.s3-bucket").
 */
export function nearest(name: string, candidates: Iterable<string>, maxDistance?: number): string | undefined {
  const wanted = normalize(name);
  const limit = maxDistance ?? Math.max(1, Math.floor(wanted.length / 4));
  const names = [...candidates];
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of names) {
    const distance = editDistance(wanted, normalize(candidate));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  if (best !== undefined || maxDistance !== undefined) return best;
  const endings = names.filter((candidate) => normalize(candidate).endsWith(`.${wanted}`));
  return endings.length === 1 ? endings[0] : undefined;
}
