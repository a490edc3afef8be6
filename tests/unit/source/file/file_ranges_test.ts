import { assert, assertEquals, assertRejects } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { FatalError, InvariantError } from "../../../../src/runtime/errors.ts";
import { fileSource } from "../../../../src/source/file.ts";
import { FileRanges } from "../../../../src/source/file/file_ranges.ts";
import { type PlannedSplit, RANGE_EPOCH, type RangePlan, type RangeRequest } from "../../../../src/records/range.ts";
import type { PollLimit, RecordBatch } from "../../../../src/records/record_batch.ts";
import { sampleEvents } from "../../../../src/source/sample/sample.ts";
import { avroContainer } from "../../../support/avro_container.ts";
import { textsOf } from "../../../support/batch_texts.ts";
import { defaultConfig } from "../../../support/default_config.ts";
import { testRuntime } from "../../../support/stored_object.ts";
import { FileWorld } from "./file_world.ts";

const NEVER = new AbortController().signal;
const WHOLE: RangeRequest = { from: null, to: null, resume: new Map(), historical: false };
const LIMIT: PollLimit = { maxBytes: 1 << 20, maxRows: 1000 };
const MTIME = new Date("2026-11-01T12:00:00Z");

interface World {
  readonly files: FileWorld;
  /** Files of the world's directory, closed with it. */
  ranges(...paths: string[]): FileRanges;
}

function rangesTest(name: string, work: (world: World) => Promise<void>): void {
  Deno.test(`FileRanges ${name}`, async () => {
    await using files = await FileWorld.make();
    const opened: FileRanges[] = [];
    const ranges = (...paths: string[]) => {
      const path = paths.map((item) => item === "-" || item === "sample:" ? item : files.path(item));
      const context = { runtime: testRuntime(), wants: { keys: false, headers: false }, maxRecordByteLength: 1000 };
      const source = new FileRanges(defaultConfig(fileSource.options, { path }), context, { sample: sampleEvents });
      opened.push(source);
      return source;
    };
    try {
      await work({ files, ranges });
    } finally {
      await Promise.all(opened.map((source) => source.close()));
    }
  });
}

interface Read {
  readonly texts: string[];
  readonly times: number[];
  readonly next: string;
}

/** From `position` to the split's end; checks that the batches follow each other. */
async function readOn(source: FileRanges, planned: PlannedSplit, position: string, limit = LIMIT): Promise<Read> {
  const texts: string[] = [], times: number[] = [];
  source.begin(planned, position);
  for (let next = position;;) {
    const batch: RecordBatch | "end" = await source.read(planned.split, limit, NEVER);
    if (batch === "end") return { texts, times, next };
    assertEquals([batch.split, batch.start, batch.epoch], [planned.split, next, RANGE_EPOCH]);
    next = batch.next;
    texts.push(...textsOf(batch));
    times.push(...batch.timestamps);
  }
}

function plan(source: FileRanges, request: Partial<RangeRequest> = {}): Promise<RangePlan> {
  return source.plan({ ...WHOLE, ...request }, NEVER);
}

/** Plans and reads all splits, by file name. */
async function readAll(source: FileRanges, request: Partial<RangeRequest> = {}): Promise<Record<string, string[]>> {
  const { splits } = await plan(source, request);
  await source.open();
  const texts: Record<string, string[]> = {};
  for (const planned of splits) {
    texts[planned.split.split("/")[0]] = (await readOn(source, planned, planned.start)).texts;
  }
  return texts;
}

async function onlySplit(source: FileRanges, request: Partial<RangeRequest> = {}): Promise<PlannedSplit> {
  const { splits } = await plan(source, request);
  assertEquals(splits.length, 1);
  return splits[0];
}

rangesTest("reads plain and packed files whole, in the order of their names", async ({ files, ranges }) => {
  const text = "one\n\ntwo\r\nthree";
  await files.write("c.log", text);
  await files.write("b.gz", gzipSync(text));
  await files.write("a.zst", zstdCompressSync(text));
  await files.write("d.gz", new Uint8Array([...gzipSync("one\n"), ...gzipSync("two\n")]));
  await files.write("empty", "");
  await files.write("empty.gz", gzipSync(""));
  const { splits, weightUnit, missing } = await plan(ranges("*"));
  const shown = splits.map(({ split, start, end }) => `${split.split("/")[0]} ${start} ${end}`);
  assertEquals(shown, ["a.zst 0 null", "b.gz 0 null", "c.log 0 15", "d.gz 0 null", "empty.gz 0 null"]);
  assertEquals([weightUnit, missing, splits[2].weight, splits[2].after], ["bytes", [], 15, []]);
  const rows = ["one", "", "two", "three"];
  const all = { "a.zst": rows, "b.gz": rows, "c.log": rows, "d.gz": ["one", "two"], "empty.gz": [] };
  assertEquals(await readAll(ranges("*")), all);
});

rangesTest("reads Avro container files block by block", async ({ files, ranges }) => {
  await files.write("a.avro", avroContainer([["one", "two"], ["three"]]));
  await files.write("b.avro", avroContainer([]));
  const source = ranges("*.avro");
  const { splits } = await plan(source);
  for (const [i, blockCount] of [2, 0].entries()) {
    const { texts, next } = await readOn(source, splits[i], "0", { maxBytes: 0, maxRows: 1 });
    assertEquals([texts.length, next], [blockCount, splits[i].end]);
  }
});

rangesTest("reads the sample events, twice the same", async ({ ranges }) => {
  const planned = await onlySplit(ranges("sample:"));
  const [first, second] = [await readOn(ranges(), planned, "0"), await readOn(ranges(), planned, "0")];
  assertEquals(first, second);
  assert(first.texts.length > 10 && first.next === planned.end);
});

rangesTest("plans the same range again with the same splits and details", async ({ files, ranges }) => {
  await files.write("a.log", "one\n");
  await files.write("b.log", "two\n");
  assertEquals(await plan(ranges("*")), await plan(ranges("b.log", "a.log", "*.log")));
});

rangesTest("gives two files that begin alike different splits", async ({ files, ranges }) => {
  await Deno.mkdir(files.path("x"));
  await Deno.mkdir(files.path("y"));
  await files.write("x/a.log", "one\n");
  await files.write("y/a.log", "one\n");
  const { splits } = await plan(ranges("x/*", "y/*"));
  assertEquals(new Set(splits.map(({ split }) => split)).size, 2);
});

rangesTest("leaves out what was appended after the plan, also of a line", async ({ files, ranges }) => {
  await files.write("a.log", "one\ntw");
  await Deno.utime(files.path("a.log"), MTIME, MTIME);
  const planned = await onlySplit(ranges("a.log"));
  await files.append("a.log", "o\nthree\n");
  for (const limit of [LIMIT, { maxBytes: 1, maxRows: 1 }]) {
    const { texts, times, next } = await readOn(ranges(), planned, "0", limit);
    assertEquals([texts, next], [["one", "tw"], "6"]);
    assertEquals(times, [MTIME.getTime(), MTIME.getTime()], "the time that it had when it was planned");
  }
});

rangesTest("gives records of packed files the time of their file", async ({ files, ranges }) => {
  await files.write("a.gz", gzipSync("one\n"));
  await Deno.utime(files.path("a.gz"), MTIME, MTIME);
  const planned = await onlySplit(ranges("a.gz"));
  await Deno.utime(files.path("a.gz"), MTIME, new Date());
  assertEquals((await readOn(ranges(), planned, "0")).times, [MTIME.getTime()]);
});

rangesTest("goes on anywhere with another source", async ({ files, ranges }) => {
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i} ${"x".repeat(i * 3)}`);
  await files.write("a.log", lines.join("\n"));
  await files.write("b.gz", gzipSync(lines.join("\n")));
  const { splits } = await plan(ranges("*"));
  for (const planned of splits) {
    const source = ranges();
    source.begin(planned, "0");
    for (let row = 1; row <= lines.length; row++) {
      const batch = await source.read(planned.split, { maxBytes: 0, maxRows: 1 }, NEVER);
      assert(batch !== "end" && batch.rowCount === 1);
      assertEquals((await readOn(ranges(), planned, batch.next)).texts, lines.slice(row));
    }
    assertEquals(await source.read(planned.split, LIMIT, NEVER), "end");
  }
});

rangesTest("reads what came since the last run, file by file", async ({ files, ranges }) => {
  await files.write("a.log", "one\n");
  await files.write("b.gz", gzipSync("two\n"));
  const { splits } = await plan(ranges("*"));
  const resume = new Map<string, string>();
  for (const planned of splits) resume.set(planned.split, (await readOn(ranges(), planned, planned.start)).next);
  assertEquals(await readAll(ranges("*"), { resume }), { "b.gz": [] }, "only reading tells that nothing is left of it");
  await files.append("a.log", "three\n");
  await files.write("c.log", "four\n");
  const again = await plan(ranges("*"), { resume });
  assertEquals(again.splits.map(({ start, end, weight }) => [start, end, weight])[0], ["4", "10", 6]);
  assertEquals(await readAll(ranges("*"), { resume }), { "a.log": ["three"], "b.gz": [], "c.log": ["four"] });
});

rangesTest("doesn't unpack a file again that is as it was when it was read to its end", async ({ files, ranges }) => {
  await files.write("a.gz", gzipSync("one\n"));
  await files.write("b.log", "one\n");
  const { splits } = await plan(ranges("*"));
  const known = new Map(splits.map(({ split, details }) => [split, details]));
  const resume = new Map(splits.map(({ split }) => [split, "4"]));
  const nothing = await plan(ranges("*"), { resume, known });
  assertEquals([nothing.splits, nothing.unchanged], [[], splits.map(({ split }) => split)]);
  const [{ split }] = splits;
  assertEquals((await plan(ranges("*"), { resume })).splits.map(({ split }) => split), [split]);
  await Deno.writeFile(files.path("a.gz"), gzipSync("two\n"), { append: true });
  assertEquals(await readAll(ranges("*"), { resume, known }), { "a.gz": ["two"] });
});

rangesTest("knows a file that was short in the last run, and has grown since", async ({ files, ranges }) => {
  const resume = new Map<string, string>();
  const texts: string[] = [];
  const splits = new Set<string>();
  for (const byteLength of [1, 5, 254, 255, 256, 257, 300, 1000]) {
    const { size } = await Deno.stat(files.path("a.log")).catch(() => ({ size: 0 }));
    await files.append("a.log", `${"x".repeat(byteLength - size - 1)}\n`);
    const planned = await onlySplit(ranges("a.log"), { resume });
    const read = await readOn(ranges(), planned, planned.start);
    texts.push(...read.texts);
    splits.add(planned.split);
    resume.set(planned.split, read.next);
  }
  assertEquals(texts.map(({ length }) => length), [0, 3, 248, 0, 0, 0, 42, 699]);
  assertEquals(splits.size, 1);
});

rangesTest("takes a file that was cut and has other lines for a new one, each time", async ({ files, ranges }) => {
  const head = "x".repeat(300);
  const resume = new Map<string, string>();
  const readMore = async () => {
    const planned = await onlySplit(ranges("a.log"), { resume });
    const { texts, next } = await readOn(ranges(), planned, planned.start);
    resume.set(planned.split, next);
    return texts;
  };
  await files.write("a.log", `${head}\none\ntwo\n`);
  assertEquals(await readMore(), [head, "one", "two"]);
  await files.write("a.log", `${head}\nthree\n`);
  assertEquals(await readMore(), [head, "three"]);
  await files.append("a.log", "four, longer than what there was at first\n");
  assertEquals(await readMore(), ["four, longer than what there was at first"]);
  await files.write("a.log", `${head}\n`);
  assertEquals(await readMore(), [head]);
  assertEquals(resume.size, 3);
});

rangesTest("cuts a record that is too long, and goes on behind it", async ({ files, ranges }) => {
  await files.write("a.log", `one\n${"x".repeat(100_000)}\ntwo\n`);
  const planned = await onlySplit(ranges("a.log"));
  const { texts } = await readOn(ranges(), planned, "0", { maxBytes: 10, maxRows: 10 });
  assertEquals(texts.map(({ length }) => length), [3, 1001, 3]);
});

const GONE = "was deleted, renamed or replaced since the job was planned";
const BROKEN: Readonly<Record<string, [(files: FileWorld) => Promise<void>, string]>> = {
  "deleted": [(files) => files.remove("a.log"), GONE],
  "renamed": [(files) => files.rename("a.log", "b.log"), GONE],
  "replaced by another that begins alike": [async (files) => {
    await files.write("b.log", "one\ntwo\nthree\n");
    await files.rename("b.log", "a.log");
  }, GONE],
  "overwritten": [(files) => files.write("a.log", "ONE\ntwo\n"), GONE],
  "emptied": [(files) => files.write("a.log", ""), GONE],
  "cut": [async (files) => {
    await files.write("a.log", `${"one\n".repeat(100)}`);
  }, "it has 400 bytes, and had 600 when the job was planned"],
};
for (const [what, [change, problem]] of Object.entries(BROKEN)) {
  rangesTest(`fails for a file that is ${what}, and names it`, async ({ files, ranges }) => {
    await files.write("a.log", what === "cut" ? "one\n".repeat(150) : "one\ntwo\n");
    const planned = await onlySplit(ranges("a.log"));
    await change(files);
    const error = await assertRejects(() => readOn(ranges(), planned, "0"), FatalError, problem);
    assert(error.message.startsWith(`${files.path("a.log")} can't be read to its end: `), error.message);
  });
}

rangesTest("delivers what is whole of a truncated archive, and fails then", async ({ files, ranges }) => {
  const whole = gzipSync(Array.from({ length: 5000 }, (_, i) => `line ${i * 7919 % 5000}\n`).join(""));
  await files.write("a.gz", whole.subarray(0, whole.length - 20));
  const planned = await onlySplit(ranges("a.gz"));
  const source = ranges();
  source.begin(planned, "0");
  let rowCount = 0;
  const rest = async () => {
    for (;;) {
      const batch = await source.read(planned.split, LIMIT, NEVER);
      if (batch === "end") return;
      rowCount += batch.rowCount;
    }
  };
  await assertRejects(rest, FatalError, "a.gz can't be read to its end: its gzip data ends in the middle");
  assert(rowCount > 4000);
});

rangesTest("says how far it is", async ({ files, ranges }) => {
  await files.write("a.log", "one\ntwo\nthr\nfou\n");
  const source = ranges("a.log");
  const planned = await onlySplit(source);
  source.begin({ ...planned, start: "4" }, "8");
  assertEquals(source.progress(planned.split), 0);
  await source.read(planned.split, { maxBytes: 4, maxRows: 1 }, NEVER);
  assertEquals(source.progress(planned.split), 8 / 12);
  assertEquals(await source.read(planned.split, LIMIT, NEVER) !== "end", true);
  assertEquals(await source.read(planned.split, LIMIT, NEVER), "end");
  assertEquals(source.progress(planned.split), 1);
});

rangesTest("loses nothing when a read is given up", async ({ files, ranges }) => {
  await files.write("a.log", "one\ntwo\n");
  const source = ranges("a.log");
  const planned = await onlySplit(source);
  source.begin(planned, "0");
  const stop = new AbortController();
  const read = source.read(planned.split, LIMIT, stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => read, Error, "enough");
  await assertRejects(() => source.read(planned.split, LIMIT, stop.signal), Error, "enough");
  const batch = await source.read(planned.split, LIMIT, NEVER);
  assertEquals(batch !== "end" && batch.rowCount, 2);
});

rangesTest("refuses ranges that make no sense for files", async ({ files, ranges }) => {
  await files.write("a.log", "one\n");
  const refused: [FileRanges, Partial<RangeRequest>, string][] = [
    [ranges("a.log"), { historical: true }, "there is no historical topic with stream.source=file"],
    [ranges("a.log"), { from: { timestampMs: 5 } }, "files are replayed whole: leave the range out"],
    [ranges("a.log"), { to: { positions: "7" } }, "files are replayed whole: leave the range out"],
    [ranges("-"), {}, "standard input can't be replayed"],
    [ranges("a.log", "b.log", "c.log"), {}, "there is no"],
  ];
  for (const [source, request, problem] of refused) {
    await assertRejects(() => plan(source, request), FatalError, problem);
  }
  assertEquals((await plan(ranges("nothing/*"))).splits, [], "a pattern may match nothing");
  await assertRejects(() => ranges().read("a", LIMIT, NEVER), InvariantError, "not begun");
  const source = ranges("a.log");
  const planned = await onlySplit(source);
  await readOn(source, planned, "0");
  await source.close();
  await source.close();
});
