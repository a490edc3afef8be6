/**
 * The compiled program, killed and stopped while it works. Every row has an id; afterwards the ids in all stored objects
 * are counted. When it is killed follows from what it has done, not from time: from its commits, or from the requests that
 * reach the S3 server.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { PAGES } from "../../src/help/pages.ts";
import { terminalText } from "../../src/help/terminal_text.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { compiledBinary } from "../support/binary.ts";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { startS3 } from "../support/s3_server.ts";
import { inScratchDirectory } from "../support/scratch.ts";

const ROUNDS = 6;
/** New rows a round, in a file of their own: about 3 MB, read in 7 batches, each of them a flush. */
const ROWS_PER_ROUND = 15_000;
/** Most commits or requests that a round lets pass before it strikes. */
const MAX_STEPS = 6;
const SEED = 20261;
/** A user and group that owns nothing. */
const NOBODY = 65534;

const binary = await compiledBinary();
const ignore = binary === undefined;

/** Where rows go, and how a round notices that they do. */
interface Storage {
  readonly config: Readonly<Record<string, string>>;
  /**
   * Sends `signal` to the collector at its `step`-th commit or request from now on, or at the latest when it has committed
   * all that there is, and returns when it was sent.
   */
  strike(collector: CollectorProcess, signal: Deno.Signal, step: number): Promise<void>;
  /** Keys and contents of all stored objects. */
  objects(): Promise<Map<string, Uint8Array>>;
}

/** Writes the file of a round: ids round * rowCount and following, the same contents for the same round. */
async function writeEvents(directory: string, round: number, rowCount: number): Promise<void> {
  const random = new SeededRandom(SEED + round);
  const lines = Array.from({ length: rowCount }, (_, row) => {
    const id = round * rowCount + row;
    const time = { _time: 1_793_491_200_000 + id, _user: `u${id % 1000}` };
    const properties = { id, ...time, value: random.next(), text: "x".repeat(id % 200) };
    return JSON.stringify({ project: `p${id % 2}`, collection: `c${id % 3}`, properties }) + "\n";
  });
  await Deno.writeTextFile(join(directory, `events-${round}.ndjson`), lines.join(""));
}

/** The checkpoint file; what it says before there is one. */
async function checkpointText(directory: string): Promise<string> {
  try {
    return await Deno.readTextFile(join(directory, "checkpoint.json"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return `{"splits":{}}`;
    throw error;
  }
}

/** Bytes of input that are committed, and that there are. */
async function progress(directory: string): Promise<{ committed: number; total: number }> {
  const inputs = Array.from(Deno.readDirSync(directory)).filter(({ name }) => name.startsWith("events-"));
  const total = inputs.reduce((sum, { name }) => sum + Deno.statSync(join(directory, name)).size, 0);
  const { splits } = JSON.parse(await checkpointText(directory)) as { splits: Record<string, { position: string }> };
  return { committed: Object.values(splits).reduce((sum, { position }) => sum + Number(position), 0), total };
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

function configFor(directory: string, storage: Storage): Record<string, string> {
  return {
    "stream.source": "file",
    "file.path": join(directory, "events-*.ndjson"),
    "file.checkpoint": join(directory, "checkpoint.json"),
    "memory.limit": "8MB", // small batches, many flushes
    "middleware.max-flush-records": "1",
    ...storage.config,
  };
}

/** Lets the collector read to the end of the files. */
async function finish(cwd: string, config: Readonly<Record<string, string>>): Promise<void> {
  const { code, stderr } = await runCollector(settings(config), { cwd, program: binary });
  assertEquals(code, 0, stderr);
}

interface Strikes {
  /** How the collector ended, by round: an exit code or a signal. */
  readonly endings: readonly (number | Deno.Signal)[];
  /** How many rounds left something uncommitted: those signals came in the midst of work. */
  readonly midWork: number;
}

/** Each round adds a file, starts the collector and sends it `signal` while it works on it. */
async function strikeRepeatedly(directory: string, storage: Storage, signal: Deno.Signal): Promise<Strikes> {
  const random = new SeededRandom(SEED);
  const args = settings({ ...configFor(directory, storage), "file.follow": "true" });
  const endings: (number | Deno.Signal)[] = [];
  let midWork = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await writeEvents(directory, round, ROWS_PER_ROUND);
    await using collector = new CollectorProcess(args, { cwd: directory, program: binary });
    await collector.until(storage.strike(collector, signal, 1 + Math.floor(random.next() * MAX_STEPS)));
    const status = await collector.status;
    endings.push(status.signal ?? status.code);
    const { committed, total } = await progress(directory);
    if (committed < total) midWork++;
  }
  return { endings, midWork };
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

/** Returns when the checkpoint file has been replaced `times` times, or nothing is left to commit. */
async function checkpointChanges(directory: string, times: number): Promise<void> {
  let last: string | undefined;
  const look = async () => {
    const text = await checkpointText(directory);
    if (last !== undefined && text !== last) times--;
    last = text;
    const { committed, total } = await progress(directory);
    return times === 0 || committed === total;
  };
  using watcher = Deno.watchFs(directory, { recursive: false });
  if (await look()) return;
  for await (const _ of watcher) if (await look()) return;
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
  const { endings, midWork } = await strikeRepeatedly(directory, storage, "SIGKILL");
  assertEquals(endings, Array(ROUNDS).fill("SIGKILL"));
  assert(midWork > 0, "every kill came when everything was committed");
  await finish(directory, configFor(directory, storage));
  assertComplete(countIds(await storage.objects()), ROUNDS * ROWS_PER_ROUND);
}

async function stopCleanly(directory: string, storage: Storage): Promise<void> {
  const { endings, midWork } = await strikeRepeatedly(directory, storage, "SIGTERM");
  assertEquals(endings, Array(ROUNDS).fill(0));
  assert(midWork > 0, "every signal came when everything was committed");
  await finish(directory, configFor(directory, storage));
  const counts = countIds(await storage.objects());
  assertComplete(counts, ROUNDS * ROWS_PER_ROUND);
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
  name: "binary comes with the notices of all that it contains, and a bill of materials",
  ignore,
  fn: async () => {
    const notices = await Deno.readTextFile(`${binary}.notices.txt`);
    const { components } = JSON.parse(await Deno.readTextFile(`${binary}.cdx.json`));
    const names = components.map(({ group, name }: { group?: string; name: string }) => [group, name].filter(Boolean));
    for (const name of ["deno", "kafkajs", "@aws-sdk/client-s3", "picomatch"]) {
      assert(names.some((parts: string[]) => parts.join("/") === name), `${name} is missing`);
    }
    for (const { group, name, version } of components.slice(1)) {
      assert(
        notices.includes(`${group === undefined ? "" : `${group}/`}${name} ${version} (`),
        `${name} has no notice`,
      );
    }
  },
});

Deno.test({
  name: "binary runs as a user without rights, in a folder of its own",
  ignore: ignore || Deno.uid() !== 0,
  fn: () =>
    inScratchDirectory(async (directory) => {
      const path = join(directory, "collector"); // the source tree may lie where nobody else can look
      await Deno.copyFile(binary!, path);
      await writeEvents(directory, 0, ROWS_PER_ROUND);
      await Deno.chown(directory, NOBODY, NOBODY);
      const config = { "stream.source": "file", "file.path": "events-*.ndjson", "target": "file" };
      const { code, stderr } = await runCollector(settings(config), { cwd: directory, program: path, uid: NOBODY });
      assertEquals(code, 0, stderr);
      const counts = countIds(await filesBelow(join(directory, "out")));
      assertComplete(counts, ROWS_PER_ROUND);
    }),
});

Deno.test({
  name: "binary has all pages of the help in it",
  ignore,
  fn: () =>
    inScratchDirectory(async (cwd) => {
      for (const [topic, page] of Object.entries(PAGES)) {
        const { code, stdout, stderr } = await runCollector(["help", topic], { cwd, program: binary });
        assertEquals([code, stderr], [0, ""]);
        assert(stdout.endsWith(terminalText(page, { columns: 80, colors: false })), topic);
      }
    }),
});
