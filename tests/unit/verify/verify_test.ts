import { sealed } from "../../../src/runtime/sealed_json.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Gap } from "../../../src/records/gap.ts";
import { RetriableError } from "../../../src/runtime/errors.ts";
import type { Depth } from "../../../src/verify/contents.ts";
import type { VerifyReport } from "../../../src/verify/report.ts";
import { MemoryTarget } from "../../support/memory_target.ts";
import { AuditWorld, sha256 } from "./audit_world.ts";

const P1 = "p/u1-0000.ndjson.gz", P2 = "p/u2-0000.ndjson.gz";
const M1 = "_manifests/a/u1.json", M2 = "_manifests/a/u2.json";
const LETTERS = "_dead-letters/u2.ndjson.gz";

/** Two units that follow each other in two splits, the second one with dead letters. */
function world(): AuditWorld {
  const world = new AuditWorld();
  world.addUnit({ name: "u1", ranges: [["a/0", 0, 100], ["a/1", 0, 50]] });
  world.addUnit({ name: "u2", ranges: [["a/0", 100, 250], ["b/0", 5, 10]], deadLetters: 3, compression: "zstd" });
  return world;
}

function kinds({ findings }: VerifyReport): string[] {
  return findings.map(({ kind, key, split }) => `${kind} ${key ?? split ?? ""}`.trim());
}

Deno.test("an audit of what a collector wrote finds nothing, and counts it", async () => {
  for (const depth of ["listing", "checksums", "deep"] as const) {
    const report = await world().audit({ depth });
    assertEquals(kinds(report), []);
    assertEquals(report.outcome, "ok");
    assertEquals(report.manifests, 2);
    assertEquals([report.objects.objects, report.objects.good, report.deadLetterObjects.objects], [2, 2, 1]);
    assertEquals(report.totals, { records: 305, rows: 302, deadLetters: 3, dropped: 0 });
    assertEquals(report.splits.map(({ split, covered, units }) => [split, covered, units]), [
      ["a/0", [{ start: "0", next: "250" }], 2],
      ["a/1", [{ start: "0", next: "50" }], 1],
      ["b/0", [{ start: "5", next: "10" }], 1],
    ]);
  }
});

/** What is done to a sound world, the least depth at which it shows, and what is found then. */
const DAMAGE: Record<string, [(world: AuditWorld) => void, Depth, string[]]> = {
  "a missing object": [({ target }) => target.objects.delete(P1), "listing", [`missing-object ${P1}`]],
  "a cut object": [
    ({ target }) => target.objects.set(P1, target.objects.get(P1)!.slice(0, -1)),
    "listing",
    [`wrong-size ${P1}`],
  ],
  "a changed byte": [({ target }) => target.objects.get(P1)![20] ^= 1, "checksums", [`wrong-checksum ${P1}`]],
  "a changed byte in a zstd object": [
    ({ target }) => target.objects.get(P2)![20] ^= 1,
    "checksums",
    [`wrong-checksum ${P2}`],
  ],
  "a row fewer than the manifest says": [
    (world) =>
      world.edit(M1, (m) => {
        m.ranges[0].rows++, m.ranges[0].records++, m.objects[0].rows++;
      }),
    "deep",
    [`wrong-rows ${P1}`],
  ],
  "other bytes than the manifest says": [
    (world) => world.edit(M1, (m) => m.objects[0].rawByteLength++),
    "deep",
    [`wrong-rows ${P1}`],
  ],
  "missing dead letters": [
    ({ target }) => target.objects.delete(LETTERS),
    "listing",
    [`missing-dead-letters ${LETTERS}`],
  ],
  "cut dead letters": [
    ({ target }) => target.objects.set(LETTERS, target.objects.get(LETTERS)!.slice(1)),
    "listing",
    [`wrong-size ${LETTERS}`],
  ],
  "changed dead letters": [
    ({ target }) => target.objects.get(LETTERS)![12] ^= 1,
    "checksums",
    [`wrong-checksum ${LETTERS}`],
  ],
  "a manifest that is no JSON": [
    (world) => world.putText("_manifests/a/u3.json", '{"version":1,'),
    "listing",
    ["damaged-manifest _manifests/a/u3.json"],
  ],
  "a manifest whose counts can't be": [
    (world) => world.edit(M1, (m) => m.ranges[0].records++),
    "listing",
    [`wrong-counts ${M1}`],
  ],
  "a missing manifest in the middle": [
    (world) => {
      world.addUnit({ name: "u3", ranges: [["a/0", 250, 300]] });
      world.target.objects.delete(M2);
    },
    "listing",
    ["gap a/0", "unlisted-object p/u2-0000.ndjson.gz"],
  ],
};

for (const [title, [damage, depth, expected]] of Object.entries(DAMAGE)) {
  Deno.test(`an audit finds ${title}`, async () => {
    const depths = ["listing", "checksums", "deep"] as const;
    for (const looked of depths) {
      const damaged = world();
      damage(damaged);
      const report = await damaged.audit({ depth: looked });
      const seen = depths.indexOf(looked) >= depths.indexOf(depth);
      assertEquals(kinds(report), seen ? expected : []);
      assertEquals(report.outcome, seen ? "incomplete" : "ok");
      const bad = report.objects.objects - report.objects.good + report.deadLetterObjects.objects -
        report.deadLetterObjects.good;
      assertEquals(bad, seen && /object|letters|size|checksum|rows/.test(expected[0]) ? 1 : 0);
    }
  });
}

Deno.test("an audit says which object is damaged although its checksum is right", async () => {
  const sound = new AuditWorld();
  sound.addUnit({ name: "u1", ranges: [["a/0", 0, 100]], compression: "none" });
  assertEquals((await sound.audit({ depth: "deep" })).outcome, "ok");
  for (const bytes of [Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3), new TextEncoder().encode("row\n{half")]) {
    sound.target.objects.set(P1, bytes);
    sound.edit(M1, (m) => {
      Object.assign(m.objects[0], {
        byteLength: bytes.length,
        sha256: sha256(bytes),
      });
    });
    assertEquals(kinds(await sound.audit({ depth: "deep" })), [`damaged-contents ${P1}`]);
    assertEquals((await sound.audit({ depth: "checksums" })).outcome, "ok");
  }
});

Deno.test("an audit finds committed positions beyond the manifests, and splits in no manifest", async () => {
  const committed = (
    ...positions: [string, string][]
  ) => ({ kind: "compared", positions: new Map(positions) } as const);
  assertEquals(
    (await world().audit({ committed: committed(["a/0", "250"], ["a/1", "10"], ["c/0", "0"]) })).outcome,
    "ok",
  );
  const beyond = await world().audit({ committed: committed(["a/0", "251"], ["c/0", "1"]) });
  assertEquals(kinds(beyond), ["committed-beyond a/0", "uncovered-split c/0"]);
  assertEquals(beyond.outcome, "incomplete");
  assertEquals(beyond.splits[0].split, "a/0", "splits with something wrong come first");
  const accepted = await world().audit({ committed: committed(["c/0", "1"]), acceptUncovered: true });
  assertEquals(accepted.outcome, "ok");
});

Deno.test("an audit finds what a manifest says is lost, unless that is accepted", async () => {
  const lossy = world();
  const gaps: Gap[] = [{ reason: "expired", start: "300", next: "310", records: 10 }, {
    ...{ reason: "skipped", start: "310", next: "320", records: null },
  }];
  lossy.addUnit({ name: "u3", ranges: [["a/0", 250, 400]], gaps });
  const report = await lossy.audit({ depth: "deep" });
  assertEquals(kinds(report), ["expired a/0", "skipped a/0"]);
  assertEquals([report.outcome, report.gone], ["incomplete", { expired: 1, skipped: 1, records: 10, unknown: 1 }]);
  assertStringIncludes(report.findings[0].message, "a/0 from 300 to 310: up to 10 records, ");
  const accepted = await lossy.audit({ acceptLoss: true, strict: true });
  assertEquals([accepted.outcome, kinds(accepted)], ["ok", ["accepted-loss a/0", "accepted-loss a/0"]]);
  lossy.addUnit({ name: "u4", ranges: [["a/0", 300, 320]] });
  const healed = await lossy.audit({ strict: true });
  assertEquals([healed.outcome, kinds(healed)], ["ok", []], "another unit has it after all");
});

Deno.test("an audit that could not look at everything proves nothing", async () => {
  assertEquals(kinds(await new AuditWorld().audit()), ["no-manifests"]);
  assertEquals((await new AuditWorld().audit()).outcome, "undone");
  const unreachable = await world().audit({ committed: { kind: "unreachable", why: "no broker answers" } });
  assertEquals([unreachable.outcome, unreachable.findings[0].message], ["undone", "no broker answers"]);
  const unknown = await world().audit({ committed: { kind: "unknown", why: "nobody knows" } });
  assertEquals([unknown.outcome, kinds(unknown)], ["ok", ["committed-unknown"]]);
  const newer = world();
  newer.edit(M1, (m) => m.version = 2);
  const report = await newer.audit();
  assertEquals(kinds(report), [`newer-manifest ${M1}`, `unlisted-object ${P1}`]);
  assertEquals(report.outcome, "undone");
  assertStringIncludes(report.findings[0].message, "update the collector");
  newer.target.objects.delete(P2);
  assertEquals((await newer.audit()).outcome, "incomplete", "what is missing weighs more");
});

Deno.test("an audit takes one manifest written twice for one, and two manifests of the same records for duplicates", async () => {
  const twice = world();
  twice.addUnit({ name: "u1", ranges: [["a/0", 0, 100], ["a/1", 0, 50]] });
  assertEquals(kinds(await twice.audit()), []);
  twice.target.objects.set("_manifests/a/copy.json", twice.target.objects.get(M1)!);
  const report = await twice.audit({ depth: "deep" });
  assertEquals(kinds(report), ["overlap a/0", "overlap a/1"]);
  assertEquals([report.outcome, report.objects.objects, report.splits[0].overlaps], ["ok", 2, 1]);
  assertEquals((await twice.audit({ strict: true })).outcome, "incomplete");
});

Deno.test("an audit tells what no manifest lists, but not what isn't rows", async () => {
  const stray = world();
  for (const key of ["A/b.gz", "p/stray", "top", "zz/x/y"]) stray.putText(key, "12345");
  for (
    const key of [
      "_x/y",
      ".hidden",
      "p/_temporary/1",
      "p/folder/",
      "_complete/a/dt=1/hour=01.json",
      "_replays/j/1.json.tmp",
    ]
  ) {
    stray.putText(key, "");
  }
  const report = await stray.audit();
  assertEquals(kinds(report), ["A/b.gz", "p/stray", "top", "zz/x/y"].map((key) => `unlisted-object ${key}`));
  assertEquals([report.outcome, report.unlisted], ["ok", { objects: 4, byteLength: 20 }]);
  assertEquals((await stray.audit({ strict: true })).outcome, "incomplete");
});

Deno.test("an audit takes nothing for a manifest that isn't named like one", async () => {
  const strange = world();
  for (const key of ["_manifests/.collector-check", "_manifests/a/u1.json.tmp", "_manifests/README"]) {
    strange.putText(key, "not a manifest");
  }
  const report = await strange.audit();
  assertEquals([kinds(report), report.manifests], [[], 2]);
});

Deno.test("an audit leaves objects to the prefix that has manifests of them", async () => {
  const shared = world();
  for (const [key, bytes] of [...world().target.objects]) {
    for (const prefix of ["replay/one", "A"]) shared.target.objects.set(`${prefix}/${key}`, bytes);
  }
  shared.putText("replay/stray", "x");
  shared.putText("replay/one/stray", "x");
  const report = await shared.audit();
  assertEquals(report.otherPrefixes, ["A", "replay/one"]);
  assertEquals(kinds(report), ["unlisted-object replay/stray"]);
});

Deno.test("an audit finds dead letters where a redrive moved them", async () => {
  const moved = world();
  const archived = "_dead-letters/_redriven/u2.ndjson.gz";
  moved.target.objects.set(archived, moved.target.objects.get(LETTERS)!);
  moved.target.objects.delete(LETTERS);
  for (const depth of ["listing", "deep"] as const) {
    const report = await moved.audit({ depth });
    assertEquals([kinds(report), report.deadLetterObjects], [[], { ...report.deadLetterObjects, objects: 1, good: 1 }]);
  }
  moved.putText(LETTERS, "lines that could not be tried again\n");
  assertEquals(kinds(await moved.audit({ depth: "deep" })), []);
  moved.target.objects.set(archived, moved.target.objects.get(archived)!.slice(1));
  assertEquals(kinds(await moved.audit()), [`wrong-size ${archived}`]);
  moved.target.objects.delete(archived);
  assertEquals(kinds(await moved.audit()), [`wrong-size ${LETTERS}`]);
  moved.target.objects.delete(LETTERS);
  assertEquals(kinds(await moved.audit()), [`missing-dead-letters ${LETTERS}`]);
});

Deno.test("an audit counts redriven dead letters apart, and knows what a later redrive deletes", async () => {
  const redriven = world();
  const name = "redrive-dead-letters-u2";
  redriven.addUnit({ name, ranges: [["redrive:dead-letters/u2.ndjson.gz", 0, 300]], deadLetters: 2 });
  const remade = `_dead-letters/${name}.ndjson.gz`;
  const report = await redriven.audit();
  assertEquals(kinds(report), []);
  assertEquals(report.redriven, { records: 300, rows: 298, deadLetters: 2, dropped: 0, ranges: 1 });
  assertEquals(report.splits.map(({ split }) => split), ["a/0", "a/1", "b/0"]);
  redriven.target.objects.delete(remade);
  assertEquals(kinds(await redriven.audit()), [`missing-dead-letters ${remade}`]);
  redriven.addUnit({ name: "redrive-dead-letters-r", ranges: [[`redrive:dead-letters/${name}.ndjson.gz`, 0, 20]] });
  assertEquals(kinds(await redriven.audit()), []);
});

Deno.test("an audit looks for dead letters in their own directory", async () => {
  const apart = new AuditWorld();
  apart.letters = new MemoryTarget();
  apart.addUnit({ name: "u1", ranges: [["a/0", 0, 100]], deadLetters: 4 });
  apart.addUnit({ name: "u2", ranges: [["a/0", 100, 200]], deadLetters: 1 });
  assertEquals(kinds(await apart.audit({ depth: "deep" })), []);
  apart.letters.objects.set("_redriven/u1.ndjson.gz", apart.letters.objects.get("u1.ndjson.gz")!);
  apart.letters.objects.delete("u1.ndjson.gz");
  assertEquals(kinds(await apart.audit({ depth: "deep" })), []);
  apart.letters.objects.delete("u2.ndjson.gz");
  const report = await apart.audit();
  assertEquals(kinds(report), ["missing-dead-letters u2.ndjson.gz"]);
  assertStringIncludes(report.findings[0].message, "dead-letter.directory on this machine");
});

Deno.test("an audit knows the hours of which something is lost", async () => {
  const lossy = new AuditWorld();
  for (let hour = 0; hour < 6; hour++) {
    lossy.addUnit({ name: `u${hour}`, ranges: [["a/0", 100 * hour, 100 * hour + 100]] });
  }
  const lost = async () => {
    const { losses } = await lossy.audit();
    return [0, 1, 2, 3, 4, 5, 6].filter((hour) => losses.has(hour));
  };
  assertEquals(await lost(), []);
  lossy.target.objects.delete("p/u2-0000.ndjson.gz");
  lossy.target.objects.set("p/u4-0000.ndjson.gz", new Uint8Array(1));
  assertEquals(await lost(), [2, 4]);
  lossy.putText("_manifests/a/broken.json", "{");
  assertEquals(await lost(), [0, 1, 2, 3, 4, 5, 6], "nobody knows when its records arrived");
});

Deno.test("an audit ends when the target fails, and concludes nothing", async () => {
  for (const failing of ["get _manifests/a/u1.json", `get ${P1}`]) {
    const broken = world();
    let tries = 0;
    broken.target.fail = (call) => {
      if (call === failing && ++tries < 3) throw new RetriableError("replaced meanwhile");
    };
    assertEquals((await broken.audit({ depth: "deep" })).outcome, "ok");
    broken.target.fail = (call) => {
      if (call === failing) throw new RetriableError("the store is down");
    };
    await assertRejects(() => broken.audit({ depth: "deep" }), RetriableError, "the store is down");
  }
});

/** What is done to a world with a report of all of it, and what is found then. */
const UNCOVERED: Record<string, [(world: AuditWorld) => void, string[]]> = {
  "a missing first unit": [({ target }) => {
    for (const key of [M1, P1]) target.objects.delete(key);
  }, ["uncovered-replay a/0 0-100", "uncovered-replay a/1 0-50"]],
  "a missing last unit": [({ target }) => {
    for (const key of [M2, P2, LETTERS]) target.objects.delete(key);
  }, ["uncovered-replay a/0 100-250", "uncovered-replay b/0 5-10"]],
  "a missing first unit that another one stands for": [(world) => {
    for (const key of [M1, P1]) world.target.objects.delete(key);
    world.addUnit({ name: "u3", ranges: [["a/0", 0, 60], ["a/1", 0, 60]] });
    world.addUnit({ name: "u4", ranges: [["a/0", 60, 110]] });
  }, ["overlap a/0 100-110"]],
  "a cut report": [(world) => world.putText(REPORT, '{"version":1,"ranges":[],"units":[{}'), ["damaged-report"]],
  "a report of a later version": [
    (world) => world.putText(REPORT, sealed('{"version":2,"splits":"other"}')),
    ["newer-report"],
  ],
};
const REPORT = "_replays/job/r1.json";

for (const [title, [damage, expected]] of Object.entries(UNCOVERED)) {
  Deno.test(`an audit of what a replay wrote knows ${title}`, async () => {
    const replayed = world();
    replayed.addReport("r1", [["a/0", 0, 250], ["a/1", 0, 50], ["b/0", 5, 10], ["c/0", 7, 7]]);
    const sound = await replayed.audit();
    assertEquals([kinds(sound), sound.replays], [[], { reports: 1, unusable: 0, uncovered: 0 }]);
    damage(replayed);
    const report = await replayed.audit();
    const found = report.findings.map(({ kind, split, start, next }) => {
      return split === undefined ? kind : `${kind} ${split} ${start}-${next}`;
    });
    assertEquals(found, expected);
    const [unusable, uncovered] = ["-report", "-replay "].map((part) => found.filter((f) => f.includes(part)).length);
    assertEquals(report.replays, { reports: 1, unusable, uncovered });
    const isWrong = unusable + uncovered > 0;
    assertEquals(report.outcome, !isWrong ? "ok" : found[0] === "newer-report" ? "undone" : "incomplete");
    assertEquals(report.losses.has(1), isWrong, "nobody knows when that arrived");
    assert(!isWrong || report.findings[0].message.includes(REPORT));
    replayed.target.objects.delete(REPORT);
    assertEquals((await replayed.audit()).outcome, "ok");
  });
}

Deno.test("an audit compares the reports of redrives with their manifests", async () => {
  const redriven = world(), split = "redrive:dead-letters/u2.ndjson.gz";
  const first = redriven.addUnit({ name: "redrive-u2", ranges: [[split, 0, 200]] });
  redriven.addUnit({ name: "redrive-u2-2", ranges: [[split, 200, 300]] });
  redriven.addReport("r1", [[split, 0, 300]]);
  assertEquals(kinds(await redriven.audit()), []);
  for (const key of [first, "p/redrive-u2-0000.ndjson.gz"]) redriven.target.objects.delete(key);
  assertEquals(kinds(await redriven.audit()), [`uncovered-replay ${REPORT}`]);
});

Deno.test("an audit takes nothing for missing that a replay writes meanwhile", async () => {
  const replayed = world();
  replayed.target.fail = (call) => {
    if (call !== `get ${M1}` || replayed.target.objects.has(REPORT)) return;
    replayed.addUnit({ name: "a-unit-before-the-others", ranges: [["z/0", 0, 10]] });
    replayed.addReport("r1", [["z/0", 0, 10]]);
  };
  const report = await replayed.audit();
  assertEquals([report.replays.reports, report.counts["uncovered-replay"]], [0, undefined]);
  assertEquals((await replayed.audit()).outcome, "ok");
});
