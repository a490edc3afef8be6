/**
 * The compiled program, killed and stopped while it works. Every row has an id; afterwards the ids in all stored objects
 * are counted. When it is killed follows from what it has done, not from time: from its commits, or from the requests that
 * reach the S3 server.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { SeededRandom } from "../../src/runtime/random.ts";
import { compiledBinary, type Ending, RunningBinary } from "../support/binary.ts";
import { startS3 } from "../support/s3_server.ts";

const FILE_COUNT = 4;
const ROWS_PER_FILE = 30_000;
const SEED = 20261;
const ROUNDS = 8;
/** Most commits or requests that a round lets pass before it strikes; all rounds together leave something to do. */
const MAX_STEPS = 6;
/** A user and group that owns nothing. */
const NOBODY = 65534;

const binary = await compiledBinary();
const ignore = binary === undefined;

/** Where rows go, and how a round notices that they do. */
interface Storage {
  readonly config: Readonly<Record<string, string>>;
  /** Sends `signal` to the collector at its `step`-th commit or request from now on, and returns when it was sent. */
  strike(collector: RunningBinary, signal: Deno.Signal, step: number): Promise<void>;
  /** Keys and contents of all stored objects. */
  objects(): Promise<Map<string, Uint8Array>>;
}

async function inScratchDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "collector-binary-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Files of numbered events, the same for the same seed: ids 0 to FILE_COUNT * ROWS_PER_FILE - 1. */
async function writeEvents(directory: string, rowsPerFile = ROWS_PER_FILE): Promise<void> {
  const random = new SeededRandom(SEED);
  for (let file = 0, id = 0; file < FILE_COUNT; file++) {
    const lines: string[] = [];
    for (let row = 0; row < rowsPerFile; row++, id++) {
      const properties = {
        id,
        _time: 1_793_491_200_000 + id,
        _user: `u${id % 1000}`,
        value: random.next(),
        text: "x".repeat(id % 200),
      };
      lines.push(JSON.stringify({ project: `p${id % 2}`, collection: `c${id % 3}`, properties }) + "\n");
    }
    await Deno.writeTextFile(join(directory, `events-${file}.ndjson`), lines.join(""));
  }
}

/** How often each id is in the objects; manifests and dead letters don't count, and no row may be a dead letter. */
function countIds(objects: ReadonlyMap<string, Uint8Array>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const [key, contents] of objects) {
    assert(!key.startsWith("_dead-letters/"), `${key} was stored`);
    if (!key.endsWith(".ndjson.gz")) continue;
    for (const line of new TextDecoder().decode(gunzipSync(contents)).trimEnd().split("\n")) {
      const { id } = (JSON.parse(line) as { properties: { id: number } }).properties;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
  }
  return counts;
}

function assertComplete(counts: ReadonlyMap<number, number>, rowCount: number): void {
  const missing = Array.from({ length: rowCount }, (_, id) => id).filter((id) => !counts.has(id));
  assertEquals(missing.slice(0, 10), [], `${missing.length} of ${rowCount} rows are missing`);
  assertEquals(counts.size, rowCount, "rows that nobody wrote");
}

function settings(directory: string, storage: Storage): Record<string, string> {
  return {
    "stream.source": "file",
    "file.path": join(directory, "events-*.ndjson"),
    "file.checkpoint": join(directory, "checkpoint.json"),
    "memory.limit": "8MB", // small batches, many flushes
    "middleware.max-flush-records": "1",
    ...storage.config,
  };
}

function runArguments(config: Readonly<Record<string, string>>): string[] {
  return ["run", ...Object.entries(config).flatMap(([key, value]) => ["--set", `${key}=${value}`])];
}

function startCollector(cwd: string, config: Readonly<Record<string, string>>): RunningBinary {
  return new RunningBinary(binary!, { args: runArguments(config), cwd });
}

/** Lets the collector read to the end of the files. */
async function finish(cwd: string, config: Readonly<Record<string, string>>): Promise<void> {
  await using collector = startCollector(cwd, config);
  const { code, stderr } = await collector.ended;
  assertEquals(code, 0, stderr);
}

/** Starts the collector again and again and sends it `signal` in the midst of its work; returns how each ended. */
async function strikeRepeatedly(directory: string, storage: Storage, signal: Deno.Signal): Promise<Ending[]> {
  const random = new SeededRandom(SEED);
  const endings: Ending[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const step = 1 + Math.floor(random.next() * MAX_STEPS);
    await using collector = startCollector(directory, { ...settings(directory, storage), "file.follow": "true" });
    await collector.until(storage.strike(collector, signal, step));
    endings.push(await collector.ended);
  }
  return endings;
}

async function filesBelow(directory: string, prefix = ""): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const { name, isDirectory } of Deno.readDir(join(directory, prefix))) {
    const key = prefix + name;
    if (isDirectory) {
      for (const [below, contents] of await filesBelow(directory, `${key}/`)) files.set(below, contents);
    } else files.set(key, await Deno.readFile(join(directory, key)));
  }
  return files;
}

/** Returns when the checkpoint file has been replaced `times` times. */
async function checkpointChanges(directory: string, times: number): Promise<void> {
  const read = () => Deno.readTextFile(join(directory, "checkpoint.json")).catch(() => "");
  using watcher = Deno.watchFs(directory, { recursive: false });
  let last = await read();
  for await (const _ of watcher) {
    const text = await read();
    if (text === last) continue;
    last = text;
    if (--times === 0) return;
  }
}

function fileStorage(directory: string): Storage {
  const out = join(directory, "out");
  return {
    config: { "target": "file", "target.file.directory": out },
    async strike(collector, signal, step) {
      await checkpointChanges(directory, step);
      collector.kill(signal);
    },
    objects: () => filesBelow(out),
  };
}

/** S3, where a kill comes by turns before an object is stored and after it, before the collector learns of it. */
async function withS3(work: (storage: Storage) => Promise<void>): Promise<void> {
  const server = await startS3();
  let strikes = 0;
  try {
    await work({
      config: { "target": "s3", ...server.config },
      strike(collector, signal, step) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const before = strikes++ % 2 === 0;
        server.faults.always(({ operation }) => {
          if (operation !== "PutObject" || --step > 0) return undefined;
          server.faults.clear();
          collector.kill(signal);
          resolve();
          return signal !== "SIGKILL" ? undefined : before ? "hang" : "do and hang";
        });
        return promise;
      },
      async objects() {
        const keys = await server.list();
        return new Map(await Promise.all(keys.map(async (key) => [key, (await server.get(key))!] as const)));
      },
    });
  } finally {
    await server.close();
  }
}

async function surviveKills(directory: string, storage: Storage): Promise<void> {
  await writeEvents(directory);
  const endings = await strikeRepeatedly(directory, storage, "SIGKILL");
  assertEquals(endings.map(({ signal }) => signal), Array(ROUNDS).fill("SIGKILL"));
  const before = (await storage.objects()).size;
  await finish(directory, settings(directory, storage));
  const objects = await storage.objects();
  assert(objects.size > before, "the kills came when everything was written");
  assertComplete(countIds(objects), FILE_COUNT * ROWS_PER_FILE);
}

async function stopCleanly(directory: string, storage: Storage): Promise<void> {
  await writeEvents(directory);
  const endings = await strikeRepeatedly(directory, storage, "SIGTERM");
  assertEquals(endings.map(({ code }) => code), Array(ROUNDS).fill(0), endings.map(({ stderr }) => stderr).join("\n"));
  const before = (await storage.objects()).size;
  await finish(directory, settings(directory, storage));
  const objects = await storage.objects();
  assert(objects.size > before, "the signals came when everything was written");
  const counts = countIds(objects);
  assertComplete(counts, FILE_COUNT * ROWS_PER_FILE);
  assertEquals([...counts.values()].filter((count) => count !== 1).length, 0, "rows are stored more than once");
}

Deno.test({
  name: "binary leaves no row out of its files when it is killed again and again",
  ignore,
  fn: () => inScratchDirectory((directory) => surviveKills(directory, fileStorage(directory))),
});

Deno.test({
  name: "binary leaves no row out of S3 when it is killed before and after an object is stored",
  ignore,
  fn: () => inScratchDirectory((directory) => withS3((storage) => surviveKills(directory, storage))),
});

Deno.test({
  name: "binary writes every row to its files once when it is stopped and started again",
  ignore,
  fn: () => inScratchDirectory((directory) => stopCleanly(directory, fileStorage(directory))),
});

Deno.test({
  name: "binary writes every row to S3 once when it is stopped and started again",
  ignore,
  fn: () => inScratchDirectory((directory) => withS3((storage) => stopCleanly(directory, storage))),
});

Deno.test({
  name: "binary runs as a user without rights, in a folder of its own",
  ignore: ignore || Deno.uid() !== 0,
  fn: () =>
    inScratchDirectory(async (directory) => {
      const path = join(directory, "collector"); // the source tree may lie where nobody else can look
      await Deno.copyFile(binary!, path);
      await writeEvents(directory, 100);
      await Deno.chown(directory, NOBODY, NOBODY);
      const config = { "stream.source": "file", "file.path": "events-*.ndjson", "target": "file" };
      await using collector = new RunningBinary(path, { args: runArguments(config), cwd: directory, uid: NOBODY });
      const { code, stderr } = await collector.ended;
      assertEquals(code, 0, stderr);
      const counts = countIds(await filesBelow(join(directory, "out")));
      assertComplete(counts, FILE_COUNT * 100);
    }),
});
