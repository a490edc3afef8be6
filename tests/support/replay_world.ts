/** A directory in which a replay runs as its users run it, and what came of it. */
import { assert } from "@std/assert";
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import type { ReplayReport } from "../../src/replay/report.ts";
import { comparePositions } from "../../src/records/position.ts";
import { type CollectorEnd, CollectorProcess, runCollector, settings } from "./collector.ts";
import { filesBelow } from "./scratch.ts";

type Settings = Readonly<Record<string, string>>;

/** Events with ids [first, first + count), one a line, about 300 bytes each, an hour of event time apart. */
export function events(first: number, count: number): string {
  let text = "";
  for (let id = first; id < first + count; id++) {
    const properties = { id, _time: Date.UTC(2026, 0, 1) + id * 3_600_000, pad: `${id * 7919 % 10_007}`.repeat(45) };
    text += `${JSON.stringify({ project: `p${id % 2}`, collection: "c", properties })}\n`;
  }
  return text;
}

export function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** Objects by key. */
export type Objects = ReadonlyMap<string, Uint8Array>;

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Each key with the hash of what is there. */
export function hashes(objects: Objects): Record<string, string> {
  return Object.fromEntries(Array.from(objects, ([key, bytes]) => [key, sha256(bytes)]));
}

/** The ids of all rows, sorted. */
export function idsIn(objects: Objects): number[] {
  const ids: number[] = [];
  for (const [key, bytes] of objects) {
    if (!key.endsWith(".ndjson.gz") || key.includes("_dead-letters")) continue;
    for (const line of gunzipSync(bytes).toString().trimEnd().split("\n")) ids.push(JSON.parse(line).properties.id);
  }
  return ids.sort((a, b) => a - b);
}

/** The reports, oldest key first. Their objects are all there, with the checksums that they say. */
export function reportsIn(objects: Objects): ReplayReport[] {
  const reports: ReplayReport[] = [];
  for (const key of [...objects.keys()].filter((key) => key.includes("_replays/")).sort()) {
    const report: ReplayReport = JSON.parse(new TextDecoder().decode(objects.get(key)));
    const prefix = key.slice(0, key.indexOf("_replays/"));
    for (const { objects: written } of report.units) {
      for (const { key, sha256: sum, byteLength } of written) {
        const bytes = objects.get(prefix + key);
        assert(bytes !== undefined, `${prefix}${key} is reported and isn't there`);
        assert(bytes.length === byteLength && sha256(bytes) === sum, `${key} isn't what the report says`);
      }
    }
    assertCovered(report, key);
    reports.push(report);
  }
  return reports;
}

/** Each range of the report is one of its units', or several that follow each other: an audit relies on that. */
function assertCovered({ ranges, units }: ReplayReport, key: string): void {
  const parts = units.flatMap((unit) => unit.ranges).sort((a, b) => comparePositions(a.start, b.start));
  for (const { split, start, next } of ranges) {
    let end = start;
    for (const part of parts) if (part.split === split && comparePositions(part.start, end) === 0) end = part.next;
    assert(comparePositions(end, next) === 0, `${key} says ${split} from ${start} to ${next}, its units end at ${end}`);
  }
}

/** Lines of a log in JSON with this message. */
export function logged(stderr: string, message: string): Record<string, unknown>[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  return lines.filter((line) => line.message === message);
}

export class ReplayWorld implements AsyncDisposable {
  readonly cwd: string;

  private constructor(cwd: string) {
    this.cwd = cwd;
  }

  /** A fresh directory with files of events, if any, below in/. */
  static async make(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<ReplayWorld> {
    const world = new ReplayWorld(await Deno.makeTempDir({ prefix: "collector-replay-" }));
    await Deno.mkdir(world.path("in"));
    for (const [name, contents] of Object.entries(files)) await world.write(`in/${name}`, contents);
    return world;
  }

  path(name: string): string {
    return join(this.cwd, name);
  }

  async write(name: string, contents: string | Uint8Array): Promise<void> {
    await Deno.writeFile(this.path(name), typeof contents === "string" ? new TextEncoder().encode(contents) : contents);
  }

  /** From in/ to out/ in small units, unless the settings say otherwise. */
  arguments(flags: readonly string[], config: Settings = {}): string[] {
    const all = {
      "stream.source": "file",
      "file.path": "in/*",
      "source.data-format": "JSON",
      "target": "file",
      "target.file.directory": "out",
      "replay.directory": "jobs",
      "replay.unit-size": "1MB",
      ...config,
    };
    const place = flags.some((flag) => flag === "--replace" || flag === "--prefix") ? [] : ["--into-live"];
    return ["replay", ...place, ...flags, ...settings(all)];
  }

  start(flags: readonly string[], config: Settings = {}): CollectorProcess {
    return new CollectorProcess(this.arguments(flags, config), { cwd: this.cwd });
  }

  run(flags: readonly string[], config: Settings = {}): Promise<CollectorEnd> {
    return runCollector(this.arguments(flags, config), { cwd: this.cwd });
  }

  /** What is below a directory; nothing when there is no such directory. */
  async objects(directory = "out"): Promise<Objects> {
    const objects = new Map<string, Uint8Array>(), root = this.path(directory);
    for (const path of await filesBelow(root)) objects.set(relative(root, path), await Deno.readFile(path));
    return objects;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.cwd, { recursive: true });
  }
}
