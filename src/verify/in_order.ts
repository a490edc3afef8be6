/**
 * Does the work for each item, at most `most` at a time, and gives the results in the order of the items. Items are asked for
 * as there is room, so that neither they nor the results pile up. When it ends early, it waits for the work under way.
 */
export async function* mapInOrder<Item, Result>(
  items: AsyncIterable<Item>,
  most: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const pending: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const result = work(item);
      result.catch(() => {}); // whoever awaits it gets the error
      pending.push(result);
      if (pending.length >= most) yield await pending.shift()!;
    }
    while (pending.length > 0) yield await pending.shift()!;
  } finally {
    await Promise.allSettled(pending);
  }
}
