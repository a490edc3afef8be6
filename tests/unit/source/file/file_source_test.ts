import { gzipSync, zstdCompressSync } from "node:zlib";
import { assert, assertEquals, assertGreater, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FatalError, InvariantError } from "../../../../src/runtime/errors.ts";
import { splitParent } from "../../../../src/records/position.ts";
import { block, FileWorld, lines, type Row } from "./file_world.ts";

const NEVER = new AbortController().signal;

function test(name: string, run: (world: FileWorld) => Promise<void>): void {
  Deno.test(`FileSource ${name}`, async () => {
    await using world = await FileWorld.make();
    await run(world);
  });
}

function texts(rows: readonly Row[]): string[] {
  return rows.map(({ text }) => text);
}

test("reads every file once, however often it is named", async (world) => {
  await world.write("a.log", block(0, 3));
  await Deno.link(world.path("a.log"), world.path("b.log"));
  await Deno.symlink(world.path("a.log"), world.path("c.log"));
  await world.write("d.txt", block(3, 5));
  const rows = await world.collect({ path: ["*.log", "a.log", "*.{log,txt}"] });
  assertEquals(texts(rows).sort(), lines(0, 5));
});

test("stamps records with the file's modification time", async (world) => {
  await world.write("a.log", block(0, 2));
  await Deno.utime(world.path("a.log"), 1_700_000_000, 1_700_000_000);
  const rows = await world.collect();
  assertEquals(rows.map(({ timestamp }) => timestamp), [1_700_000_000_000, 1_700_000_000_000]);
});

test("takes a last line without a line end for a record, and goes on behind it", async (world) => {
  await world.write("a.log", '{"line":0}\n{"line":1}');
  assertEquals(texts(await world.collect()), lines(0, 2));
  await world.append("a.log", `\n${block(2, 4)}`);
  assertEquals(texts(await world.collect()), ["", ...lines(2, 4)]);
});

test("reads only what is new in the next run", async (world) => {
  await world.write("a.log", block(0, 3));
  await world.write("same.log", block(10, 12));
  await world.collect();
  await world.append("a.log", block(3, 5));
  await world.write("new.log", block(20, 21));
  const run = await world.open();
  assertEquals(texts(await run.toEnd()).sort(), [...lines(20, 21), ...lines(3, 5)].sort());
  assertEquals(
    run.assignments.map(({ split, start, committed }) => [splitParent(split), start, committed]).sort(),
    [["a.log", String(block(0, 3).length), true], ["new.log", "0", false]],
  );
});

test("names an unchanged file the same with another checkpoint file, and another one otherwise", async (world) => {
  await world.write("a.log", block(0, 3));
  await world.write("b.log", block(0, 3));
  const first = await world.collect();
  const second = await world.collect({ checkpoint: world.path("other/checkpoint.json") });
  assertEquals(second, first);
  assertEquals(new Set(first.map(({ split }) => split)).size, 2);
});

test("keeps the name of a file that grows and is renamed", async (world) => {
  await world.write("a.log", block(0, 1));
  const [{ split }] = await world.collect();
  await world.append("a.log", block(1, 100));
  await world.rename("a.log", "b.log");
  const rows = await world.collect();
  assertEquals(texts(rows), lines(1, 100));
  assertEquals(new Set(rows.map((row) => row.split)), new Set([split]));
});

test("reads a file from its beginning that took another's place", async (world) => {
  await world.write("a.log", block(0, 3));
  const [{ split }] = await world.collect();
  await world.write("next.tmp", block(0, 3));
  await world.rename("next.tmp", "a.log");
  const rows = await world.collect();
  assertEquals(texts(rows), lines(0, 3));
  assertNotEquals(rows[0].split, split);
});

for (
  const [how, contents] of [
    ["shorter", block(50, 51)],
    ["of the same length", block(5, 8)],
    ["longer", block(50, 99)],
  ] as const
) {
  test(`reads a file from its beginning that was rewritten in place while nobody looked, now ${how}`, async (world) => {
    await world.write("a.log", block(0, 3));
    const [{ split }] = await world.collect();
    await world.write("a.log", contents);
    const rows = await world.collect();
    assertEquals(texts(rows).join("\n"), contents.trimEnd());
    assertNotEquals(rows[0].split, split);
    assert(world.logged.some((line) => line.startsWith("warn a file was truncated")));
  });
}

test("never gives a name twice when the same contents are written again and again", async (world) => {
  const splits = new Set<string>();
  for (let i = 0; i < 4; i++) {
    await world.write("a.log", block(0, 3));
    splits.add((await world.collect())[0].split);
    await world.write("a.log", "");
    assertEquals(await world.collect(), []);
  }
  assertEquals(splits.size, 4);
});

test("doesn't take a new file for an old one whose inode it got", async (world) => {
  await world.write("a.log", block(0, 3));
  await world.collect();
  const inode = (await Deno.stat(world.path("a.log"))).ino;
  await world.remove("a.log");
  for (let i = 0; i < 50; i++) {
    await world.write(`${i}.log`, block(0, 3));
    if ((await Deno.stat(world.path(`${i}.log`))).ino === inode) break;
  }
  const rows = await world.collect();
  assertEquals(rows.length % 3, 0);
  assertGreater(rows.length, 0);
});

test("reads the rest of a file that was renamed away while nobody looked", async (world) => {
  await world.write("app.log", block(0, 2));
  const [{ split }] = await world.collect({ path: ["app.log"] });
  await world.append("app.log", block(2, 4));
  await world.rename("app.log", "app.log.1");
  await world.write("app.log", block(10, 12));
  const rows = await world.collect({ path: ["app.log"] });
  assertEquals(texts(rows).sort(), [...lines(10, 12), ...lines(2, 4)]);
  assertEquals(texts(rows.filter((row) => row.split === split)), lines(2, 4));
  assertEquals(await world.collect({ path: ["app.log"] }), []);
});

test("keeps what it knows of files that are not asked for this time", async (world) => {
  await world.write("a.log", block(0, 2));
  await world.write("b.txt", block(2, 4));
  await world.collect();
  await world.collect({ path: ["*.txt"] });
  await world.append("a.log", block(4, 5));
  assertEquals(texts(await world.collect({ path: ["*"] })), lines(4, 5));
});

test("reads many more files than it has open", async (world) => {
  for (let i = 0; i < 60; i++) await world.write(`${i}.log`, block(i * 10, i * 10 + 10));
  const rows = await world.collect();
  assertEquals(texts(rows).sort(), lines(0, 600).sort());
  assertEquals(await world.collect(), []);
});

test("loses nothing when polls are aborted at any moment", async (world) => {
  for (let i = 0; i < 40; i++) await world.write(`${i}.log`, block(i * 10, i * 10 + 10));
  const run = await world.open({ maxOpen: 1 });
  run.limit = { maxBytes: 1 << 20, maxRows: 7 };
  for (let i = 0, ended = false; !ended; i++) {
    const stop = new AbortController();
    const polling = run.poll(stop.signal).then(
      (batch) => ended = batch === "end",
      (error) => assertEquals(error, "stop"),
    );
    for (let turns = i % 23; turns > 0; turns--) await Promise.resolve();
    if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    stop.abort("stop");
    await polling;
  }
  assertEquals(run.texts.toSorted(), lines(0, 400).toSorted());
});

test("reads large files to their end when many wait", async (world) => {
  const bytes = new TextEncoder().encode(`${"x".repeat((1 << 20) - 1)}\n`.repeat(70));
  for (let i = 0; i < 2; i++) await world.write(`${i}.log`, bytes);
  for (let i = 2; i < 12; i++) await world.write(`${i}.log`, block(i, i + 1));
  assertEquals((await world.collect({ maxOpen: 2 })).length, 150);
});

for (const [name, pack] of [["gzip", gzipSync], ["zstd", zstdCompressSync]] as const) {
  test(`goes on within a ${name} file, at positions of the unpacked bytes`, async (world) => {
    await world.write("a.log", pack(block(0, 500)));
    const first = await world.open();
    first.limit = { maxBytes: 1 << 20, maxRows: 123 };
    await first.until(123);
    await first.commit();
    await first.source.close();
    const second = await world.open();
    assertEquals(second.assignments[0].start, String(block(0, 123).length));
    assertEquals(texts(await second.toEnd()), lines(123, 500));
    await second.commit();
    await second.source.close();
    const third = await world.open();
    assertEquals([await third.toEnd(), third.assignments], [[], []]);
  });

  test(`delivers what is there of a truncated ${name} file, and all others, then fails`, async (world) => {
    const packed = pack(block(0, 30_000)); // several zstd blocks
    await world.write("bad.log", packed.subarray(0, packed.length - 5));
    await world.write("good.log", block(50_000, 50_100));
    const run = await world.open();
    const error = await assertRejects(() => run.toEnd(), FatalError, world.path("bad.log"));
    assertStringIncludes(error.message, "is truncated");
    const of = (name: string) => texts(run.rows.filter(({ split }) => splitParent(split) === name));
    assertEquals(of("good.log"), lines(50_000, 50_100));
    assertGreater(of("bad.log").length, 10_000);
    assertEquals(of("bad.log"), lines(0, of("bad.log").length));
    await assertRejects(() => run.poll(), FatalError, "is truncated");
    await run.commit();
  });
}

test("delivers what stands before something else in a gzip file, then fails", async (world) => {
  const bytes = await Deno.readFile(new URL("../../../golden/gzip_trailing_garbage.ndjson.gz", import.meta.url));
  await world.write("bad.log", bytes);
  const run = await world.open();
  const error = await assertRejects(() => run.toEnd(), FatalError, world.path("bad.log"));
  assertStringIncludes(error.message, "what follows its last gzip member is none");
  assertEquals(texts(run.rows), Array.from({ length: 100 }, (_, i) => `{"i":${i}}`));
});

for (
  const [what, bytes, message] of [
    ["a zip archive", [0x50, 0x4b, 3, 4, 20], "it is a zip archive"],
    ["UTF-16", [0xff, 0xfe, 0x7b, 0, 0x7d, 0, 0x0a, 0], "its text is UTF-16"],
  ] as const
) {
  test(`refuses ${what} by its name, and reads all other files`, async (world) => {
    await world.write("bad.log", Uint8Array.from(bytes));
    await world.write("good.log", block(0, 10));
    const run = await world.open();
    await assertRejects(() => run.toEnd(), FatalError, message);
    assertEquals(texts(run.rows), lines(0, 10));
  });
}

for (const name of ["packed.bz2", "packed.xz"]) {
  test(`reads ${name}, from where it was left, too`, async (world) => {
    await world.write("a.log", await Deno.readFile(new URL(`../../../golden/avro/${name}`, import.meta.url)));
    const first = await world.open();
    first.limit = { maxBytes: 1 << 20, maxRows: 100 };
    await first.until(100);
    await first.commit();
    await first.source.close();
    const second = await world.open();
    await second.toEnd();
    const rows = texts([...first.rows, ...second.rows]);
    assertEquals([rows.length, rows.slice(0, 3000).every((row, i) => row.startsWith(`${i} `))], [3173, true]);
    await second.source.close();
  });
}

test("says what is wrong with file.path", async (world) => {
  await Deno.mkdir(world.path("directory"));
  await assertRejects(() => world.open({ path: ["missing.log"] }), FatalError, "there is no");
  await assertRejects(() => world.open({ path: ["directory"] }), FatalError, "/*");
  await assertRejects(() => world.open({ path: ["../../../../../../dev/null"] }), FatalError, "regular file");
});

test("ends at once when a glob matches nothing", async (world) => {
  assertEquals(await world.collect({ path: ["*.nothing"] }), []);
  assert(world.logged.includes("warn no file matches"));
});

test("reads literally named files with characters of globs in them", async (world) => {
  await world.write("a[1].log", block(0, 1));
  assertEquals(texts(await world.collect({ path: ["a[1].log"] })), lines(0, 1));
});

test("cuts records that are too large one byte behind the limit", async (world) => {
  await world.write("a.log", `${"x".repeat(1000)}\n${"y".repeat(1001)}\n${"z".repeat(5000)}\nshort\n`);
  const rows = await world.collect();
  assertEquals(rows.map(({ text }) => [text[0], text.length]), [["x", 1000], ["y", 1001], ["z", 1001], ["s", 5]]);
});

test("refuses to run twice on one checkpoint file, and leaves the first run alone", async (world) => {
  await world.write("a.log", block(0, 3));
  const first = await world.open();
  await assertRejects(() => world.open(), FatalError, "in use by another collector");
  assertEquals(texts(await first.toEnd()), lines(0, 3));
  await first.commit();
});

test("refuses a commit beyond what it delivered", async (world) => {
  await world.write("a.log", block(0, 3));
  const run = await world.open();
  run.limit = { maxBytes: 1, maxRows: 1 };
  await run.until(1);
  const { split, epoch } = run.assignments[0];
  await assertRejects(() => run.source.commit(split, epoch, "100", NEVER), InvariantError, "up to 11 only");
});

test("reads standard input under another name in every run, plain and compressed", async (world) => {
  const splits = new Set<string>();
  for (const bytes of [block(0, 50), gzipSync(block(0, 50)), zstdCompressSync(block(0, 50)), "{}", ""]) {
    const left = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    let at = 0;
    const standardInput = {
      read(into: Uint8Array) {
        const piece = left.subarray(at, at + Math.min(7, into.length));
        into.set(piece);
        at += piece.length;
        return Promise.resolve(piece.length === 0 ? null : piece.length);
      },
    };
    const run = await world.open({ path: ["-"] }, { standardInput });
    const rows = await run.toEnd();
    assertEquals(texts(rows), bytes === "" ? [] : bytes === "{}" ? ["{}"] : lines(0, 50));
    for (const { timestamp } of rows) assertEquals(timestamp, world.clock.now());
    splits.add(run.assignments[0].split);
    await run.commit();
  }
  assertEquals(splits.size, 5);
  assertEquals(await Deno.stat(world.checkpoint).catch(() => "none"), "none");
});

test("reads files while standard input keeps it waiting, and keeps nothing of standard input", async (world) => {
  await world.write("a.log", block(0, 3));
  const input = Promise.withResolvers<number | null>();
  const run = await world.open({ path: ["-", "*.log"] }, { standardInput: { read: () => input.promise } });
  assertEquals(await run.until(3), lines(0, 3));
  input.resolve(null);
  assertEquals(texts(await run.toEnd()), lines(0, 3));
  await run.commit();
  await run.source.close();
  await world.collect();
  assert(!(await Deno.readTextFile(world.checkpoint)).includes("stdin/"));
});

test("reads the sample events like a file", async (world) => {
  const first = await world.open({ path: ["sample:"] });
  first.limit = { maxBytes: 1 << 20, maxRows: 400 };
  await first.until(400);
  await first.commit();
  await first.source.close();
  const rest = await world.collect({ path: ["sample:"] });
  assertEquals(first.rows.length + rest.length, 1000);
  const events = [...first.rows, ...rest].map(({ text }) => JSON.parse(text));
  assertEquals(new Set(events.map(({ project }) => project)), new Set(["game", "shop"]));
  assertEquals(await world.collect({ path: ["sample:"] }), []);
  assert(world.logged.some((line) => line.includes("everything was read before")));
});

test("reads all that can be read before it fails for what can't", async (world) => {
  await Deno.symlink("self.log", world.path("self.log"));
  await Deno.symlink("/proc/self/mem", world.path("bad.log"));
  await world.write("a.txt", block(0, 2));
  const run = await world.open({ path: ["self.log", "bad.log", "*.txt"] });
  const error = await assertRejects(() => run.toEnd(), FatalError, "everything else was read");
  for (const name of ["self.log", "bad.log"]) assertStringIncludes(error.message, world.path(name));
  assertEquals(run.texts, lines(0, 2));
});

test("knows a rotated file that comes back packed from an earlier run", async (world) => {
  await world.write("app.log", block(0, 50));
  await world.collect({ path: ["app*"] });
  await world.remove("app.log");
  await world.write("app-2026-11-28.log.zst", zstdCompressSync(block(0, 60)));
  const rows = await world.collect({ path: ["app*"] });
  assertEquals(rows.map(({ text }) => text), lines(50, 60));
  assertEquals(await world.collect({ path: ["app*"] }), []);
});
