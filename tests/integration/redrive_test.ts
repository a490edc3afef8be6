/** `collector redrive`, in a process of its own: letters become rows once the config is right, each once. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { events, filesBelow, idOf, inScratchDirectory, readRows } from "../support/scratch.ts";

const RECORDS = 30_000;

const CONFIG: Record<string, string> = {
  "stream.source": "file",
  "file.path": "in/*",
  "file.checkpoint": "checkpoint.json",
  "target": "file",
  "target.file.directory": "out",
  "replay.directory": "jobs",
  "replay.unit-size": "1MB",
  "middleware.max-flush-records": "5000",
  "source.metadata-columns": "topic,partition,position",
};

/** What is wrong at first: strict about a layout that the records don't have. */
const WRONG = { ...CONFIG, "source.data-format.json.layout": "FABRIC" };

async function writeEvents(cwd: string): Promise<void> {
  await Deno.mkdir(join(cwd, "in"));
  for (const [name, first] of [["a.ndjson", 0], ["b.ndjson", RECORDS / 2]] as const) {
    const text = `${events(first, 100)}{"broken\n${events(first + 100, RECORDS / 2 - 100)}`;
    await Deno.writeTextFile(join(cwd, "in", name), text);
  }
}

/** Lines of all objects, by whether they are rows, letters to be tried, or letters that were. */
async function stored(cwd: string): Promise<Record<"rows" | "letters" | "tried", Record<string, unknown>[]>> {
  const found = { rows: [], letters: [], tried: [] } as Awaited<ReturnType<typeof stored>>;
  for (const path of await filesBelow(join(cwd, "out"))) {
    if (!path.endsWith(".ndjson.gz")) continue;
    const kind = path.includes("/_redriven/") ? "tried" : path.includes("/_dead-letters/") ? "letters" : "rows";
    for (const row of await readRows(path)) found[kind].push(row);
  }
  return found;
}

function idsOf(rows: readonly Record<string, unknown>[]): number[] {
  return rows.map(idOf).sort((a, b) => a - b);
}

const ALL_IDS = Array.from({ length: RECORDS }, (_, i) => i);

Deno.test("redrive turns letters into rows once the config is right, and keeps what is still wrong", () =>
  inScratchDirectory(async (cwd) => {
    await writeEvents(cwd);
    assertEquals((await runCollector(["run", ...settings(WRONG)], { cwd })).code, 0);
    const before = await stored(cwd);
    assertEquals([before.rows.length, before.letters.length], [0, RECORDS + 2]);

    const dry = await runCollector(["redrive", "--dry-run", ...settings(CONFIG)], { cwd });
    assertEquals(dry.code, 0);
    assert(dry.stdout.includes("30,002 records"), dry.stdout);
    assertEquals((await stored(cwd)).letters.length, RECORDS + 2, "a dry run changes nothing");

    const end = await runCollector(["redrive", "--quiet", ...settings(CONFIG)], { cwd });
    assertEquals([end.code, end.stdout], [0, ""]);
    assertEquals(
      end.stderr.split("a record can't be decoded").length - 1,
      2,
      "what is still wrong is said, quiet or not",
    );
    const { rows, letters, tried } = await stored(cwd);
    assertEquals(idsOf(rows), ALL_IDS);
    assertEquals(letters.map(({ code, payload }) => [code, atob(String(payload))]), [
      ["malformed-json", '{"broken'],
      ["malformed-json", '{"broken'],
    ]);
    assertEquals(tried.length, RECORDS + 2, "what was tried is archived, whole");
    const { split, position } = before.letters.find(({ code }) => code === "bad-envelope")!;
    const row = rows.find(({ properties }) => {
      const { _topic, _partition, _position } = properties as Record<string, unknown>;
      return `${_topic}/${_partition}` === split && String(_position) === position;
    });
    assert(row !== undefined, "rows say where the record was first read from");

    const again = await runCollector(["redrive", ...settings(CONFIG)], { cwd });
    assertEquals(again.code, 0);
    const after = await stored(cwd);
    assertEquals([after.rows.length, after.letters.length, after.tried.length], [RECORDS, 2, RECORDS + 2]);
    const nothingLeft = await runCollector(["run", ...settings(CONFIG)], { cwd });
    assertEquals(nothingLeft.code, 0);
    assertEquals((await stored(cwd)).rows.length, RECORDS, "the live collector goes on where it was");
  }));

Deno.test("redrive that is killed again and again makes every letter one row", () =>
  inScratchDirectory(async (cwd) => {
    await writeEvents(cwd);
    await runCollector(["run", ...settings(WRONG)], { cwd });
    const args = ["redrive", "--rate", "3MB", ...settings(CONFIG)];
    let kills = 0;
    for (let delayMs = 200;; delayMs += 100) {
      await using collector = new CollectorProcess(args, { cwd });
      const started = collector.logs('"message":"replaying"').catch(() => {}); // it may end before
      await Promise.race([started, collector.status]);
      const timer = setTimeout(() => collector.kill("SIGKILL"), delayMs);
      const { code, signal } = await collector.status;
      clearTimeout(timer);
      if (signal !== "SIGKILL") {
        assertEquals(code, 0, collector.stderr);
        break;
      }
      kills++;
    }
    assert(kills >= 3, `killed ${kills} times`);
    const { rows, letters, tried } = await stored(cwd);
    assertEquals(idsOf(rows), ALL_IDS);
    assertEquals([letters.length, tried.length], [2, RECORDS + 2]);
  }));

Deno.test("redrive --prefix tries the letters of a replay that wrote there", () =>
  inScratchDirectory(async (cwd) => {
    await writeEvents(cwd);
    const replay = await runCollector(["replay", "--prefix", "again/x", ...settings(WRONG)], { cwd });
    assertEquals(replay.code, 0, replay.stderr);
    const end = await runCollector(["redrive", "--prefix", "again/x", ...settings(CONFIG)], { cwd });
    assertEquals(end.code, 0, end.stderr);
    const { rows, letters, tried } = await stored(cwd);
    assertEquals(idsOf(rows), ALL_IDS);
    assertEquals([letters.length, tried.length], [2, RECORDS + 2]);
    const names = [...Deno.readDirSync(join(cwd, "out"))].map(({ name }) => name).sort();
    assertEquals(names, ["again"], "all of it is below the prefix");
  }));

Deno.test("redrive reads letters from a directory of their own", () =>
  inScratchDirectory(async (cwd) => {
    await writeEvents(cwd);
    const directory = { "dead-letter.directory": "letters" };
    await runCollector(["run", ...settings({ ...WRONG, ...directory })], { cwd });
    const end = await runCollector(["redrive", ...settings({ ...CONFIG, ...directory })], { cwd });
    assertEquals(end.code, 0, end.stderr);
    assertEquals(idsOf((await stored(cwd)).rows), ALL_IDS);
    const names = await filesBelow(join(cwd, "letters"));
    assertEquals(names.filter((path) => !path.includes("_redriven")).length, 2, names.join("\n"));
  }));
