/** `collector replay` as cron and people run it: in processes that are stopped, killed and started twice. */
import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { SeededRandom } from "../../src/runtime/random.ts";
import { events, hashes, idsIn, logged, type Objects, range, ReplayWorld, reportsIn } from "../support/replay_world.ts";
import { type S3Server, startS3 } from "../support/s3_server.ts";

const COUNT = 20_000;
const FILES = {
  "a.ndjson": events(0, 6000),
  "b.ndjson.gz": gzipSync(events(6000, 6000)),
  "c.ndjson.zst": zstdCompressSync(events(12_000, 4000)),
  "d.ndjson": events(16_000, 4000) + "{oops\n",
};

/** Kills the process when so many things have happened in a directory: anywhere in the writing of a unit. */
async function killAfterChanges(
  world: ReplayWorld,
  directory: string,
  count: number,
  flags: string[],
): Promise<number> {
  await Deno.mkdir(world.path(directory), { recursive: true });
  using watcher = Deno.watchFs(world.path(directory));
  await using replay = world.start(flags, { "target.file.directory": "killed", "pipeline.workers": String(count % 3) });
  void replay.status.then(() => watcher.close());
  let seen = 0;
  for await (const { paths } of watcher) if ((seen += paths.length) >= count) break;
  replay.kill("SIGKILL");
  return (await replay.end()).code;
}

Deno.test("replay that is killed again and again comes to the objects of one that isn't", async () => {
  await using world = await ReplayWorld.make(FILES);
  const whole = await world.run(["--job", "j"], { "target.file.directory": "whole", "replay.directory": "others" });
  assertEquals(whole.code, 0, whole.stderr);
  const expected = await world.objects("whole");
  assertEquals(idsIn(expected), range(0, COUNT));
  const [{ totals, units }] = reportsIn(expected);
  assertEquals([totals.rows, totals.deadLetters, totals.records], [COUNT, 1, COUNT + 1]);
  assertGreater(units.length, 4);

  const random = new SeededRandom(11);
  const codes: number[] = [];
  while (codes.at(-1) !== 0 && codes.length < 60) {
    const directory = random.next() < 0.5 ? "jobs/j" : "killed";
    codes.push(await killAfterChanges(world, directory, 1 + Math.floor(random.next() * 40), ["--job", "j"]));
  }
  assertEquals(codes.filter((code) => code !== 137 && code !== 0), []);
  assertGreater(codes.length, 3, "it was hardly killed");
  assertEquals(codes.at(-1), 0);
  assertEquals(hashes(await world.objects("killed")), hashes(expected));
  assertEquals([...Deno.readDirSync(world.path("jobs/j"))].map(({ name }) => name), ["lock"]);
});

async function objectsOf(server: S3Server, prefix: string): Promise<Objects> {
  const objects = new Map<string, Uint8Array>();
  for (const key of await server.list(prefix)) objects.set(key.slice(prefix.length), (await server.get(key))!);
  return objects;
}

Deno.test("replay to S3 that is killed in its requests comes to the objects of one that isn't", async () => {
  await using world = await ReplayWorld.make(FILES);
  const server = await startS3();
  try {
    const config = { ...server.config, "target": "s3" };
    const whole = await world.run(["--prefix", "whole", "--job", "whole"], config);
    assertEquals(whole.code, 0, whole.stderr);
    const expected = await objectsOf(server, "whole/");
    assertEquals(idsIn(expected), range(0, COUNT));
    const flags = ["--prefix", "killed", "--job", "killed"];
    for (const [requests, fault] of [[2, "hang"], [9, "do and hang"]] as const) {
      const reached = Promise.withResolvers<void>();
      let left = requests;
      server.faults.always(({ operation }) => {
        if (operation !== "PutObject" || --left > 0) return undefined;
        reached.resolve();
        return fault;
      });
      await using replay = world.start(flags, config);
      await replay.until(reached.promise);
      replay.kill("SIGKILL");
      await replay.status;
    }
    server.faults.clear();
    server.faults.always(undefined);
    const end = await world.run(flags, config);
    assertEquals(end.code, 0, end.stderr);
    const found = await objectsOf(server, "killed/");
    const withoutReport = (objects: Objects) => hashes(new Map([...objects].filter(([key]) => !/^_replays/.test(key))));
    assertEquals(withoutReport(found), withoutReport(expected));
    // With the name of the job, the checksum is another one, too.
    const nameless = (objects: Objects) => ({ ...reportsIn(objects)[0], job: "", crc32: "" });
    assertEquals(nameless(found), nameless(expected));
  } finally {
    await server.close();
  }
});

Deno.test("replay runs once at a time, waits when told to, stops with 5 at SIGTERM, and the next goes on", async () => {
  await using world = await ReplayWorld.make(FILES);
  await using first = world.start(["--job", "j", "--rate", "200kB"]);
  await first.logs("replaying");
  const second = await world.run(["--job", "j"]);
  assertEquals([second.code, second.stdout], [3, ""]);
  assertStringIncludes(second.stderr, "another run of the same job is under way");
  const dry = await world.run(["--job", "j", "--dry-run"]);
  assertEquals(dry.code, 0);
  await using third = world.start(["--job", "j", "--wait"]);
  await third.logs("waiting for it to end");
  first.kill("SIGTERM");
  const stopped = await first.end();
  assertEquals(stopped.code, 5, stopped.stderr);
  assertStringIncludes(stopped.stderr, "stopped before the end; the same command goes on from here");
  const end = await third.end();
  assertEquals(end.code, 0, end.stderr);
  assertEquals(logged(end.stderr, "going on with the run that wasn't finished").length, 1);
  assertEquals(idsIn(await world.objects()), range(0, COUNT));
  assertEquals(reportsIn(await world.objects()).length, 1);
});

Deno.test("replay that waits for another ends at SIGTERM", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 9000) });
  await using first = world.start(["--job", "j", "--rate", "1"]);
  await first.logs("replaying");
  await using second = world.start(["--job", "j", "--wait"]);
  await second.logs("waiting for it to end");
  second.kill("SIGTERM");
  assertEquals((await second.end()).code, 5);
  first.kill("SIGTERM"); // while it waits for its rate
  assertEquals((await first.end()).code, 5);
});

Deno.test("replay says what it would do, and leaves nothing behind", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 100), "b.ndjson.gz": gzipSync(events(100, 5)) });
  const { code, stdout, stderr } = await world.run(["--dry-run", "--prefix", "again", "--quiet"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^job {6}replay-[0-9a-f]{8}\nreads {4}from the beginning to the end: 2 splits, /);
  assertMatch(stdout, /\n {9}a\.ndjson\/[0-9a-f]{12} +0 to \d+ /);
  assertMatch(
    stdout,
    /\nwrites {3}file \/.*\/out, again\/\{project\}, new objects after each 1 MB of records, with \d+ workers\n$/,
  );
  assertEquals([...Deno.readDirSync(world.cwd)].map(({ name }) => name), ["in"]);
});

Deno.test("replay --quiet says nothing when all is well, and everything when it isn't", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 100) });
  const good = await world.run(["--quiet"]);
  assertEquals(good, { code: 0, stdout: "", stderr: "" });
  await world.write("file", "where a folder should be");
  const bad = await world.run(["--quiet"], { "target.file.directory": "file" });
  assertEquals([bad.code, bad.stdout], [1, ""]);
  for (const text of ["replaying", "failed", world.path("file"), "--discard"]) assertStringIncludes(bad.stderr, text);
});

Deno.test("replay of nothing is done, with a report", async () => {
  await using world = await ReplayWorld.make({ "empty.ndjson": "" });
  const { code, stderr } = await world.run([]);
  assertEquals(code, 0, stderr);
  const objects = await world.objects();
  const [{ totals, ranges }] = reportsIn(objects);
  assertEquals([objects.size, totals.records, ranges], [1, 0, []]);
});

Deno.test("replay --until-now reads what is new, and below the prefix that it was told", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 100) });
  const flags = ["--until-now", "--prefix", "daily/files"];
  assertEquals((await world.run(flags)).code, 0);
  await world.write("in/b.ndjson.gz", gzipSync(events(100, 50)));
  await Deno.writeTextFile(world.path("in/a.ndjson"), events(150, 7), { append: true });
  for (const count of [57, 0]) {
    const { code, stderr } = await world.run(flags);
    assertEquals([code, logged(stderr, "done")[0].records], [0, count], stderr);
  }
  const objects = await world.objects();
  assertEquals(idsIn(objects), range(0, 157));
  assertEquals([...objects.keys()].filter((key) => !key.startsWith("daily/files/")), []);
});

Deno.test("replay finishes the unfinished range of its job first, and then reads its own", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 9000) });
  const flags = ["--until-now", "--job", "j"];
  {
    await using first = world.start([...flags, "--rate", "1"]);
    await first.logs("replaying");
    first.kill("SIGKILL");
    await first.status;
  }
  await world.write("in/b.ndjson", events(9000, 1000));
  const { code, stderr } = await world.run(flags);
  assertEquals(code, 0, stderr);
  assertEquals(logged(stderr, "done").map(({ records }) => records), [9000, 1000]);
  const objects = await world.objects();
  assertEquals([idsIn(objects), reportsIn(objects).length], [range(0, 10_000), 2]);
});

Deno.test("replay whose file is gone fails until it is told to give the run up, and doubles nothing then", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 12_000), "b.ndjson": events(12_000, 12_000) });
  const flags = ["--until-now", "--job", "j"];
  {
    await using first = world.start([...flags, "--rate", "1MB"]);
    await first.logs("replaying");
    using watcher = Deno.watchFs(world.path("jobs/j"));
    for await (const { paths } of watcher) if (paths.some((path) => path.endsWith("/progress.json"))) break;
    first.kill("SIGKILL");
    await first.status;
  }
  await Deno.remove(world.path("in/b.ndjson"));
  const failed = await world.run(flags);
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "it was deleted, renamed or replaced since the job was planned");
  assertStringIncludes(failed.stderr, "begins anew with --discard");
  const anew = await world.run([...flags, "--discard"]);
  assertEquals(anew.code, 0, anew.stderr);
  assertEquals(logged(anew.stderr, "gave up the run that wasn't finished; what it stored stays").length, 1);
  const ids = idsIn(await world.objects());
  assertEquals(ids.filter((id) => id < 12_000), range(0, 12_000));
  assertEquals(new Set(ids).size, ids.length);
});

Deno.test("replay gives the same objects in any time zone, with days in UTC", async () => {
  await using world = await ReplayWorld.make({ "a.ndjson": events(0, 24 * 120) });
  const config = { "target.key-template": "{project}/dt={date}" };
  const { runCollector } = await import("../support/collector.ts");
  const ends = await Promise.all(["UTC", "Europe/Berlin"].map((zone, i) => {
    const args = world.arguments(["--job", "j"], {
      ...config,
      "target.file.directory": zone,
      "replay.directory": `${i}`,
    });
    return runCollector(args, { cwd: world.cwd, environment: { TZ: zone } });
  }));
  assertEquals(ends.map(({ code }) => code), [0, 0]);
  const [utc, berlin] = [await world.objects("UTC"), await world.objects("Europe/Berlin")];
  assertEquals(hashes(berlin), hashes(utc));
  const change = [...utc.keys()].filter((key) => key.includes("p1/dt=2026-03-29/"));
  const ids = change.flatMap((key) => idsIn(new Map([[key, utc.get(key)!]])));
  assertEquals(ids, range(24 * 87, 24 * 88).filter((id) => id % 2 === 1), "a day of 24 hours");
});

/** What a program prints; null when there is no such program. */
async function output(program: string, args: string[]): Promise<string | null> {
  try {
    const { stdout, success } = await new Deno.Command(program, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const PYTHON = `
import gzip, hashlib, json, sys
root = sys.argv[1]
report = json.load(open(root + "/" + sys.argv[2]))
ids = []
for unit in report["units"]:
    for entry in unit["objects"]:
        raw = open(root + "/" + entry["key"], "rb").read()
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
        rows = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
        assert len(rows) == entry["rows"]
        ids += [row["properties"]["id"] for row in rows]
print(len(ids), len(set(ids)), min(ids), max(ids))
`;

Deno.test("replay's objects and reports are read by other people's programs", async () => {
  await using world = await ReplayWorld.make(FILES);
  assertEquals((await world.run([])).code, 0);
  const objects = await world.objects();
  const data = [...objects.keys()].filter((key) => /^p\d\//.test(key)).map((key) => world.path(`out/${key}`));
  const lines = await output("zcat", data);
  if (lines !== null) assertEquals(lines.trimEnd().split("\n").length, COUNT);
  const report = [...objects.keys()].find((key) => key.startsWith("_replays/"))!;
  const counted = await output("python3", ["-c", PYTHON, world.path("out"), report]);
  if (counted !== null) assertEquals(counted, `${COUNT} ${COUNT} 0 ${COUNT - 1}\n`);
  assert(lines !== null || counted !== null, "there is nobody to read it");
});
