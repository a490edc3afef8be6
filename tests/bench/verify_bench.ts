/**
 * `collector verify` of many objects: how long it takes and how much memory. Not part of `deno task bench`, since it makes
 * and lists a million objects. A target that makes its listing and its manifests up as they are asked for, or files:
 *
 *     deno run -A --config tests/deno.json tests/bench/verify_bench.ts             a million objects, made up
 *     deno run -A --config tests/deno.json tests/bench/verify_bench.ts 100000 files    as many files in a temporary directory
 */
import { join } from "node:path";
import { createHash } from "node:crypto";
import { REPLAY_PREFIX } from "../../src/replay/report.ts";
import { fileTarget } from "../../src/target/file.ts";
import type { ListedObject, ReadableObjectTarget } from "../../src/target/target.ts";
import { Findings } from "../../src/verify/findings.ts";
import { Losses } from "../../src/verify/losses.ts";
import { newProgress } from "../../src/verify/progress.ts";
import { audit } from "../../src/verify/verify.ts";
import { testRuntime } from "../support/stored_object.ts";

/** As a unit of an hour with ten tables has. */
const OBJECTS_A_UNIT = 10;
const SPLITS = 64;
const ROWS = 100;

const body = new TextEncoder().encode('{"id":1}\n'.repeat(ROWS));
const sha256 = createHash("sha256").update(body).digest("hex");

/** Units go round over the splits, each with the next positions. */
function unitName(unit: number): string {
  const split = unit % SPLITS, start = Math.floor(unit / SPLITS) * 1000;
  return `orders-${split}_${String(start).padStart(12, "0")}_0123456789abcdef`;
}

function objectKey(unit: number, table: number): string {
  return `shop/table${table}/dt=2026-11-01/${unitName(unit)}-0000.ndjson`;
}

function manifestOf(unit: number): Uint8Array {
  const start = Math.floor(unit / SPLITS) * 1000;
  const objects = Array.from({ length: OBJECTS_A_UNIT }, (_, table) => ({
    ...{ key: objectKey(unit, table), rawByteLength: body.length, rows: ROWS, minEventTime: null, maxEventTime: null },
    ...{ tables: [{ project: "shop", collection: `table${table}`, rows: ROWS }], byteLength: body.length, sha256 },
  }));
  const range = {
    ...{
      split: `orders/${unit % SPLITS}`,
      epoch: "1",
      start: String(start),
      next: String(start + 1000),
      records: 1000,
    },
    ...{ recordBytes: 9000, rows: 1000, deadLetters: 0, dropped: {} },
    ...{ minTimestamp: "2026-11-01T00:00:00.000Z", maxTimestamp: "2026-11-01T00:01:00.000Z" },
  };
  const manifest = { version: 1, unit: unitName(unit), trigger: "age", ranges: [range], objects, deadLetters: null };
  return new TextEncoder().encode(`${JSON.stringify(manifest)}\n`);
}

/** Units in the order of their names, which is that of the splits as texts. */
function* unitsByName(units: number): Generator<number> {
  const splits = Array.from({ length: SPLITS }, (_, split) => split).sort((a, b) => `${a}_` < `${b}_` ? -1 : 1);
  for (const split of splits) for (let unit = split; unit < units; unit += SPLITS) yield unit;
}

/** As a replay that wrote all of it leaves one. */
async function* reportOf(units: number): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const ranges = Array.from({ length: Math.min(SPLITS, units) }, (_, split) => {
    return { split: `orders/${split}`, start: "0", next: String(Math.ceil((units - split) / SPLITS) * 1000) };
  });
  yield encoder.encode(`{"version":1,"job":"all","ranges":${JSON.stringify(ranges)},"units":[`);
  for (let unit = 0; unit < units; unit++) {
    if (unit > 0) yield encoder.encode(",");
    yield await Promise.resolve(manifestOf(unit));
  }
  yield encoder.encode("]}\n");
}

/** Has everything and keeps nothing. */
class MadeUpTarget implements ReadableObjectTarget {
  readonly kind = "objects";
  readonly #units: number;

  constructor(units: number) {
    this.#units = units;
  }

  async *list(prefix: string): AsyncGenerator<ListedObject> {
    if (prefix === REPLAY_PREFIX) return yield { key: `${REPLAY_PREFIX}all/1.json`, byteLength: 3000 * this.#units };
    for (const unit of unitsByName(this.#units)) {
      yield { key: `_manifests/orders/${unitName(unit)}#${unit}.json`, byteLength: 3000 };
    }
    if (prefix !== "") return;
    for (let table = 0; table < OBJECTS_A_UNIT; table++) {
      for (const unit of unitsByName(this.#units)) yield { key: objectKey(unit, table), byteLength: body.length };
      await Promise.resolve();
    }
  }

  get(key: string): Promise<AsyncIterable<Uint8Array>> {
    if (key.startsWith(REPLAY_PREFIX)) return Promise.resolve(reportOf(this.#units));
    const manifest = manifestOf(Number(/#(\d+)/.exec(key)![1]));
    return Promise.resolve((async function* () {
      yield await Promise.resolve(manifest);
    })());
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  put(): Promise<void> {
    throw new Error("it is only read");
  }

  delete(): Promise<void> {
    throw new Error("it is only read");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function writeFiles(directory: string, units: number): Promise<ReadableObjectTarget> {
  await Deno.mkdir(join(directory, "_manifests/orders"), { recursive: true });
  for (let table = 0; table < OBJECTS_A_UNIT; table++) {
    await Deno.mkdir(join(directory, `shop/table${table}/dt=2026-11-01`), { recursive: true });
  }
  for (let unit = 0; unit < units; unit++) {
    Deno.writeFileSync(join(directory, `_manifests/orders/${unitName(unit)}.json`), manifestOf(unit));
    for (let table = 0; table < OBJECTS_A_UNIT; table++) {
      Deno.writeFileSync(join(directory, objectKey(unit, table)), body);
    }
  }
  return fileTarget.create({ directory }, { runtime: testRuntime() }) as ReadableObjectTarget;
}

export interface VerifyBench {
  readonly objects: number;
  readonly findings: number;
  readonly seconds: number;
  /** Resident memory: before, and the most meanwhile. */
  readonly beforeByteLength: number;
  readonly peakByteLength: number;
}

/** @param objects rounded up to whole units. */
export async function benchVerify(objects: number, kind: "made-up" | "files"): Promise<VerifyBench> {
  const units = Math.ceil(objects / OBJECTS_A_UNIT);
  const directory = kind === "files" ? await Deno.makeTempDir({ prefix: "verify-bench-" }) : null;
  try {
    const target = directory === null ? new MadeUpTarget(units) : await writeFiles(directory, units);
    const findings = new Findings();
    const beforeByteLength = Deno.memoryUsage().rss;
    let peakByteLength = beforeByteLength;
    const watch = setInterval(() => peakByteLength = Math.max(peakByteLength, Deno.memoryUsage().rss), 20);
    const startMs = performance.now();
    const report = await audit({
      ...{ target, deadLetters: null, depth: "listing", committed: { kind: "ignored" }, acceptUncovered: false },
      acceptLoss: false,
      ...{ findings, losses: new Losses(), progress: newProgress(), runtime: testRuntime() },
    }, new AbortController().signal);
    clearInterval(watch);
    const seconds = (performance.now() - startMs) / 1000;
    const count = Object.values(findings.counts()).reduce((sum, n) => sum + n, 0);
    return { objects: report.objects.good, findings: count, seconds, beforeByteLength, peakByteLength };
  } finally {
    if (directory !== null) await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const [count = "1000000", kind = "made-up"] = Deno.args;
  const { objects, findings, seconds, beforeByteLength, peakByteLength } = await benchVerify(
    Number(count),
    kind === "files" ? "files" : "made-up",
  );
  const mb = (byteLength: number) => `${Math.round(byteLength / 2 ** 20)} MB`;
  print(
    `${objects} objects, ${findings} findings, ${seconds.toFixed(1)} s, ${Math.round(objects / seconds)} objects/s`,
  );
  print(`memory ${mb(beforeByteLength)} before, ${mb(peakByteLength)} at most`);
}
