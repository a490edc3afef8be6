/**
 * What is kept of a job on the machine that runs it, in a directory of its own:
 *
 *     lock            held with flock(2) while a process works on the job
 *     plan.json       the range of the run that isn't finished; there is none when nothing is left to do
 *     progress.json   how far that run got
 *     units.ndjson    the manifests of the units that it stored, one a line
 *     last.json       where the last run ended whose end another one may begin at
 */
import { join } from "node:path";
import { createHash } from "node:crypto";
import type { Position, SplitDetails, SplitId } from "../records/position.ts";
import { type FileLock, lockFile, PRIVATE_DIRECTORY, PRIVATE_FILE, replaceFile } from "../runtime/durable_file.ts";
import { FatalError } from "../runtime/errors.ts";
import { parseSealed, sealed } from "../runtime/sealed_json.ts";
import type { RangePlan } from "../records/range.ts";
import { type Manifest, MANIFEST_FIELDS } from "../target/manifest.ts";
import type { RotationState } from "./rotation.ts";

/** The range of a run, and what decides its objects' names besides. */
export interface JobPlan {
  /** Of the range: the same range has the same one. */
  readonly id: string;
  /** What was asked for, ISO 8601 or positions; null: the earliest, the end as it was then. */
  readonly from: string | null;
  readonly to: string | null;
  /** Below the target's root; "" for the root itself. */
  readonly prefix: string;
  readonly historical: boolean;
  /** Whether the job's next run may begin where this one ends. */
  readonly incremental: boolean;
  /** What of the config a process that goes on must have, too: values by key. */
  readonly settings: Readonly<Record<string, string>>;
  readonly unitByteLength: number;
  readonly range: RangePlan;
}

/** Up to where everything is durable. */
export interface JobProgress {
  /** Splits that aren't here are at their start. */
  readonly positions: ReadonlyMap<SplitId, Position>;
  readonly rotation: RotationState;
  /** What turned out to be gone while it was read, for people. */
  readonly missing: readonly string[];
}

const VERSION = 1;

/** All fields of what was kept before it had checksums. */
const FIELDS = [
  ...["version", "id", "from", "to", "prefix", "historical", "incremental", "settings", "unitByteLength", "range"],
  ...["positions", "rotation", "missing", "details"],
];

/** Splits whose ends are kept: twice as many as there are files at a time. */
const MAX_ENDS = 200_000;

/** What belongs to the plan. */
const RUN_FILES = ["progress.json", "units.ndjson"];

/** With the report's own name it is a file name, too. */
export const MAX_JOB_NAME_LENGTH = 100;

export const NO_PROGRESS: JobProgress = { positions: new Map(), rotation: { ended: [], open: [] }, missing: [] };

/** Where runs ended. */
export interface JobEnds {
  readonly positions: ReadonlyMap<SplitId, Position>;
  /** Of splits that were read to the end of their plans, as these had them. */
  readonly details: ReadonlyMap<SplitId, SplitDetails>;
}

interface KeptEnds {
  readonly positions: Readonly<Record<SplitId, Position>>;
  readonly details: Readonly<Record<SplitId, SplitDetails>>;
}

interface KeptProgress {
  readonly id: string;
  readonly positions: Readonly<Record<SplitId, Position>>;
  readonly rotation: RotationState;
  readonly missing: readonly string[];
}

/** The id of a range. */
export function rangeId({ splits }: RangePlan): string {
  const hash = createHash("sha256");
  for (const { split, start, end, details } of splits) hash.update(JSON.stringify([split, start, end, details]));
  return hash.digest("hex").slice(0, 16);
}

/** A job that this process has the lock of. */
export class JobFile {
  readonly name: string;
  readonly #directory: string;
  #lock: FileLock | null;
  #plan: JobPlan | null = null;
  #progress: JobProgress = NO_PROGRESS;
  #last: JobEnds = { positions: new Map(), details: new Map() };

  private constructor(name: string, directory: string, lock: FileLock) {
    this.name = name;
    this.#directory = directory;
    this.#lock = lock;
  }

  /**
   * Takes the job's lock and reads what is kept of it. Null when another process works on the job.
   *
   * @param directory of all jobs; made when it is missing.
   * @param name safe as a file name.
   * @throws FatalError when something can't be read or written, or is damaged.
   */
  static async open(directory: string, name: string): Promise<JobFile | null> {
    const own = join(directory, name);
    const lock = await lockFile(join(own, "lock"), PRIVATE_DIRECTORY).catch((error) => {
      throw new FatalError(`can't lock the job ${own}: ${error.message}`, { cause: error });
    });
    if (lock === null) return null;
    try {
      const job = new JobFile(name, own, lock);
      await job.#restore();
      return job;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** The run that isn't finished, if any. */
  get plan(): JobPlan | null {
    return this.#plan;
  }

  get progress(): JobProgress {
    return this.#progress;
  }

  /** Where earlier runs ended. */
  get last(): JobEnds {
    return this.#last;
  }

  /** Begins a run; durable when resolved. */
  async start(plan: JobPlan): Promise<void> {
    await this.#guard("write", async () => {
      // A crash may have left those of an earlier run, even of the same range.
      for (const name of RUN_FILES) await Deno.remove(this.#path(name)).catch(ignoreMissing);
      await this.#replace("plan.json", { version: VERSION, ...plan });
    });
    this.#plan = plan;
    this.#progress = NO_PROGRESS;
  }

  /** Keeps how far the run got; durable when resolved. One call at a time. */
  async save(progress: JobProgress): Promise<void> {
    const contents = {
      version: VERSION,
      id: this.#plan!.id,
      ...progress,
      positions: Object.fromEntries(progress.positions),
    };
    await this.#guard("write", () => this.#replace("progress.json", contents));
    this.#progress = progress;
  }

  /** Notes that a unit is stored; durable when resolved. The same unit may be noted again after a crash. */
  async note(manifest: Manifest): Promise<void> {
    await this.#guard("write", async () => {
      const file = await Deno.open(this.#path("units.ndjson"), { create: true, append: true, mode: PRIVATE_FILE });
      try {
        // A line of its own, even after one that a crash cut off.
        const bytes = new TextEncoder().encode(`\n${sealed(JSON.stringify(manifest))}\n`);
        for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
        await file.sync();
      } finally {
        file.close();
      }
    });
  }

  /** The units that the run stored, each once, by name: several are stored at a time, in whatever order. */
  async units(): Promise<Manifest[]> {
    const units = new Map<string, Manifest>();
    await this.#guard("read", async () => {
      for await (const line of linesOf(this.#path("units.ndjson"))) {
        const manifest = parseLine(line);
        if (manifest !== null) units.set(manifest.unit, manifest);
      }
    });
    return [...units.values()].sort((a, b) => a.unit < b.unit ? -1 : 1);
  }

  /** The run is done. When it is incremental, the next one may begin at these ends. */
  async finish(ends: ReadonlyMap<SplitId, Position>): Promise<void> {
    const { incremental, range } = this.#plan ?? { incremental: false, range: { splits: [] } };
    const details = new Map(range.splits.map(({ split, details }) => [split, details]));
    await this.#end(incremental ? { positions: ends, details } : null);
  }

  /** Gives the run up: what it stored stays, and when it is incremental, the next one may begin behind that. */
  async discard(): Promise<void> {
    const { positions } = this.#progress;
    await this.#end(this.#plan?.incremental ? { positions, details: new Map() } : null);
  }

  async #end(ends: JobEnds | null): Promise<void> {
    const last = ends === null ? this.#last : laterEnds(this.#last, ends, this.#plan?.range.unchanged ?? []);
    await this.#guard("write", async () => {
      const { positions, details } = last;
      const contents = { positions: Object.fromEntries(positions), details: Object.fromEntries(details) };
      if (ends !== null) await this.#replace("last.json", { version: VERSION, ...contents });
      for (const name of ["plan.json", ...RUN_FILES]) await Deno.remove(this.#path(name)).catch(ignoreMissing);
    });
    this.#last = last;
    this.#plan = null;
    this.#progress = NO_PROGRESS;
  }

  /** Lets go of the lock. Twice is safe. */
  async release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = null;
    await lock?.release();
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #replace(name: string, contents: object): Promise<void> {
    return replaceFile(this.#path(name), sealed(`${JSON.stringify(contents, null, 1)}\n`));
  }

  async #restore(): Promise<void> {
    const last = await this.#parse<KeptEnds>("last.json", ["positions", "details"]);
    if (last !== null) {
      const { positions, details } = last;
      this.#last = { positions: new Map(Object.entries(positions)), details: new Map(Object.entries(details)) };
    }
    this.#plan = await this.#parse<JobPlan>("plan.json", ["id", "unitByteLength", "settings", "range"]);
    if (this.#plan === null) return;
    const progress = await this.#parse<KeptProgress>("progress.json", ["id", "positions", "rotation", "missing"]);
    if (progress?.id !== this.#plan.id) return; // of the run before
    const { positions, rotation, missing } = progress;
    this.#progress = { positions: new Map(Object.entries(positions)), rotation, missing };
  }

  /** Null when there is no such file. It has at least these fields. */
  async #parse<T>(name: string, fields: readonly (keyof T & string)[]): Promise<T | null> {
    const text = await this.#read(name);
    if (text === null) return null;
    try {
      const contents = parseSealed(text, FIELDS) as Partial<T> & { version?: unknown };
      if (contents.version !== VERSION) throw new TypeError(`its version is ${contents.version}, not ${VERSION}`);
      const missing = fields.find((field) => (contents[field] ?? null) === null);
      if (missing !== undefined) throw new TypeError(`it has no ${missing}`);
      return contents as T;
    } catch (error) {
      throw new FatalError(
        `can't use ${this.#path(name)}: ${
          (error as Error).message
        }. Restore it, or delete ${this.#directory} to begin ` +
          "the job anew (what it has stored is then written again under the same names)",
        { cause: error },
      );
    }
  }

  async #read(name: string): Promise<string | null> {
    return await this.#guard("read", () => Deno.readTextFile(this.#path(name)).catch(nullIfMissing));
  }

  async #guard<T>(what: "read" | "write", work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new FatalError(`can't ${what} the job's files in ${this.#directory}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

/** Those that nobody has seen for longest come first, and are forgotten when there are too many. */
function laterEnds(last: JobEnds, { positions, details }: JobEnds, unchanged: readonly SplitId[]): JobEnds {
  const latest = new Map(last.positions);
  const put = (split: SplitId, position: Position | undefined) => {
    latest.delete(split);
    if (position !== undefined) latest.set(split, position);
  };
  for (const split of unchanged) put(split, last.positions.get(split));
  for (const [split, position] of positions) put(split, position);
  for (const split of latest.keys()) {
    if (latest.size <= MAX_ENDS) break;
    latest.delete(split);
  }
  const others = [...last.details].filter(([split]) => latest.has(split) && !positions.has(split));
  const own = [...details].filter(([split]) => positions.has(split));
  return { positions: latest, details: new Map([...others, ...own]) };
}

/** One at a time: all of a long run are more than a string may hold. None when there is no such file. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const file = await Deno.open(path).catch(nullIfMissing);
  if (file === null) return;
  let rest = "";
  for await (const text of file.readable.pipeThrough(new TextDecoderStream())) {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest;
}

function nullIfMissing(error: unknown): null {
  if (error instanceof Deno.errors.NotFound) return null;
  throw error;
}

function ignoreMissing(error: unknown): void {
  nullIfMissing(error);
}

/** Null for the end of a line that a crash cut off: its unit is stored again. @throws TypeError for a damaged one. */
function parseLine(line: string): Manifest | null {
  try {
    return line === "" ? null : parseSealed(line, MANIFEST_FIELDS) as unknown as Manifest;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
