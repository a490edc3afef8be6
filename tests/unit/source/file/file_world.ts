import { join } from "node:path";
import { assert } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import type { LogFields, Logger } from "../../../../src/runtime/log.ts";
import { fileSource } from "../../../../src/source/file.ts";
import type { Input } from "../../../../src/codecs/byte_stream.ts";
import { FileSource } from "../../../../src/source/file/file_source.ts";
import type { FileConfig } from "../../../../src/source/file/options.ts";
import { sampleEvents } from "../../../../src/source/sample/sample.ts";
import type { Epoch, Position, SplitId } from "../../../../src/records/position.ts";
import type { RecordBatch } from "../../../../src/records/record_batch.ts";
import type { Gap } from "../../../../src/records/gap.ts";
import type { SourceHandler } from "../../../../src/source/source.ts";
import { textAt } from "../../../support/batch_texts.ts";
import { defaultConfig } from "../../../support/default_config.ts";
import { ManualClock } from "../../../support/manual_clock.ts";
import { testRuntime } from "../../../support/stored_object.ts";

const NEVER = new AbortController().signal;
/** Time steps after which a test gives up. Each takes a millisecond or a few. */
const MAX_STEPS = 5000;

export interface Row {
  readonly split: SplitId;
  readonly text: string;
  readonly position: bigint;
  readonly timestamp: number;
}

/** Lines [from, to), each of which says its number. */
export function lines(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `{"line":${from + i}}`);
}

/** The same, as they stand in a file. */
export function block(from: number, to: number): string {
  return lines(from, to).map((line) => `${line}\n`).join("");
}

/** A directory of files, a clock that a test moves, and sources that read the one by the other. */
export class FileWorld implements AsyncDisposable {
  readonly clock = new ManualClock();
  /** "level message" of everything that was logged. */
  readonly logged: string[] = [];
  /** The fields of each. */
  readonly fields: LogFields[] = [];
  readonly #directory: string;
  readonly #runs: FileRun[] = [];
  #runCount = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async make(): Promise<FileWorld> {
    return new FileWorld(await Deno.makeTempDir({ prefix: "file-world-" }));
  }

  path(name: string): string {
    return join(this.#directory, name);
  }

  get checkpoint(): string {
    return this.path("state/checkpoint.json");
  }

  async write(name: string, contents: string | Uint8Array): Promise<void> {
    await Deno.writeFile(this.path(name), typeof contents === "string" ? new TextEncoder().encode(contents) : contents);
  }

  async append(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(this.path(name), text, { append: true });
  }

  async rename(from: string, to: string): Promise<void> {
    await Deno.rename(this.path(from), this.path(to));
  }

  async remove(name: string): Promise<void> {
    await Deno.remove(this.path(name));
  }

  /** A source over files of this directory, open. `path` is relative to it. */
  async open(
    { path = ["*.log"], ...fields }: Partial<FileConfig> = {},
    { maxRecordByteLength = 1000, standardInput = emptyInput }: {
      maxRecordByteLength?: number;
      standardInput?: Input;
    } = {},
  ): Promise<FileRun> {
    const config = defaultConfig(fileSource.options, {
      path: path.map((item) => item === "-" || item === "sample:" ? item : this.path(item)),
      checkpoint: this.checkpoint,
      ...fields,
    });
    const log = this.#logger();
    const runtime = testRuntime({
      clock: this.clock,
      log,
      random: { next: () => 0, hex: () => `run${++this.#runCount}` },
    });
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength };
    const run = new FileRun(new FileSource(config, context, { standardInput, sample: sampleEvents }), this.clock);
    this.#runs.push(run);
    try {
      await run.source.open(run, NEVER);
      return run;
    } catch (error) {
      await run.source.close();
      throw error;
    }
  }

  /** Runs once over everything that is there, commits it, and returns the rows. */
  async collect(config: Partial<FileConfig> = {}): Promise<Row[]> {
    const run = await this.open(config);
    const rows = await run.toEnd();
    await run.commit();
    await run.source.close();
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { source } of this.#runs) await source.close();
    await Deno.remove(this.#directory, { recursive: true });
  }

  #logger(): Logger {
    const to = (level: string) => (message: string, fields: LogFields = {}) => {
      this.logged.push(`${level} ${message}`);
      this.fields.push(fields);
    };
    return { debug: to("debug"), info: to("info"), warn: to("warn"), error: to("error") };
  }
}

const emptyInput: Input = { read: () => Promise.resolve(null) };

/** One run of a source: takes its assignments, and keeps its rows. */
export class FileRun implements SourceHandler {
  readonly source: FileSource;
  readonly rows: Row[] = [];
  readonly gaps: Gap[] = [];
  readonly assignments: { split: SplitId; epoch: Epoch; start: Position; committed: boolean }[] = [];
  limit = { maxBytes: 1 << 20, maxRows: 1000 };
  readonly #clock: ManualClock;
  /** The end of what was read, by split, with its epoch. */
  readonly #ends = new Map<SplitId, RecordBatch>();

  constructor(source: FileSource, clock: ManualClock) {
    this.source = source;
    this.#clock = clock;
  }

  async assigned(split: SplitId, epoch: Epoch, start: Position, options: { committed: boolean }): Promise<void> {
    this.assignments.push({ split, epoch, start, committed: options.committed });
    if (!options.committed) await this.source.commit(split, epoch, start, NEVER);
  }

  async revoking(): Promise<void> {}

  lost(): void {}

  get texts(): string[] {
    return this.rows.map(({ text }) => text);
  }

  /** Polls once; time goes on meanwhile. */
  async poll(signal = NEVER): Promise<RecordBatch | "end"> {
    let settled = false;
    const poll = this.source.poll(this.limit, signal).finally(() => settled = true);
    poll.catch(() => {}); // it is awaited below
    for (let steps = 0; !settled; steps++) {
      assert(steps < MAX_STEPS, `nothing more came after ${JSON.stringify(this.texts.slice(-3))}`);
      await this.#step();
    }
    const batch = await poll;
    if (batch !== "end") this.#keep(batch);
    return batch;
  }

  /** Polls until there are this many rows. */
  async until(rowCount: number): Promise<string[]> {
    while (this.rows.length < rowCount) assert(await this.poll() !== "end", `it ended after ${this.rows.length} rows`);
    return this.texts;
  }

  async toEnd(): Promise<Row[]> {
    while (await this.poll() !== "end");
    return this.rows;
  }

  /** Lets some scans pass, in which nothing may come. */
  async quiet(scans = 4): Promise<void> {
    const batch = await this.#pollFor(scans);
    if (batch !== null) throw new FatalError(`something came: ${batch === "end" ? "the end" : this.texts.at(-1)}`);
  }

  /** Polls until nothing has come for some scans. */
  async drain(): Promise<void> {
    while (await this.#pollFor(4) !== null);
  }

  /** What comes within some scans; null when nothing does. */
  async #pollFor(scans: number): Promise<RecordBatch | "end" | null> {
    const stop = new AbortController();
    let settled = false;
    const poll = this.source.poll(this.limit, stop.signal).then((batch) => batch, (error) => {
      if (error !== "quiet") throw error;
      return null;
    }).finally(() => settled = true);
    poll.catch(() => {}); // it is awaited below
    for (let scan = 0; scan <= scans && !settled; scan++) {
      while (this.#clock.sleeping === 0 && !settled) await realMs(1);
      if (scan < scans) this.#clock.advance(1000);
      await realMs(2);
    }
    stop.abort("quiet");
    const batch = await poll;
    if (batch !== null && batch !== "end") this.#keep(batch);
    return batch;
  }

  async commit(): Promise<void> {
    await Promise.all(
      [...this.#ends.values()].map(({ split, epoch, next }) => this.source.commit(split, epoch, next, NEVER)),
    );
  }

  async #step(): Promise<void> {
    await realMs(1);
    if (this.#clock.sleeping > 0) this.#clock.advance(250);
  }

  #keep(batch: RecordBatch): void {
    const { split, timestamps, positions } = batch;
    const before = this.#ends.get(split);
    assert(before === undefined || before.next === batch.start, `a gap in ${split}`);
    this.#ends.set(split, batch);
    if (batch.gap !== undefined) this.gaps.push(batch.gap);
    for (let row = 0; row < batch.rowCount; row++) {
      this.rows.push({
        split,
        text: textAt(batch, row),
        position: (positions as BigInt64Array)[row],
        timestamp: timestamps[row],
      });
    }
  }
}

/** File operations are real, so they need real time: a turn for them, not a delay to rely on. */
function realMs(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
