/**
 * The world of files: one collector after another (the real source, checkpoint file, loop and file target) on a disk that
 * forgets what wasn't synced, with writers that append, rotate and leave half a line. First faults, then calm. After each
 * crash it looks at what is left on the disk, as the next process will.
 */
import { gunzipSync } from "node:zlib";
import { silentLog } from "../../src/runtime/log.ts";
import type { Logger } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { FileSource } from "../../src/source/file/file_source.ts";
import { type FileConfig, fileOptions } from "../../src/source/file/options.ts";
import type { Source } from "../../src/source/source.ts";
import type { Manifest } from "../../src/target/manifest.ts";
import { fileTarget } from "../../src/target/file.ts";
import type { ObjectTarget } from "../../src/target/target.ts";
import { defaultConfig } from "../support/default_config.ts";
import { demand } from "./invariants.ts";
import { Coverage, pick, type Profile } from "./profile.ts";
import { recordAt, type SimRecord } from "./records.ts";
import { SimClock, SimTime, turn } from "./sim_clock.ts";
import { counting, simCollector } from "./sim_collector.ts";
import { DISK_ERRORS, SimDisk } from "./sim_disk.ts";
import { simWorkerConfig } from "./worker_config.ts";

/** The most of each, a second; of the disk's errors an operation. */
export const FILE_FAULTS = {
  /** The process is killed. */
  kill: 0.1,
  /** The machine loses its power. */
  power: 0.1,
  /** The process is asked to stop, and starts again. */
  restart: 0.1,
  /** A file is renamed, and another takes its place. */
  rotate: 0.1,
  /** There is no space for some seconds. */
  full: 0.05,
  /** A rename or a sync fails. */
  broken: 0.02,
  /** While nobody runs, a bit of the checkpoint file flips. */
  rot: 0.5,
  /** Another collector is started beside. */
  second: 0.05,
} as const;
export type FileFault = keyof typeof FILE_FAULTS;

const IN = "/in", OUT = "/store/out", CHECKPOINT = "/data/state/checkpoint.json", LAST_GOOD = `${CHECKPOINT}.last`;
const CALM_AFTER_MS = 40_000, RECOVERY_MS = 120_000, PERIOD_MS = 500;
const WRITER_COUNT = 3;
const encoder = new TextEncoder(), decoder = new TextDecoder();

/** What a program writes of itself, one file after the other. */
interface Writer {
  readonly path: string;
  made: number;
  rotations: number;
  /** Ends of its lines in the file of now, and whose they are. */
  lines: { readonly end: number; readonly record: SimRecord }[];
  byteLength: number;
  /** The rest of a line whose beginning stands in the file. */
  rest: string;
}

interface Process {
  readonly stop: AbortController;
  readonly dead: AbortController;
  isStopping: boolean;
  /** What its calls wait for just now. */
  writing: number;
  committing: number;
}

export class FileWorld {
  readonly #random: SeededRandom;
  readonly #time = new SimTime();
  readonly #disk: SimDisk;
  readonly #faults: Profile<FileFault>;
  readonly #seed: number;
  readonly #coverage: Coverage;
  readonly #log: Logger;
  readonly #writers: Writer[] = [];
  /** By the first record of each file: all lines of it. A split's name says nothing of its contents. */
  readonly #linesByInode = new Map<number, Writer["lines"]>();
  readonly #acknowledged = new Map<string, bigint>();
  #process: Process | null = null;
  #startAtMs = 0;
  #fullUntilMs = -1;
  #mayRepeat = false;
  #rotten = false;
  #violation: unknown;
  #crashes = 0;
  #lookAtMs = 0;
  /** A crash that waits for the moment when it hurts, and the soonest of it. */
  #crashing:
    | { readonly how: "kill" | "power"; readonly when: "writing" | "committing"; readonly fromMs: number }
    | null = null;
  /** Writers rest while a crash waits, and until what it cost is read again: so the same unit comes once more. */
  #quietUntilMs = 0;

  constructor(options: { seed: number; faults: Profile<FileFault>; coverage?: Coverage; log?: Logger }) {
    this.#seed = options.seed;
    this.#faults = options.faults;
    this.#coverage = options.coverage ?? new Coverage();
    this.#log = options.log ?? silentLog;
    this.#random = new SeededRandom(options.seed);
    this.#disk = new SimDisk(this.#random, () => 1_790_000_000_000 + this.#time.nowMs);
    this.#disk.makeDirectory(IN);
    for (let i = 0; i < WRITER_COUNT; i++) {
      this.#writers.push({ path: `${IN}/${i}.log`, made: 0, rotations: 0, lines: [], byteLength: 0, rest: "" });
    }
    this.#disk.fault = (operation, path) => {
      if (this.#isCalm) return null;
      if (operation === "write" && this.#time.nowMs < this.#fullUntilMs) return DISK_ERRORS.full();
      if (operation !== "write" && this.#random.next() < this.#faults.broken) {
        this.#note("broken");
        if (path.startsWith("/data/state")) this.#mayRepeat = true;
        return DISK_ERRORS.broken();
      }
      return null;
    };
  }

  /** Runs to the end. @throws Violation */
  async run(): Promise<{ records: number; crashes: number; operations: number }> {
    const undo = this.#disk.install();
    try {
      this.#tick();
      for (let nextMs = 0; !(this.#isCalm && this.#isDone());) {
        await turn();
        if (this.#violation !== undefined) throw this.#violation;
        if (this.#time.nowMs >= nextMs) {
          nextMs = this.#time.nowMs + PERIOD_MS;
          this.#happen();
        }
        this.#time.step();
        this.#crashWhenDue();
        this.#mustRecover();
      }
      this.#process?.stop.abort(new DOMException("stop", "AbortError"));
      while (this.#process !== null) {
        await turn();
        this.#time.step();
        this.#mustRecover();
      }
      if (this.#violation !== undefined) throw this.#violation;
      return this.#count();
    } finally {
      undo();
    }
  }

  #mustRecover(): void {
    const late = this.#time.nowMs > CALM_AFTER_MS + RECOVERY_MS;
    demand("itRecovers", { late, state: late ? `${this.#misplaced().length} missing` : "" });
  }

  get #isCalm(): boolean {
    return this.#time.nowMs > CALM_AFTER_MS;
  }

  #tick(): void {
    this.#time.add(this.#time.nowMs + PERIOD_MS, () => this.#tick());
  }

  #happen(): void {
    if (!this.#isCalm) {
      if (this.#time.nowMs >= this.#quietUntilMs) { for (const writer of this.#writers) this.#append(writer); }
      this.#strike();
    } else for (const writer of this.#writers) this.#finishLine(writer);
    if (this.#process === null && this.#time.nowMs >= this.#startAtMs) this.#start();
  }

  // The writers.

  #append(writer: Writer): void {
    this.#finishLine(writer);
    const count = this.#random.next() < 0.5 ? 0 : Math.floor(this.#random.next() * 20);
    for (let i = 0; i < count; i++) {
      const record = recordAt(writer.path, writer.made++);
      const line = `${record.text}\n`;
      writer.byteLength += encoder.encode(line).length;
      writer.lines.push({ end: writer.byteLength, record });
      const cut = i === count - 1 ? Math.floor(this.#random.next() * line.length) : line.length;
      this.#write(writer, line.slice(0, cut));
      writer.rest = line.slice(cut);
    }
  }

  #finishLine(writer: Writer): void {
    if (writer.rest !== "") this.#write(writer, writer.rest);
    writer.rest = "";
  }

  #write(writer: Writer, text: string): void {
    this.#disk.append(writer.path, encoder.encode(text));
    this.#linesByInode.set(this.#disk.inodeOf(writer.path), writer.lines);
  }

  #rotate(writer: Writer): void {
    this.#finishLine(writer);
    this.#disk.move(writer.path, `${writer.path}.${++writer.rotations}`);
    writer.lines = [];
    writer.byteLength = 0;
  }

  // The faults.

  #strike(): void {
    const strikes = (fault: FileFault) => {
      if (this.#random.next() >= this.#faults[fault] * PERIOD_MS / 1000) return false;
      this.#note(fault);
      return true;
    };
    if (strikes("rotate")) this.#rotate(pick(this.#random, this.#writers));
    if (strikes("full")) this.#fullUntilMs = this.#time.nowMs + this.#random.next() * 8000;
    if (this.#process === null) return;
    if (strikes("restart")) this.#stop();
    for (const how of ["kill", "power"] as const) {
      if (this.#process === null || this.#random.next() >= this.#faults[how] * PERIOD_MS / 1000) continue;
      const when = pick(this.#random, ["writing", "committing", null] as const);
      if (when === null) this.#crash(how);
      else {
        this.#crashing = { how, when, fromMs: this.#time.nowMs + this.#random.next() * 2000 };
        this.#quietUntilMs = this.#time.nowMs + 10_000;
      }
    }
    if (this.#process === null) return;
    if (strikes("second")) this.#start();
  }

  #note(fault: FileFault): void {
    const { writing = 0, committing = 0 } = this.#process ?? {};
    const state = this.#process === null ? "absent" : committing > 0 ? "committed" : writing > 0 ? "written" : "read";
    this.#coverage.count("files", fault, "unit", state);
  }

  #stop(): void {
    if (this.#process === null || this.#process.isStopping) return;
    this.#process.isStopping = true;
    this.#process.stop.abort(new DOMException("stop", "AbortError"));
  }

  #crashWhenDue(): void {
    const crashing = this.#crashing;
    if (crashing === null || this.#process === null || this.#time.nowMs < crashing.fromMs) return;
    if (this.#process[crashing.when] > 0) this.#crash(crashing.how);
  }

  #crash(how: "kill" | "power"): void {
    this.#note(how);
    this.#crashing = null;
    this.#crashes++;
    this.#mayRepeat = true;
    this.#process!.dead.abort();
    this.#process = null;
    if (how === "power") this.#disk.cutPower();
    else this.#disk.forgetLocks();
    this.#lookAtDisk();
    this.#pauseBetween();
  }

  /** Until the next process starts; meanwhile a bit may flip. */
  #pauseBetween(): void {
    this.#startAtMs = this.#time.nowMs + this.#random.next() * 3000;
    if (this.#isCalm || this.#random.next() >= this.#faults.rot || this.#disk.read(CHECKPOINT) === null) return;
    this.#note("rot");
    this.#disk.flipBit(CHECKPOINT);
    this.#rotten = true;
  }

  // The collector.

  #start(): void {
    const isSecond = this.#process !== null;
    const dead = new AbortController(), stop = new AbortController();
    const process: Process = { stop, dead, isStopping: false, writing: 0, committing: 0 };
    const random = new SeededRandom(Math.floor(this.#random.next() * 2 ** 32));
    const clock = new SimClock(this.#time, dead.signal, {
      skewMs: (random.next() - 0.5) * 600_000,
      drift: 1 + (random.next() - 0.5) * 0.02,
    });
    const runtime = { clock, random, log: this.#log, metrics: new Metrics() };
    const config = defaultConfig<FileConfig>(fileOptions, {
      path: [`${IN}/*`],
      follow: true,
      checkpoint: CHECKPOINT,
      scanIntervalMs: 300,
      rotateWaitMs: 2000,
    });
    const context = { runtime, wants: { keys: false, headers: false }, maxRecordByteLength: 1 << 20 };
    const inputs = { standardInput: { read: () => Promise.resolve(null) }, sample: () => Promise.reject() };
    const target = fileTarget.create({ directory: OUT }, { runtime }) as ObjectTarget;
    const collector = simCollector({
      ...simWorkerConfig(this.#seed, ["gzip", "none"]),
      source: this.#watched(new FileSource(config, context, inputs), process),
      target: counting(target, process),
      runtime,
      workerCount: 1,
      memoryByteLength: 4 << 20,
      deathRate: () => 0,
    });
    if (!isSecond) this.#process = process;
    this.#disk.run({ clock, random }, () => collector.run(stop.signal)).then(
      () => this.#ended(process, undefined),
      (error) => this.#ended(process, error),
    );
  }

  #ended(process: Process, error: unknown): void {
    if (process !== this.#process) { // the second one
      const refused = /in use by another collector|injected/.test(textOf(error));
      if (!refused) this.#violation ??= error ?? new Error("two collectors on one checkpoint file");
      return;
    }
    this.#process = null;
    try {
      if (error !== undefined) this.#failed(error);
      this.#lookAtDisk();
    } catch (violation) {
      this.#violation ??= violation;
    }
    this.#pauseBetween();
  }

  #failed(error: unknown): void {
    this.#mayRepeat = true;
    const text = textOf(error);
    if (this.#rotten && text.includes(`use the checkpoint file ${CHECKPOINT}`)) {
      // What the message says: there is no good copy when the process was killed just when it had given it its name.
      demand("itGoesOn", { error: /put back|delete/.test(text) ? undefined : error });
      const good = this.#disk.read(LAST_GOOD);
      this.#disk.move(CHECKPOINT, null);
      if (text.includes(`put back ${LAST_GOOD}`) && good !== null) this.#disk.append(CHECKPOINT, good);
      this.#acknowledged.clear();
      this.#rotten = false;
    } else demand("itGoesOn", { error: text.includes("injected") ? undefined : error });
  }

  /** Looks at batches and commits on their way. */
  #watched(source: Source, process: Process): Source {
    return new Proxy(source, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        if (name === "open") {
          return async (...args: Parameters<Source["open"]>) => {
            await source.open(...args);
            this.#guard(() => demand("damageIsRefused", { file: CHECKPOINT, accepted: this.#rotten }));
          };
        }
        if (name !== "commit") return member.bind(target);
        return async (...args: Parameters<Source["commit"]>) => {
          const [split, , next] = args;
          process.committing++;
          await source.commit(...args).finally(() => process.committing--);
          if (!process.dead.signal.aborted) this.#acknowledged.set(split, BigInt(next));
        };
      },
    });
  }

  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#violation ??= error;
    }
  }

  // What is on the disk.

  /** What the next process will find. */
  #lookAtDisk(): void {
    const stored = this.#stored();
    const checkpoint = this.#checkpoint();
    for (const [split, acknowledged] of this.#acknowledged) {
      demand("commitsSurvive", { split, acknowledged, found: checkpoint.get(split)?.position ?? null });
    }
    for (const [split, { position, inode }] of checkpoint) {
      const lines = this.#linesByInode.get(inode) ?? [];
      const passed = lines.filter(({ end }) => BigInt(end) <= position);
      const unsafe = passed.filter(({ record }) => !isStored(record, stored)).map(({ record }) => record.id);
      demand("committedIsDurable", { split, next: String(position), unsafe });
    }
  }

  #checkpoint(): Map<string, { position: bigint; inode: number }> {
    const bytes = this.#disk.read(CHECKPOINT);
    if (bytes === null) return new Map();
    let splits: Record<string, { position: string; details: { inode: number } }>;
    try {
      splits = JSON.parse(decoder.decode(bytes)).splits;
    } catch (error) {
      demand("objectsAreWhole", { key: CHECKPOINT, fault: String(error) });
      throw error;
    }
    const entries = Object.entries(splits).map(([split, { position, details }]) =>
      [split, { position: BigInt(position), inode: details.inode }] as const
    );
    return new Map(entries);
  }

  /** How often each record stands in the files of the target, rows and dead letters. */
  #stored(): Stored {
    const stored: Stored = { rows: new Map(), letters: new Map() };
    const keys = new Set<string>(), manifests: [string, Manifest][] = [];
    for (const path of this.#disk.list(OUT)) {
      const key = path.slice(OUT.length + 1);
      if (key.startsWith(".collector-tmp/")) continue;
      keys.add(key);
      let text: string;
      try {
        text = unpack(key, this.#disk.read(path)!);
        if (key.startsWith("_manifests/")) {
          manifests.push([key, JSON.parse(text)]);
          continue;
        }
        for (const line of text.split("\n").filter((line) => line !== "")) {
          const row = JSON.parse(line), isLetter = key.startsWith("_dead-letters/");
          const id = isLetter ? atob(row.payload).match(/"id":"([^"]*)"/)?.[1] : row.properties.id;
          const counts = isLetter ? stored.letters : stored.rows;
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
      } catch (error) {
        demand("objectsAreWhole", { key, fault: String(error) });
      }
    }
    const names = new Map<string, string[]>();
    for (const [manifest, { objects, deadLetters, unit, ranges }] of manifests) {
      const range = JSON.stringify(ranges.map(({ split, start, next }) => [split, start, next]));
      names.set(range, [...names.get(range) ?? [], unit]);
      const named = [...objects.map(({ key }) => key), ...(deadLetters === null ? [] : [deadLetters.key])];
      demand("manifestsNameWhatExists", { manifest, missing: named.filter((key) => !keys.has(key)) });
    }
    for (const [range, called] of names) demand("sameUnitSameName", { range, names: called });
    return stored;
  }

  #records(): SimRecord[] {
    return this.#writers.flatMap(({ path, made }) => Array.from({ length: made }, (_, i) => recordAt(path, i)));
  }

  #misplaced(): string[] {
    const stored = this.#stored();
    return this.#records().filter((record) => !isStored(record, stored)).map(({ id }) => id);
  }

  #isDone(): boolean {
    if (this.#process === null || this.#time.nowMs < this.#lookAtMs) return false;
    this.#lookAtMs = this.#time.nowMs + 2000; // it costs a look at everything
    return this.#misplaced().length === 0;
  }

  #count() {
    const stored = this.#stored(), records = this.#records();
    const duplicates = records.filter(({ id }) => (stored.rows.get(id) ?? 0) + (stored.letters.get(id) ?? 0) > 1);
    demand("everythingIsStored", { misplaced: this.#misplaced() });
    demand("onceWhenNothingFailed", { mayRepeat: this.#mayRepeat, duplicates: duplicates.map(({ id }) => id) });
    return { records: records.length, crashes: this.#crashes, operations: this.#disk.operations };
  }
}

interface Stored {
  readonly rows: Map<string, number>;
  readonly letters: Map<string, number>;
}

function isStored({ id, fate }: SimRecord, { rows, letters }: Stored): boolean {
  if (fate === "dropped") return true;
  return fate === "row" ? rows.has(id) : letters.has(id);
}

function unpack(key: string, bytes: Uint8Array): string {
  return decoder.decode(key.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} <- ${textOf(error.cause)}`;
}
