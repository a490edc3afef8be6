/** `collector verify` of what the collector itself has written, to a directory and to a bucket, before and after damage. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join, relative } from "node:path";
import { type CollectorEnd, CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { type S3Server, startS3 } from "../support/s3_server.ts";
import { events, filesBelow, inScratchDirectory } from "../support/scratch.ts";

const SOURCE = {
  "stream.source": "file",
  "file.path": "in/*",
  "file.checkpoint": "checkpoint.json",
  "middleware.max-flush-records": "2000",
};

/** Where a target keeps its objects. */
interface Store {
  readonly config: Readonly<Record<string, string>>;
  keys(): Promise<string[]>;
  read(key: string): Promise<Uint8Array>;
  write(key: string, bytes: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

function directoryStore(cwd: string): Store {
  const root = join(cwd, "out");
  return {
    config: { "target": "file", "target.file.directory": "out" },
    keys: async () => (await filesBelow(root)).map((path) => relative(root, path)),
    read: (key) => Deno.readFile(join(root, key)),
    write: async (key, bytes) => {
      await Deno.mkdir(join(root, key, ".."), { recursive: true });
      await Deno.writeFile(join(root, key), bytes);
    },
    remove: (key) => Deno.remove(join(root, key)),
  };
}

function bucketStore(server: S3Server): Store {
  return {
    config: { ...server.config, "target": "s3" },
    keys: () => server.list(),
    read: async (key) => (await server.get(key))!,
    write: (key, bytes) => server.put(key, bytes),
    remove: (key) => server.remove(key),
  };
}

async function verify(store: Store, cwd: string, ...flags: string[]): Promise<CollectorEnd> {
  return await runCollector(["verify", ...settings({ ...SOURCE, ...store.config }), ...flags], { cwd });
}

/** The exit code and what was found: "gap 1". */
async function found(store: Store, cwd: string, ...flags: string[]): Promise<[number, string[]]> {
  const { code, stdout, stderr } = await verify(store, cwd, "--json", ...flags);
  assert(stdout !== "", stderr);
  const report = JSON.parse(stdout);
  assertEquals(report.exitCode, code);
  return [code, Object.entries(report.counts).map(([kind, count]) => `${kind} ${count}`)];
}

/** Several units, with dead letters. */
async function collect(store: Store, cwd: string): Promise<void> {
  await Deno.mkdir(join(cwd, "in"));
  for (const name of ["a", "b"]) {
    await Deno.writeTextFile(join(cwd, `in/${name}.ndjson`), `${events(0, 15_000)}{broken\n${events(15_000, 15_000)}`);
  }
  const { code, stderr } = await runCollector(settings({ ...SOURCE, ...store.config }), { cwd });
  assertEquals(code, 0, stderr);
}

/** Damages one thing after the other, each mended before the next. */
async function damageAndMend(store: Store, cwd: string, { briefly = false } = {}): Promise<void> {
  const keys = await store.keys();
  const data = keys.filter((key) => /^p[01]\//.test(key));
  const manifests = keys.filter((key) => key.startsWith("_manifests/a"));
  const letters = keys.find((key) => key.startsWith("_dead-letters/"))!;
  assert(data.length >= 4 && manifests.length >= 3, keys.join("\n"));
  const cut = (bytes: Uint8Array) => bytes.slice(0, -3);
  const change = (bytes: Uint8Array) => bytes.with(60, bytes[60] ^ 8);
  const cases: [string, string, ((bytes: Uint8Array) => Uint8Array) | null, string[], [number, string[]]][] = [
    ["a missing object", data[0], null, [], [4, ["missing-object 1"]]],
    ["a cut object", data[1], cut, [], [4, ["wrong-size 1"]]],
    ["a changed byte, unseen", data[2], change, [], [0, []]],
    ["a changed byte", data[2], change, ["--checksums"], [4, ["wrong-checksum 1"]]],
    ["a changed byte in dead letters", letters, change, ["--deep"], [4, ["wrong-checksum 1"]]],
    ["missing dead letters", letters, null, [], [4, ["missing-dead-letters 1"]]],
    ["a cut manifest", manifests[1], cut, [], [4, ["gap 1", "damaged-manifest 1", "unlisted-object 2"]]],
    ["a missing manifest", manifests[1], null, [], [4, ["gap 1", "unlisted-object 2"]]],
  ];
  for (const [title, key, damage, flags, expected] of cases) {
    const sound = await store.read(key);
    if (damage === null) await store.remove(key);
    else await store.write(key, damage(sound));
    assertEquals(await found(store, cwd, ...flags), expected, title);
    await store.write(key, sound);
    if (briefly && title === "a changed byte in dead letters") return;
  }
  const copy = "_manifests/a.ndjson/copy.json";
  await store.write(copy, await store.read(manifests[1]));
  assertEquals(await found(store, cwd), [0, ["overlap 1"]]);
  assertEquals(await found(store, cwd, "--strict"), [4, ["overlap 1"]]);
  await store.remove(copy);
  await store.write("p0/stray.ndjson.gz", await store.read(data[0]));
  assertEquals(await found(store, cwd), [0, ["unlisted-object 1"]]);
  await store.remove("p0/stray.ndjson.gz");
  const last = manifests.at(-1)!;
  const sound = await store.read(last);
  await store.remove(last);
  const [code, kinds] = await found(store, cwd);
  assertEquals([code, kinds[0]], [4, "committed-beyond 1"]);
  assertEquals(await found(store, cwd, "--skip-committed"), [0, kinds.slice(1)]);
  await store.write(last, sound);
  assertEquals(await found(store, cwd, "--deep"), [0, []], "everything is mended");
}

Deno.test("collector verify proves what was written to a directory, and finds what is done to it", () =>
  inScratchDirectory(async (cwd) => {
    const store = directoryStore(cwd);
    await collect(store, cwd);
    const before = await store.keys();
    const { code, stdout } = await verify(store, cwd, "--deep");
    assertEquals(code, 0, stdout);
    assertStringIncludes(stdout, "60,002: 60,000 rows, 2 dead letters");
    assertStringIncludes(stdout, "sizes, checksums and rows compared");
    assertStringIncludes(stdout, "\neverything is there\n");
    assertEquals((await verify(store, cwd, "--quiet")).stdout, "");
    await damageAndMend(store, cwd);
    assertEquals(await store.keys(), before, "it writes nothing");
  }));

Deno.test("collector verify proves what was written to a bucket, and finds what is done to it", () =>
  inScratchDirectory(async (cwd) => {
    const server = await startS3({ secretAccessKey: "do-not-print-me" });
    server.setListPageSize(3);
    try {
      const store = bucketStore(server);
      await collect(store, cwd);
      assertEquals(await found(store, cwd, "--deep"), [0, []]);
      await damageAndMend(store, cwd, { briefly: true });
      server.faults.always(({ operation }) =>
        operation === "GetObject" ? { status: 403, code: "AccessDenied" } : undefined
      );
      const { code, stdout, stderr } = await verify(store, cwd);
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, "could not be verified; nothing is proved");
      assertStringIncludes(stderr, "allow these credentials s3:GetObject");
      assert(!stderr.includes("do-not-print-me"));
    } finally {
      await server.close();
    }
  }));

Deno.test("collector verify finds nothing missing after kill -9, at any time", () =>
  inScratchDirectory(async (cwd) => {
    const store = directoryStore(cwd);
    await Deno.mkdir(join(cwd, "in"));
    await Deno.mkdir(join(cwd, "out"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 120_000)); // ten batches: a unit each
    const config = settings({ ...SOURCE, ...store.config, "middleware.max-flush-records": "1" });
    for (let round = 0; round < 2; round++) {
      using watcher = Deno.watchFs(join(cwd, "out"));
      await using collector = new CollectorProcess([...config, "--set", "file.follow=true"], { cwd });
      const manifests = new Set<string>();
      const written = (async () => {
        for await (const { paths } of watcher) {
          for (const path of paths) if (path.endsWith(".json")) manifests.add(path);
          if (manifests.size > round) break;
        }
      })();
      await collector.until(written);
      collector.kill("SIGKILL");
      await collector.end();
      const [code, kinds] = await found(store, cwd, "--deep");
      assertEquals(code, 0, kinds.join(", "));
      assertEquals(kinds.filter((kind) => !/^(pending-gap|overlap|unlisted-object)/.test(kind)), []);
    }
    assertEquals((await runCollector(config, { cwd })).code, 0);
    const { code, stdout } = await verify(store, cwd, "--deep", "--json");
    assertEquals(code, 0, stdout);
    const { splits } = JSON.parse(stdout);
    const { size } = await Deno.stat(join(cwd, "in/a.ndjson"));
    assertEquals(splits[0].covered, [{ start: "0", next: String(size) }]);
    assertEquals(splits[0].committed, String(size));
  }));

Deno.test("collector verify finds what replays wrote, and dead letters that were redriven", () =>
  inScratchDirectory(async (cwd) => {
    const store = directoryStore(cwd);
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), `${events(0, 2000)}{broken\n`);
    const config = settings({ ...SOURCE, ...store.config, "replay.directory": "jobs" });
    // Short enough for some events only: the others get a second try.
    const first = await runCollector([...config, "--set", "source.max-record-size=79B"], { cwd });
    assertEquals(first.code, 0, first.stderr);
    for (const args of [["redrive"], ["redrive", "--job", "again"], ["replay", "--prefix", "again/x"]]) {
      const { code, stderr } = await runCollector([...args, ...config], { cwd });
      assertEquals(code, 0, stderr);
      assertEquals(await found(store, cwd, "--deep"), [0, []], args.join(" "));
    }
    const { stdout } = await verify(store, cwd, "--json");
    const { redriven, otherPrefixes, deadLetterObjects } = JSON.parse(stdout);
    assert(redriven.rows > 0 && redriven.deadLetters > 0, stdout);
    assertEquals([otherPrefixes, deadLetterObjects.good], [["again/x"], deadLetterObjects.objects]);
    assertEquals(await found(store, cwd, "--prefix", "again/x", "--deep"), [0, []]);
    await store.remove((await store.keys()).find((key) => key.startsWith("again/x/p"))!);
    assertEquals(await found(store, cwd), [0, []]);
    assertEquals(await found(store, cwd, "--prefix", "again/x"), [4, ["missing-object 1"]]);
    await store.remove((await store.keys()).find((key) => key.startsWith("_dead-letters/_redriven/"))!);
    assertEquals(await found(store, cwd), [4, ["missing-dead-letters 1"]]);
    for (const key of (await store.keys()).filter((key) => /^_manifests\/redrive/.test(key))) await store.remove(key);
    const [code, kinds] = await found(store, cwd);
    assertEquals([code, kinds[0]], [4, "uncovered-replay 2"], "what both redrives have read");
  }));

Deno.test("collector verify finds that the first or the last unit of a finished replay is gone", () =>
  inScratchDirectory(async (cwd) => {
    const store = directoryStore(cwd);
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 30_000));
    const config = { ...SOURCE, ...store.config, "replay.directory": "jobs", "replay.unit-size": "1MB" };
    const { code, stderr } = await runCollector(["replay", "--prefix", "again", ...settings(config)], { cwd });
    assertEquals(code, 0, stderr);
    const sound = await verify(store, cwd, "--prefix", "again");
    assertEquals(sound.code, 0, sound.stdout);
    assertStringIncludes(sound.stdout, "\nreplays       1 report, all covered\n");

    const keys = await store.keys();
    const units = await Promise.all(
      keys.filter((key) => key.startsWith("again/_manifests/")).map(async (manifest) => {
        const { ranges, objects } = JSON.parse(new TextDecoder().decode(await store.read(manifest)));
        const data = objects.map(({ key }: { key: string }) => `again/${key}`);
        return { start: Number(ranges[0].start), keys: [manifest, ...data] };
      }),
    );
    units.sort((a, b) => a.start - b.start);
    assert(units.length >= 2, keys.join("\n"));
    for (const gone of [units[0], units.at(-1)!]) {
      const kept = await Promise.all(gone.keys.map((key) => store.read(key)));
      for (const key of gone.keys) await store.remove(key);
      assertEquals(await found(store, cwd, "--prefix", "again"), [4, ["uncovered-replay 1"]]);
      if (gone === units[0]) { for (const [i, key] of gone.keys.entries()) await store.write(key, kept[i]); }
    }
    const report = keys.find((key) => key.startsWith("again/_replays/"))!;
    await store.write(report, (await store.read(report)).slice(0, -3));
    assertEquals(await found(store, cwd, "--prefix", "again"), [4, ["damaged-report 1"]]);
    await store.remove(report);
    assertEquals(await found(store, cwd, "--prefix", "again"), [0, []]);
  }));

Deno.test("collector verify says what it can't verify", () =>
  inScratchDirectory(async (cwd) => {
    const store = directoryStore(cwd);
    const ask = (flags: string[], config = {}) =>
      runCollector(["verify", ...settings({ ...SOURCE, ...store.config, ...config }), ...flags], { cwd });
    const cases: [string[], Record<string, string>, number, string][] = [
      [[], {}, 1, "there are no manifests"],
      [[], { "target.manifest": "false" }, 2, "nothing can be verified"],
      [[], { "target": "console" }, 2, "target=console can't be verified"],
      [["--prefix", "../x"], {}, 2, '--prefix: ".." begins with "."'],
      [["--prefix", "x", "--hour-markers"], {}, 2, "can't be used together"],
      [["--lateness", "1m"], {}, 2, "goes with --hour-markers"],
      [["--hour-markers", "--lateness", "soon"], {}, 2, "--lateness: not a duration"],
      [[], { "target.file.directory": "in.txt" }, 1, "is not a directory"],
    ];
    await Deno.writeTextFile(join(cwd, "in.txt"), "");
    for (const [flags, config, expected, message] of cases) {
      const { code, stdout, stderr } = await ask(flags, config);
      assertEquals(code, expected, stderr);
      assertStringIncludes(stdout + stderr, message);
    }
    assertEquals([...Deno.readDirSync(cwd)].map(({ name }) => name), ["in.txt"], "it makes nothing");
  }));

Deno.test("collector verify --hour-markers marks the hours that are complete, once", () =>
  inScratchDirectory(async (cwd) => {
    const store = directoryStore(cwd);
    await Deno.mkdir(join(cwd, "in"));
    const path = join(cwd, "in/a.ndjson");
    // A file's records arrive when it was changed last.
    const arrive = async (first: number, time: string) => {
      await Deno.writeTextFile(path, events(first, 10), { append: true });
      await Deno.utime(path, new Date(time), new Date(time));
      assertEquals((await runCollector(settings({ ...SOURCE, ...store.config }), { cwd })).code, 0);
    };
    const mark = async () => {
      const { code, stdout, stderr } = await verify(store, cwd, "--hour-markers", "--json");
      assertEquals(code, 0, stdout + stderr);
      return JSON.parse(stdout).hourMarkers;
    };
    const markers = async () =>
      (await store.keys()).filter((key) => key.startsWith("_complete/")).map((key) => key.slice(10));
    const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10);
    const hour = (hour: number) => `a.ndjson/dt=${day}/hour=${String(hour).padStart(2, "0")}.json`;
    await arrive(0, `${day}T00:30:00Z`);
    await arrive(10, `${day}T03:01:00Z`);
    await Deno.writeTextFile(path, events(20, 10), { append: true }); // not read yet: the end isn't reached
    assertEquals((await mark()).written, 2);
    assertEquals(await markers(), [0, 1].map((h) => hour(h)), "03:01 is within the lateness of 03:00");
    await arrive(30, `${day}T03:06:00Z`);
    assert((await mark()).written >= 1);
    const all = await markers();
    assertEquals(all.slice(0, 3), [0, 1, 2].map((h) => hour(h)));
    const { written, parents } = await mark();
    assertEquals(written, 0);
    assertEquals(parents[0].parent, "a.ndjson");
    const marker = JSON.parse(new TextDecoder().decode(await store.read(`_complete/${hour(0)}`)));
    assertEquals([marker.from, marker.to], [`${day}T00:00:00.000Z`, `${day}T01:00:00.000Z`]);
  }));
