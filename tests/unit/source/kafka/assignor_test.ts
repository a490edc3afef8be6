import { assert, assertEquals } from "@std/assert";
import {
  assign,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type Member,
  type Strategy,
} from "../../../../src/source/kafka/group/assignor.ts";
import { SeededRandom } from "../../../../src/runtime/random.ts";

function member(memberId: string, topics: string[], owned: [string, number][] = []): Member {
  return { memberId, topics, owned: owned.map(([topic, partition]) => ({ topic, partition })) };
}

function shares(strategy: Strategy, members: Member[], counts: Record<string, number>): Record<string, string> {
  const partitionsOf = new Map(
    Object.entries(counts).map(([topic, n]) => [topic, Array.from({ length: n }, (_, i) => i)]),
  );
  return Object.fromEntries(
    [...assign(strategy, members, partitionsOf)].map(([id, partitions]) => [
      id,
      partitions.map(({ topic, partition }) => `${topic}${partition}`).join(" "),
    ]),
  );
}

Deno.test("range gives each member a run of each topic, the first ones one more", () => {
  assertEquals(shares("range", [member("b", ["x", "y"]), member("a", ["x", "y"])], { x: 3, y: 3 }), {
    a: "x0 x1 y0 y1",
    b: "x2 y2",
  });
  assertEquals(shares("range", [member("a", ["x"]), member("b", ["x", "y"])], { x: 2, y: 2 }), {
    a: "x0",
    b: "x1 y0 y1",
  });
  assertEquals(shares("range", [member("a", ["x"]), member("b", ["x"]), member("c", ["x"])], { x: 1 }), {
    a: "x0",
    b: "",
    c: "",
  });
});

Deno.test("roundrobin deals the partitions of all topics in turn, to those who read them", () => {
  assertEquals(shares("roundrobin", [member("a", ["x", "y"]), member("b", ["x", "y"])], { x: 3, y: 3 }), {
    a: "x0 x2 y1",
    b: "x1 y0 y2",
  });
  assertEquals(shares("roundrobin", [member("a", ["x"]), member("b", ["y"])], { x: 1, y: 3 }), {
    a: "x0",
    b: "y0 y1 y2",
  });
});

Deno.test("cooperative-sticky moves as little as it can, and nothing from hand to hand", () => {
  const a = member("a", ["x"], [["x", 0], ["x", 1], ["x", 2], ["x", 3]]), b = member("b", ["x"]);
  assertEquals(shares("cooperative-sticky", [a, b], { x: 4 }), { a: "x0 x1", b: "" });
  assertEquals(shares("cooperative-sticky", [member("a", ["x"], [["x", 0], ["x", 1]]), b], { x: 4 }), {
    a: "x0 x1",
    b: "x2 x3",
  });
  assertEquals(shares("cooperative-sticky", [member("a", ["x"], [["x", 0]])], { x: 3 }), { a: "x0 x1 x2" });
});

Deno.test("cooperative-sticky comes to rest with everything given out, evenly and once", () => {
  const random = new SeededRandom(9);
  for (let run = 0; run < 100; run++) {
    const count = 1 + Math.floor(random.next() * 30);
    let members = Array.from({ length: 1 + Math.floor(random.next() * 6) }, (_, i) => member(`m${i}`, ["x"]));
    for (let change = 0; change < 3; change++) {
      if (random.next() < 0.5) members = members.slice(1).length > 0 ? members.slice(1) : members;
      else members = [...members, member(`n${run}-${change}`, ["x"])];
      for (let round = 0; round < 3; round++) {
        const partitionsOf = new Map([["x", Array.from({ length: count }, (_, i) => i)]]);
        const assigned = assign("cooperative-sticky", members, partitionsOf);
        const owners = new Map(
          members.flatMap(({ memberId, owned }) => owned.map(({ partition }) => [partition, memberId])),
        );
        for (const [memberId, partitions] of assigned) {
          for (const { partition } of partitions) {
            assert((owners.get(partition) ?? memberId) === memberId, "a partition went from hand to hand");
          }
        }
        members = members.map((one) => ({ ...one, owned: assigned.get(one.memberId)! }));
      }
      const all = members.flatMap(({ owned }) => owned.map(({ partition }) => partition)).sort((p, q) => p - q);
      assertEquals(all, Array.from({ length: count }, (_, i) => i));
      const sizes = members.map(({ owned }) => owned.length);
      assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `uneven: ${sizes}`);
    }
  }
});

Deno.test("subscriptions and assignments are read as they were written, Java's too", () => {
  const subscription = { topics: ["x", "yy"], owned: [{ topic: "x", partition: 3 }] };
  assertEquals(decodeSubscription(encodeSubscription(subscription)), subscription);
  // Version 0, no user data: what old Java clients send.
  const old = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 1, 0x78, 0xff, 0xff, 0xff, 0xff);
  assertEquals(decodeSubscription(old), { topics: ["x"], owned: [] });
  const partitions = [{ topic: "x", partition: 1 }, { topic: "x", partition: 2 }];
  assertEquals(decodeAssignment(encodeAssignment(partitions, { earliestTopics: ["x"] })), {
    partitions,
    hints: { earliestTopics: ["x"] },
  });
  const java = Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 1, 0x78, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff);
  assertEquals(decodeAssignment(java), { partitions: [{ topic: "x", partition: 2 }], hints: null });
  assertEquals(decodeAssignment(new Uint8Array(0)), { partitions: [], hints: null });
});
