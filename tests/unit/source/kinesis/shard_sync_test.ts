import { assertEquals } from "@std/assert";
import type { Shard } from "../../../../src/source/kinesis/aws/kinesis_api.ts";
import { type Lease, parseLease } from "../../../../src/source/kinesis/leases/lease.ts";
import { unreadShards } from "../../../../src/source/kinesis/leases/stale_leases.ts";
import { finishedLeases, initialShards, neededShards } from "../../../../src/source/kinesis/leases/shard_sync.ts";

/** "c<a,b" is c, whose parents are a and b; a shard that is nobody's parent is open. */
function stream(...texts: readonly string[]): Shard[] {
  const parents = new Set(texts.flatMap((text) => text.split("<")[1]?.split(",") ?? []));
  return texts.map((text) => {
    const [id, from] = text.split("<");
    return { id, parents: from?.split(",") ?? [], open: !parents.has(id), startingHashKey: "0", endingHashKey: "1" };
  });
}

/** "a" has been begun, "a." has ended, "a-" has not been begun. */
function table(...texts: readonly string[]): Lease[] {
  return texts.map((text) =>
    parseLease({
      leaseKey: { S: text.replace(/\W/, "") },
      leaseCounter: { N: "1" },
      checkpoint: { S: text.endsWith(".") ? "SHARD_END" : text.endsWith("-") ? "TRIM_HORIZON" : "100" },
    })!
  );
}

const NONE = new Set<string>();

function needed(shards: readonly Shard[], leases: readonly Lease[], type: "TRIM_HORIZON" | "LATEST" = "TRIM_HORIZON") {
  const found = neededShards(shards, leases, initialShards(shards, type, NONE));
  return [...found].map(([id, why]) => `${id} ${why}`);
}

const FAMILY = stream("a", "b", "c<a,b", "d<c", "e<c", "f");

Deno.test("an empty table gets the shards of the initial position", () => {
  assertEquals(needed(FAMILY, []), ["a initial", "b initial", "f initial"]);
  assertEquals(needed(FAMILY, [], "LATEST"), ["d initial", "e initial", "f initial"]);
  assertEquals([...initialShards(FAMILY, "AT_TIMESTAMP", new Set(["c", "d", "e", "f"]))], ["c", "f"]);
  assertEquals([...initialShards(FAMILY, "AT_TIMESTAMP", NONE)], ["a", "b", "f"]);
  // Parents that have left the stream don't count.
  assertEquals(needed(stream("c<a,b", "d<c"), []), ["c initial"]);
});

Deno.test("below an ended shard its child is needed, and only the first level", () => {
  assertEquals(needed(FAMILY, table("a.", "b.", "f")), ["c child"]);
  assertEquals(needed(FAMILY, table("a.", "b.", "c.", "f")), ["d child", "e child"]);
  assertEquals(needed(FAMILY, table("a.", "b.", "c.", "d", "f")), ["e child"]);
});

Deno.test("a shard that has not ended creates its children itself", () => {
  assertEquals(needed(FAMILY, table("a", "b", "f")), []);
  assertEquals(needed(FAMILY, table("a", "b", "f"), "LATEST"), []);
  assertEquals(needed(FAMILY, table("c", "f")), []);
});

Deno.test("a merged shard is not created before its other parent has a lease", () => {
  const shards = stream("a", "p", "b<p", "c<a,b", "x<p");
  assertEquals(needed(shards, table("a.", "p", "x")), ["b child", "c child"]);
  assertEquals(needed(stream("a", "b", "c<a,b"), table("a.")), ["b initial", "c child"]);
});

Deno.test("a shard without any lease among its ancestors starts at the initial position", () => {
  assertEquals(needed(FAMILY, table("f")), ["a initial", "b initial"]);
  assertEquals(needed(FAMILY, table("f"), "LATEST"), ["d initial", "e initial"]);
});

Deno.test("nothing is needed when every open shard has its lease", () => {
  assertEquals(needed(FAMILY, table("d", "e", "f")), []);
  assertEquals(needed(FAMILY, table("c.", "d-", "e-", "f"), "LATEST"), []);
});

Deno.test("an ended lease goes when all its children have begun, or its shard has left the stream", () => {
  const finished = (...texts: string[]) => finishedLeases(FAMILY, table(...texts)).map(({ key }) => key);
  assertEquals(finished("c.", "d", "e"), ["c"]);
  assertEquals(finished("c.", "d", "e-"), []);
  assertEquals(finished("c.", "d"), []);
  assertEquals(finished("c.", "d.", "e"), ["c"]);
  assertEquals(finished("c", "d", "e"), []);
  assertEquals(finished("d."), []); // its children are not listed yet
  assertEquals(finished("gone.", "f"), ["gone"]);
  assertEquals(finished("gone", "f"), []);
});

Deno.test("ancestors without leases are found once, however many ways lead up to them", () => {
  const texts = ["a", "b0"];
  for (let i = 0; i < 40; i++) texts.push(`x${i}<b${i}`, `y${i}<b${i}`, `b${i + 1}<x${i},y${i}`);
  const found = needed(stream(...texts, "m<a,b40"), table("a."));
  assertEquals([found.length, found[0], found[1], found.at(-1)], [122, "b0 initial", "x0 child", "m child"]);
});

Deno.test("an open shard with an ended lease is noticed, and is read anew once its row is deleted", () => {
  assertEquals(unreadShards(FAMILY, table("c.", "d.", "e", "f.")), ["d", "f"]);
  assertEquals(unreadShards(FAMILY, table("c.", "d", "e-", "f")), []);
  assertEquals(needed(FAMILY, table("c.", "d.", "e", "f.")), []);
  assertEquals(needed(FAMILY, table("c.", "e")), ["d child", "f initial"]);
  // The list is late: it shows a shard as open that has children.
  const late = FAMILY.map((shard) => ({ ...shard, open: true }));
  assertEquals(unreadShards(late, table("c.", "d", "e", "f")), []);
});
