import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { SeededRandom } from "../../src/runtime/random.ts";
import { inScratchDirectory } from "../support/scratch.ts";
import { until } from "../support/until.ts";

const PROGRAM = fileURLToPath(new URL("../support/file_source_program.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

interface Places {
  readonly logs: string;
  readonly checkpoint: string;
  readonly output: string;
}

function inPlaces(run: (places: Places) => Promise<void>): Promise<void> {
  return inScratchDirectory(async (directory) => {
    const places = {
      logs: join(directory, "logs"),
      checkpoint: join(directory, "state.json"),
      output: join(directory, "out"),
    };
    await Deno.mkdir(places.logs);
    await Deno.mkdir(places.output);
    await run(places);
  });
}

function start({ logs, checkpoint, output }: Places): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "-A",
      "--config",
      CONFIG,
      PROGRAM,
      join(logs, "app.log*"),
      checkpoint,
      output,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
}

/** Kills without warning, and waits until it is gone. */
async function kill(child: Deno.ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await child.stderr.cancel();
  await child.status;
}

interface Part {
  readonly split: string;
  readonly start: number;
  readonly next: number;
  readonly rows: string[];
}

/** What was stored. While the program runs a listing may miss a file though it has a later one. */
async function parts({ output }: Places): Promise<Part[]> {
  const found: Part[] = [];
  for await (const { name } of Deno.readDir(output)) {
    if (name.endsWith(".tmp")) continue;
    const [file, id, start] = name.split("@");
    const { next, rows } = JSON.parse(await Deno.readTextFile(join(output, name)));
    found.push({ split: `${file}/${id}`, start: Number(start), next: Number(next), rows });
  }
  return found;
}

async function countStored(places: Places): Promise<number> {
  return (await parts(places)).reduce((sum, { rows }) => sum + rows.length, 0);
}

/** All rows that were stored, by split in the order of their positions. Fails on overlaps and gaps. */
async function storedRows(places: Places): Promise<string[]> {
  const bySplit = Map.groupBy(await parts(places), ({ split }) => split);
  for (const [split, all] of bySplit) {
    all.sort((a, b) => a.start - b.start);
    all.forEach(({ start }, i) => assertEquals(start, i === 0 ? 0 : all[i - 1].next, `a gap or overlap in ${split}`));
  }
  return [...bySplit.values()].flat().flatMap(({ rows }) => rows);
}

/** Writes numbered lines to app.log, in pieces that end anywhere, and rotates it. */
class Writer {
  readonly #directory: string;
  readonly #random: SeededRandom;
  #rotations = 0;
  #rest = "";
  lineCount = 0;

  constructor(directory: string, random: SeededRandom) {
    this.#directory = directory;
    this.#random = random;
  }

  async write(lineCount: number): Promise<void> {
    for (let i = 0; i < lineCount; i++) {
      this.#rest += `line ${this.lineCount++} ${"x".repeat(this.#random.next() * 60)}\n`;
    }
    const cut = Math.floor(this.#random.next() * this.#rest.length);
    await this.#append(this.#rest.slice(0, cut));
    this.#rest = this.#rest.slice(cut);
  }

  /** Sometimes the old file gets its last lines after it was renamed, as with a writer that holds it open. */
  async rotate(): Promise<void> {
    const old = `app.log.${this.#rotations++}`;
    if (this.#random.next() < 0.5) await this.flush();
    await Deno.rename(join(this.#directory, "app.log"), join(this.#directory, old));
    await this.#append(this.#rest, old);
    this.#rest = "";
  }

  async flush(): Promise<void> {
    await this.#append(this.#rest);
    this.#rest = "";
  }

  #append(text: string, name = "app.log"): Promise<void> {
    return Deno.writeTextFile(join(this.#directory, name), text, { append: true, create: true });
  }
}

for (const seed of [1, 2]) {
  Deno.test(`the file source stores every line once through kills and rotations (seed ${seed})`, () =>
    inPlaces(async (places) => {
      const random = new SeededRandom(seed);
      const writer = new Writer(places.logs, random);
      const kills = 6;
      let killedAtWork = 0;
      for (let round = 0; round <= kills; round++) {
        const before = (await storedRows(places)).length;
        const child = start(places);
        try {
          const steps = 5 + Math.floor(random.next() * 10);
          for (let step = 0; step < steps; step++) {
            await writer.write(100 + Math.floor(random.next() * 200));
            if (random.next() < 0.3) await writer.rotate();
          }
          if (round === kills) await writer.flush();
          const goal = round === kills ? writer.lineCount : before + 1 + Math.floor(random.next() * 300);
          await until(`${goal} lines are stored`, async () => await countStored(places) >= goal);
          if (await countStored(places) < writer.lineCount - 50) killedAtWork++;
        } finally {
          await kill(child);
        }
      }
      const numbers = (await storedRows(places)).map((line) => Number(line.split(" ")[1])).sort((a, b) => a - b);
      assertGreater(writer.lineCount, 2000);

      assertGreater(killedAtWork, 2);
      assertEquals(numbers, Array.from({ length: writer.lineCount }, (_, i) => i));
    }));
}

Deno.test("the file source refuses a checkpoint file that another process holds, until that one is killed", () =>
  inPlaces(async (places) => {
    await Deno.writeTextFile(join(places.logs, "app.log"), "one\n");
    const first = start(places);
    try {
      await until("the first has stored its line", async () => await countStored(places) === 1);
      const second = start(places);
      const [text, { code }] = await Promise.all([new Response(second.stderr).text(), second.status]);
      assertEquals(code, 1);
      assertStringIncludes(text, `${places.checkpoint} is in use by another collector`);
    } finally {
      await kill(first);
    }
    await Deno.writeTextFile(join(places.logs, "app.log"), "two\n", { append: true });
    const third = start(places);
    try {
      await until("the third has gone on", async () => await countStored(places) === 2);
    } finally {
      await kill(third);
    }
  }));
