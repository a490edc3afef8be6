import { gzipSync } from "node:zlib";
import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { splitParent } from "../../../../src/records/position.ts";
import { block, type FileRun, FileWorld, lines } from "./file_world.ts";

function test(name: string, run: (world: FileWorld) => Promise<void>): void {
  Deno.test(`FileSource, following, ${name}`, async () => {
    await using world = await FileWorld.make();
    await run(world);
  });
}

const FOLLOW = { follow: true };

/** Commits everything and ends the run. */
async function stop(run: FileRun): Promise<void> {
  await run.commit();
  await run.source.close();
}

test("waits for lines that are appended, and for their ends", async (world) => {
  await world.write("a.log", block(0, 2));
  const run = await world.open(FOLLOW);
  await run.until(2);
  await world.append("a.log", '{"line"');
  await run.quiet();
  await world.append("a.log", ":2}");
  await run.quiet();
  await world.append("a.log", `\n${block(3, 5)}`);
  assertEquals(await run.until(5), lines(0, 5));
  assertEquals(run.assignments.length, 1);
});

test("finds files that appear later, in directories that appear later", async (world) => {
  const run = await world.open({ ...FOLLOW, path: ["missing.log", "**/*.txt"] });
  await run.quiet();
  await world.write("missing.log", block(0, 1));
  await run.until(1);
  await Deno.mkdir(world.path("x/y"), { recursive: true });
  await world.write("x/y/b.txt", block(1, 3));
  assertEquals(await run.until(3), lines(0, 3));
  assertEquals(run.assignments.map(({ split }) => splitParent(split)), ["missing.log", "b.txt"]);
});

test("reads the shortest of files", async (world) => {
  for (const [i, text] of ["1\n", "{}\n", "{}\n\n", "\n\n\n", "12345\n"].entries()) await world.write(`${i}.log`, text);
  const run = await world.open(FOLLOW);
  assertEquals((await run.until(8)).toSorted(), ["", "", "", "", "1", "12345", "{}", "{}"]);
  await world.append("0.log", "2\n");
  await run.until(9);
  await run.quiet();
});

test("takes up a file that was empty when it appeared", async (world) => {
  await world.write("a.log", "");
  const run = await world.open(FOLLOW);
  await run.quiet();
  assertEquals(run.assignments, []);
  await world.append("a.log", block(0, 1));
  assertEquals(await run.until(1), lines(0, 1));
});

for (const path of [["app.log"], ["app.log", "app.log.1"]]) {
  test(`reads a rotated file to its end and the new one from its beginning, with ${path}`, async (world) => {
    await world.write("app.log", block(0, 3));
    const run = await world.open({ ...FOLLOW, path });
    await run.until(3);
    await world.append("app.log", block(3, 5));
    await world.rename("app.log", "app.log.1");
    await world.append("app.log.1", block(5, 6));
    await world.write("app.log", block(100, 102));
    await run.until(8);
    await world.append("app.log.1", block(6, 7)); // its writer had not noticed yet
    await run.until(9);
    await world.append("app.log", block(102, 103));
    await run.until(10);
    const bySplit = Map.groupBy(run.rows, ({ split }) => split);
    assertEquals(
      [...bySplit.values()].map((rows) => rows.map(({ text }) => text)),
      [lines(0, 7), lines(100, 103)],
    );
  });
}

test("closes a file that lost its name after a while, its last line without a line end included", async (world) => {
  await world.write("app.log", `${block(0, 1)}{"line":1}`);
  const run = await world.open({ ...FOLLOW, path: ["app.log"], rotateWaitMs: 10_000 });
  await run.until(1);
  await world.rename("app.log", "old");
  await run.quiet(5);
  assertEquals(run.texts, lines(0, 1));
  assertEquals(await run.until(2), lines(0, 2));
  await world.append("old", block(2, 3));
  await run.quiet(15);
  await stop(run);
});

test("reads a deleted file to its end", async (world) => {
  await world.write("a.log", block(0, 2));
  const run = await world.open(FOLLOW);
  run.limit = { maxBytes: 1, maxRows: 1 };
  await run.until(1);
  await world.append("a.log", block(2, 4));
  await world.remove("a.log");
  assertEquals(await run.until(4), lines(0, 4));
  await run.quiet(12);
  await stop(run);
});

test("begins anew with a file that is truncated, under another name", async (world) => {
  await world.write("a.log", block(0, 10));
  const run = await world.open(FOLLOW);
  await run.until(10);
  await Deno.truncate(world.path("a.log"));
  await world.append("a.log", block(20, 22));
  await run.until(12);
  await Deno.truncate(world.path("a.log"));
  await run.quiet();
  await world.append("a.log", block(20, 22));
  await run.until(14);
  assertEquals(run.texts, [...lines(0, 10), ...lines(20, 22), ...lines(20, 22)]);
  assertEquals(new Set(run.rows.map(({ split }) => split)).size, 3);
  assertEquals(run.rows.slice(10).map(({ position }) => Number(position)), [0, 12, 0, 12]);
  assertEquals(world.logged.filter((line) => line.startsWith("warn a file was truncated")).length, 2);
  await stop(run);
  const again = await world.open(FOLLOW);
  await again.quiet();
});

test("notices a truncation by other first bytes, when the file has grown beyond its place", async (world) => {
  await world.write("a.log", block(0, 3));
  const run = await world.open(FOLLOW);
  await run.until(3);
  await world.write("a.log", block(100, 150));
  await run.until(3 + 50);
  assertEquals(run.texts.slice(-50), lines(100, 150));
});

test("notices a truncation that leaves the first bytes as they were", async (world) => {
  await world.write("a.log", block(0, 100));
  const run = await world.open(FOLLOW);
  await run.until(100);
  await world.write("a.log", block(0, 50));
  await run.until(150);
  assertEquals(run.texts.slice(100), lines(0, 50));
});

test("knows a file by more of its first bytes as it grows", async (world) => {
  await world.write("a.log", block(0, 1));
  const run = await world.open(FOLLOW);
  await run.until(1);
  await world.append("a.log", block(1, 10));
  await run.until(10);
  await run.quiet(1);
  await world.write("a.log", block(0, 1) + block(500, 550));
  await run.until(10 + 51);
  assertEquals(run.texts.slice(10), [...lines(0, 1), ...lines(500, 550)]);
});

test("reads no further in contents that were replaced", async (world) => {
  await world.write("a.log", block(0, 20_000));
  const run = await world.open(FOLLOW);
  run.limit = { maxBytes: 1000, maxRows: 10 };
  await run.until(10);
  await world.write("a.log", block(500_000, 525_000));
  while (!world.logged.some((line) => line.startsWith("debug a file was truncated"))) {
    if (world.clock.sleeping > 0) world.clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (world.clock.sleeping === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  run.limit = { maxBytes: 1 << 20, maxRows: 100_000 };
  await run.drain();
  const [before, after] = [...Map.groupBy(run.rows, ({ split }) => split).values()];
  const texts = before.map(({ text }) => text);
  assert(texts.length < 20_000);
  assertEquals(texts, lines(0, texts.length));
  assertEquals(after.map(({ text }) => text), lines(500_000, 525_000));
});

test("reads files in turns when there are more than it may have open", async (world) => {
  for (let i = 0; i < 6; i++) await world.write(`${i}.log`, block(i * 100, i * 100 + 10));
  const run = await world.open({ ...FOLLOW, maxOpen: 2 });
  const expected = Array.from({ length: 6 }, (_, i) => lines(i * 100, i * 100 + 10)).flat();
  assertEquals((await run.until(60)).toSorted(), expected.toSorted());
  for (let round = 1; round < 4; round++) {
    for (let i = 0; i < 6; i++) await world.append(`${i}.log`, block(i * 100 + 10 * round, i * 100 + 10 * round + 10));
    await run.until(60 * (round + 1));
  }
  assertEquals(run.assignments.length, 6);
  for (const [split, rows] of Map.groupBy(run.rows, ({ split }) => split)) {
    const first = Number(splitParent(split).split(".")[0]) * 100;
    assertEquals(rows.map(({ text }) => text), lines(first, first + 40));
  }
});

test("reads a file that was renamed away while it was not open", async (world) => {
  await world.write("a.log", block(0, 1));
  await world.write("b.log", block(10, 11));
  const run = await world.open({ ...FOLLOW, maxOpen: 1, path: ["a.log", "b.log"] });
  await run.until(2);
  for (const [name, first] of [["a.log", 1], ["b.log", 11]] as const) {
    await world.append(name, block(first, first + 1));
    await world.rename(name, `${name}.old`);
  }
  assertEquals((await run.until(4)).toSorted(), [...lines(0, 2), ...lines(10, 12)].toSorted());
});

test("gives files batches in turns", async (world) => {
  await world.write("a.log", block(0, 100));
  await world.write("b.log", block(100, 200));
  const run = await world.open(FOLLOW);
  run.limit = { maxBytes: 1 << 20, maxRows: 10 };
  await run.until(60);
  const counts = [...Map.groupBy(run.rows, ({ split }) => split).values()].map(({ length }) => length);
  assertEquals(counts, [30, 30]);
});

test("lets other files have their turn when one has very much", async (world) => {
  const megabyte = `${"x".repeat((1 << 20) - 1)}\n`;
  await world.write("a.log", new TextEncoder().encode(megabyte.repeat(80)));
  await world.write("b.log", block(0, 1));
  await Deno.utime(world.path("a.log"), 1, 1);
  const run = await world.open({ ...FOLLOW, maxOpen: 1 });
  await run.until(81);
  const turn = run.texts.indexOf('{"line":0}');
  assert(turn >= 60 && turn < 79, `the small file came after ${turn} MB`);
  assertEquals(run.assignments.length, 2);
});

test("begins at the end where it is told to, but only in files of the very first start", async (world) => {
  const config = { ...FOLLOW, offset: "latest" } as const;
  await world.write("a.log", `${block(0, 3)}{"line"`);
  await world.write("b.log", "");
  await world.write("c.log", gzipSync(block(0, 5)));
  const first = await world.open(config);
  await first.quiet();
  await first.source.close(); // nothing was read, so nothing was committed by the loop
  await world.append("a.log", `:3}\n${block(4, 5)}`);
  await world.write("new.log", block(10, 11));
  const second = await world.open(config);
  assertEquals((await second.until(3)).toSorted(), [...lines(3, 5), ...lines(10, 11)].toSorted());
  const first3 = second.rows.find(({ text }) => text === '{"line":3}');
  assertEquals(first3?.position, BigInt(block(0, 3).length));
  await second.quiet();
});

test("reads everything with the default offset", async (world) => {
  await world.write("a.log", block(0, 3));
  const run = await world.open({ ...FOLLOW, offset: "earliest" });
  assertEquals(await run.until(3), lines(0, 3));
});

test("goes on after a restart through rotations in between", async (world) => {
  const config = { ...FOLLOW, path: ["app.log", "app.log.1", "app.log.2"] };
  await world.write("app.log", block(0, 3));
  const first = await world.open(config);
  await first.until(3);
  await stop(first);
  await world.append("app.log", block(3, 4));
  await world.rename("app.log", "app.log.1");
  await world.write("app.log", block(4, 6));
  await world.rename("app.log.1", "app.log.2");
  await world.rename("app.log", "app.log.1");
  await world.write("app.log", block(6, 8));
  const second = await world.open(config);
  assertEquals((await second.until(5)).toSorted(), lines(3, 8));
  await second.quiet();
});

test("reads a gzip file as it grows, and says so when its end never came", async (world) => {
  const packed = gzipSync(Array.from({ length: 20_000 }, (_, i) => `{"line":${i * 7919 % 104729}}\n`).join(""));
  await world.write("a.log", packed.subarray(0, packed.length >> 1));
  const run = await world.open({ ...FOLLOW, rotateWaitMs: 2000 });
  await run.drain();
  const half = run.rows.length;
  assert(half > 1000 && half < 19_000, `${half} rows of half a file`);
  await Deno.writeFile(world.path("a.log"), packed.subarray(packed.length >> 1), { append: true });
  await run.until(20_000);
  await world.write("b.log", packed.subarray(0, packed.length >> 1));
  await run.until(20_000 + half);
  await world.remove("b.log");
  await run.quiet(8);
  assert(world.logged.includes("error a file can't be read any further"));
  await world.write("c.log", block(0, 1));
  await run.until(run.rows.length + 1);
});

test("opens files and follows rotations while nobody polls", async (world) => {
  await world.write("app.log", block(0, 1));
  const run = await world.open({ ...FOLLOW, path: ["app.log"] });
  for (let round = 1; round < 4; round++) {
    await world.rename("app.log", `old.${round}`);
    await world.write("app.log", block(round, round + 1));
    const known = run.assignments.length;
    while (run.assignments.length === known) {
      if (world.clock.sleeping > 0) world.clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    if (round > 1) await world.remove(`old.${round - 1}`);
  }
  assertEquals((await run.until(4)).toSorted(), lines(0, 4));
});

test("ends with the handler's error, and closes", async (world) => {
  await world.write("a.log", block(0, 1));
  const run = await world.open(FOLLOW);
  await run.until(1);
  run.assigned = () => Promise.reject(new Error("the loop is broken"));
  await world.write("b.log", block(1, 2));
  const error = await run.poll().then(() => null, (error) => error);
  assertEquals(error.message, "the loop is broken");
});

test("forgets files that are gone when there are very many of them, but no others", async (world) => {
  await world.write("stays.log", block(0, 1));
  await stop(
    await (async () => {
      const run = await world.open(FOLLOW);
      await run.until(1);
      return run;
    })(),
  );
  const { crc32: _, ...checkpoint } = JSON.parse(await Deno.readTextFile(world.checkpoint));
  const [[, entry]] = Object.entries<{ details: object }>(checkpoint.splits);
  for (let i = 0; i < 10_050; i++) {
    const details = { ...entry.details, path: world.path(`gone-${i}.log`), inode: 1e12 + i, size: 5 };
    checkpoint.splits[`gone-${i}.log/0123456789ab`] = { position: "5", details };
  }
  await Deno.writeTextFile(world.checkpoint, JSON.stringify(checkpoint));
  const run = await world.open(FOLLOW);
  await run.quiet(1);
  await world.append("stays.log", block(1, 2));
  await run.until(1);
  await stop(run);
  const kept = Object.keys(JSON.parse(await Deno.readTextFile(world.checkpoint)).splits);
  assertEquals(kept.length, 10_001);
  assert(kept.some((split) => split.startsWith("stays.log/")));
  assertLess(kept.findIndex((split) => split.startsWith("gone-49.log/")), 0);
  assertNotEquals(kept.findIndex((split) => split.startsWith("gone-50.log/")), -1);
});

/** The levels and messages that were logged, without those of one level. */
function warnings({ logged }: FileWorld): string[] {
  return logged.filter((line) => line.startsWith("warn"));
}

test("leaves out what can't be read, says so once, and takes it up when it can", async (world) => {
  // Opening it works, reading it gives EIO, also for root.
  await Deno.symlink("/proc/self/mem", world.path("bad.log"));
  await world.write("good.txt", block(0, 1));
  const run = await world.open({ ...FOLLOW, path: ["bad.log", "*.txt"] });
  await run.until(1);
  await world.append("good.txt", block(1, 2));
  await run.until(2);
  await run.quiet(70);
  assertEquals(warnings(world), ["warn can't be read; it is left out, and tried again each minute"]);
  await world.remove("bad.log");
  await world.write("bad.log", block(10, 11));
  assertEquals(await run.until(3), [...lines(0, 2), ...lines(10, 11)]);
  assertEquals(world.logged.filter((line) => line === "info a file can be read again").length, 1);
});

test("reads what is appended to a growing file without waiting for a scan, and sees it cut away", async (world) => {
  await world.write("a.log", block(0, 2));
  const run = await world.open({ ...FOLLOW, scanIntervalMs: 1e9 });
  await run.until(2);
  await world.append("a.log", block(2, 4));
  await run.until(4);
  await Deno.truncate(world.path("a.log"));
  await world.append("a.log", block(10, 11));
  assertEquals(await run.until(5), [...lines(0, 4), ...lines(10, 11)]);
  assertEquals(warnings(world), ["warn a file was truncated or rewritten: reading it from its beginning"]);
  assertEquals(world.fields.find(({ missedBytes }) => missedBytes !== undefined)?.missedBytes, 0);
});

test("says how much of a file was cut away unread", async (world) => {
  const all = block(0, 20_000);
  await world.write("a.log", all);
  const run = await world.open(FOLLOW);
  run.limit = { maxBytes: 100, maxRows: 1000 };
  await run.until(10);
  await Deno.truncate(world.path("a.log"));
  await run.drain();
  const readBytes = block(0, run.rows.length).length, lastSize = all.length;
  assertLess(readBytes, lastSize);
  const { split: _, path, ...sizes } = world.fields.find(({ missedBytes }) => missedBytes !== undefined)!;
  assertEquals(path, world.path("a.log"));
  assertEquals(sizes, { lastSize, readBytes, missedBytes: lastSize - readBytes, newSize: 0 });
  const gap = { reason: "expired", start: String(readBytes), next: String(lastSize), records: null } as const;
  assertEquals(run.gaps, [gap]);
  await run.commit();
});

test("tells at the next start only of files that were not read to their end, and once", async (world) => {
  await world.write("read.log", block(0, 3));
  await world.write("unread.log", block(0, 9));
  const run = await world.open(FOLLOW);
  run.limit = { maxBytes: 40, maxRows: 3 };
  await run.until(6);
  await stop(run);
  await world.remove("read.log");
  await world.remove("unread.log");
  for (let start = 0; start < 2; start++) {
    const again = await world.open(FOLLOW);
    await again.drain();
    await stop(again);
    assertEquals(warnings(world).length, 1 + 1 + start); // and that nothing matches
    assertEquals(again.gaps.length, 1 - start);
  }
  assertEquals(world.fields.find(({ missedBytes }) => missedBytes !== undefined)?.path, world.path("unread.log"));
});

for (const packing of ["at once", "while it is there"]) {
  test(`goes on in a rotated file that comes back packed ${packing}`, async (world) => {
    await world.write("app.log", block(0, 50));
    const run = await world.open({ ...FOLLOW, path: ["app.log*"] });
    await run.until(50);
    await world.rename("app.log", "app.log.1");
    if (packing === "while it is there") {
      await run.quiet();
      const packed = gzipSync(block(0, 60));
      for (const end of [0, 1, 20, packed.length]) {
        await world.write("app.log.1.gz", packed.subarray(0, end)); // as it grows
        await run.quiet(2);
      }
    } else await world.write("app.log.1.gz", gzipSync(block(0, 60)));
    await world.remove("app.log.1");
    assertEquals(await run.until(60), lines(0, 60));
    assertEquals(new Set(run.rows.map(({ split }) => split)).size, 1);
    await world.write("app.log.2.gz", gzipSync(block(60, 70)));
    assertEquals(await run.until(70), lines(0, 70));
    assertEquals(new Set(run.rows.map(({ split }) => split)).size, 2);
    await stop(run);
    const again = await world.open({ ...FOLLOW, path: ["app.log*"] });
    await again.quiet();
  });
}

test("knows a packed file of few bytes by all of them", async (world) => {
  await world.write("a.log", block(0, 2));
  const run = await world.open({ ...FOLLOW, path: ["*"] });
  await run.until(2);
  await world.remove("a.log");
  await run.quiet(12);
  await world.write("a.log.1.gz", gzipSync(block(0, 2)));
  await world.write("a.log.2.gz", gzipSync(block(0, 3)));
  assertEquals(await run.until(5), [...lines(0, 2), ...lines(0, 3)]);
  await run.quiet();
});
