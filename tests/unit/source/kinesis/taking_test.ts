import { assertEquals, assertLessOrEqual } from "@std/assert";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { type Lease, parseLease } from "../../../../src/source/kinesis/leases/lease.ts";
import { chooseLeases, LeaseObserver } from "../../../../src/source/kinesis/leases/taking.ts";

const F = 10_000;

function lease(key: string, owner?: string, counter = 1, checkpoint = "TRIM_HORIZON"): Lease {
  return parseLease({
    leaseKey: { S: key },
    leaseCounter: { N: String(counter) },
    checkpoint: { S: checkpoint },
    ...(owner === undefined ? {} : { leaseOwner: { S: owner } }),
  })!;
}

/** "a" has 3 leases, ... */
function owned(loads: Readonly<Record<string, number>>): Lease[] {
  return Object.entries(loads).flatMap(([owner, count]) =>
    Array.from({ length: count }, (_, i) => lease(`${owner}-${i}`, owner === "nobody" ? undefined : owner))
  );
}

function choose(leases: readonly Lease[], { ageMs = 0, maxLeases = Infinity } = {}) {
  const observer = new LeaseObserver(F);
  observer.observe(leases, 1000);
  observer.observe(leases, 1000 + ageMs);
  const held = new Set(leases.filter(({ owner }) => owner === "me").map(({ key }) => key));
  return chooseLeases({ leases, observer, workerId: "me", held, maxLeases, random: new SeededRandom(1) });
}

const owners = (leases: readonly Lease[]) => leases.map(({ owner }) => owner ?? "nobody");

Deno.test("a worker takes what nobody owns, up to its part", () => {
  const cases: [Record<string, number>, number][] = [
    [{ nobody: 4 }, 4],
    [{ nobody: 4, a: 4 }, 4],
    [{ nobody: 1, a: 4 }, 1],
    [{ nobody: 3, a: 1, b: 1, c: 1 }, 2],
    [{ nobody: 3, a: 1, b: 1, me: 2 }, 1],
    [{ nobody: 1, a: 1, b: 1, me: 1 }, 1],
    [{ nobody: 1, a: 1, b: 1, me: 2 }, 0],
  ];
  for (const [loads, count] of cases) {
    assertEquals(owners(choose(owned(loads)).take), Array(count).fill("nobody"), JSON.stringify(loads));
  }
});

Deno.test("a worker steals one lease at a time, from the most loaded, when that is worth it", () => {
  const cases: [Record<string, number>, string[]][] = [
    [{ a: 8 }, ["a"]],
    [{ a: 3, b: 5 }, ["b"]],
    [{ a: 3, me: 1 }, ["a"]],
    [{ a: 3, me: 2 }, []],
    [{ a: 2, b: 2, me: 1 }, []],
    [{ a: 2 }, ["a"]],
    // The only leases of others stay: taking them would move them on for ever.
    [{ a: 1 }, []],
    [{ a: 1, b: 1 }, []],
    [{ me: 4 }, []],
    // Nothing is stolen while something is free.
    [{ a: 8, nobody: 1 }, ["nobody"]],
  ];
  for (const [loads, expected] of cases) {
    assertEquals(owners(choose(owned(loads)).take), expected, JSON.stringify(loads));
  }
});

Deno.test("a lease is free once its counter has stood still for longer than the failover time", () => {
  assertEquals(owners(choose(owned({ a: 4 }), { ageMs: F }).take), ["a"]); // stolen
  assertEquals(choose(owned({ a: 4 }), { ageMs: F + 1 }).take.length, 4); // expired, and a is no worker any more
  assertEquals(choose(owned({ a: 4 }), { ageMs: F + 1 }).workerCount, 1);
});

Deno.test("leases that are very old are taken whatever the part", () => {
  const leases = [lease("old", "dead"), ...owned({ me: 3 })];
  const observer = new LeaseObserver(F);
  observer.observe(leases, 0);
  const renewed = [leases[0], ...leases.slice(1), lease("b", "b")];
  observer.observe(renewed, 3 * F + 1);
  const held = new Set(owned({ me: 3 }).map(({ key }) => key));
  const input = { leases: renewed, observer, workerId: "me", held, random: new SeededRandom(1) };
  assertEquals(chooseLeases({ ...input, maxLeases: Infinity }).take.map(({ key }) => key), ["old"]);
  assertEquals(chooseLeases({ ...input, maxLeases: 3 }).take, []);
});

Deno.test("a worker takes no more than its limit, and no shard that has ended", () => {
  assertEquals(choose(owned({ nobody: 9 }), { maxLeases: 2 }).take.length, 2);
  assertEquals(choose(owned({ a: 9, me: 2 }), { maxLeases: 2 }).take.length, 0);
  assertEquals(choose([lease("x", undefined, 1, "SHARD_END")]).take, []);
});

Deno.test("a lease that is handed over is neither free nor stolen until it expires", () => {
  const leases = owned({ a: 4 }).map((lease) => ({ ...lease, checkpointOwner: "b" }));
  assertEquals(choose(leases).take, []);
  const unowned = [{ ...lease("x"), checkpointOwner: "b" }];
  assertEquals(choose(unowned).take, []);
  assertEquals(choose(unowned, { ageMs: F + 1 }).take.length, 1);
});

Deno.test("workers that take turns come to equal parts, and then to rest", () => {
  for (const [workers, count] of [[4, 8], [3, 10], [5, 3], [7, 100]]) {
    const random = new SeededRandom(workers);
    const leases = owned({ nobody: count });
    let changes = 1, rounds = 0;
    for (; changes > 0 && rounds < 200; rounds++) {
      changes = 0;
      for (let w = 0; w < workers; w++) {
        const workerId = `w${w}`;
        const observer = new LeaseObserver(F);
        observer.observe(leases, 0);
        const held = new Set(leases.filter(({ owner }) => owner === workerId).map(({ key }) => key));
        const { take } = chooseLeases({ leases, observer, workerId, held, maxLeases: Infinity, random });
        for (const { key } of take) {
          const at = leases.findIndex((lease) => lease.key === key);
          leases[at] = { ...leases[at], owner: workerId };
          changes++;
        }
      }
    }
    assertLessOrEqual(rounds, 199);
    const loads = Array.from({ length: workers }, (_, w) => leases.filter(({ owner }) => owner === `w${w}`).length);
    assertLessOrEqual(Math.max(...loads) - Math.min(...loads), 1);
  }
});
