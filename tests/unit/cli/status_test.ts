import { assertEquals } from "@std/assert";
import { progressOf } from "../../../src/cli/progress.ts";
import { remainingOf, remainingText, showStatus, statusLine } from "../../../src/cli/status.ts";
import { summaryFields, summaryText } from "../../../src/cli/summary.ts";
import { Terminal } from "../../../src/cli/terminal.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import type { LogFields } from "../../../src/runtime/log.ts";
import { Metrics } from "../../../src/runtime/metrics.ts";
import { testRuntime } from "../../support/stored_object.ts";
import { FakeHost } from "./fake_host.ts";

const { machine } = new FakeHost();
const MB = 2 ** 20;

function someMetrics(): Metrics {
  const metrics = new Metrics();
  metrics.count("collector_records_total", 1010);
  metrics.count("collector_record_bytes_total", 3 * MB);
  metrics.count("collector_rows_total", 1000);
  metrics.count("collector_written_rows_total", 900);
  metrics.count("collector_dead_letters_total", 1, { code: "bad-name" });
  metrics.count("collector_dead_letters_total", 3, { code: "malformed-json" });
  metrics.count("collector_dropped_total", 6, { reason: "collection" });
  metrics.count("collector_objects_total", 2, { purpose: "data" });
  metrics.count("collector_objects_total", 5, { purpose: "manifest" });
  metrics.count("collector_object_bytes_total", MB, { purpose: "data" });
  metrics.count("collector_flushes_total", 4, { trigger: "age" });
  metrics.count("collector_flushes_total", 1, { trigger: "end" });
  metrics.gauge("collector_memory_held_bytes", 24 * MB);
  return metrics;
}

Deno.test("statusLine() tells rates since the last one", () => {
  const last = { atMs: 1000, progress: progressOf(new Metrics()) };
  const now = { atMs: 3000, progress: progressOf(someMetrics()) };
  assertEquals(
    statusLine(last, now, { memoryByteLength: 512 * MB }),
    "1,010 records  505/s  1.5 MB/s  900 rows written  24 MB of 512 MB held  4 dead letters",
  );
  const quiet = { atMs: 1000, progress: last.progress };
  assertEquals(
    statusLine(last, quiet, { memoryByteLength: 512 * MB }),
    "0 records  0/s  0 B/s  0 rows written  0 B of 512 MB held",
  );
  const failing = new Metrics();
  failing.gauge("kafka_lag_records", 1234);
  failing.gauge("collector_kinesis_behind_latest_seconds", 72);
  failing.lastError = { atMs: 0, message: "s3 PutObject: http://me:secret@host\nrefused" };
  assertEquals(
    statusLine(last, { atMs: 2000, progress: progressOf(failing) }, { memoryByteLength: 512 * MB }),
    "0 records  0/s  0 B/s  0 rows written  lag 1,234  lag 1m 12s  0 B of 512 MB held  " +
      "failing: s3 PutObject: http://***@host refused",
  );
});

/** A clock whose sleeps take no time, until the signal has been aborted by the given number of them. */
function sleeper(sleeps: number, stop: AbortController): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  let nowMs = 0;
  return {
    slept,
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (durationMs, signal) => {
      if (slept.length === sleeps) stop.abort();
      if (signal?.aborted) return Promise.reject(signal.reason);
      slept.push(durationMs);
      nowMs += durationMs;
      return Promise.resolve();
    },
  };
}

Deno.test("showStatus() redraws one line on a terminal and takes it away at the end", async () => {
  const host = new FakeHost({ isTerminal: true });
  const stop = new AbortController();
  const clock = sleeper(2, stop);
  const runtime = testRuntime({ clock });
  const terminal = new Terminal(host.stderr);
  await showStatus({ terminal, runtime, machine, memoryByteLength: MB, intervalMs: 5000 }, stop.signal);
  assertEquals(clock.slept, [5000, 5000]);
  const line = "\r\x1b[2K0 records  0/s  0 B/s  0 rows written  ";
  assertEquals(host.errors, `${line}${line}\r\x1b[2K`);
});

const at = (atMs: number, share?: number) => ({ atMs, progress: progressOf(new Metrics()), ...(share && { share }) });

Deno.test("remainingOf() tells how long the rest takes at the pace so far", () => {
  assertEquals(remainingOf(at(1000), at(3000, 0.25)), { share: 0.25, leftMs: 6000 });
  assertEquals(
    remainingOf(at(1000, 0.5), at(3000, 0.75)),
    { share: 0.75, leftMs: 2000 },
    "what was done before took no time",
  );
  assertEquals(remainingOf(at(1000), at(3000, 1)), { share: 1, leftMs: 0 });
  assertEquals(remainingOf(at(1000, 0.5), at(3000, 0.5)), { share: 0.5, leftMs: NaN });
  assertEquals(remainingOf(at(1000), at(3000)), null, "work without an end");
  assertEquals(remainingOf(at(1000), { ...at(3000), share: NaN }), null);
});

Deno.test("remainingText() is a bar of the same length at any share", () => {
  const bars: [number, number, string][] = [
    [0, NaN, "[--------------------]   0%  "],
    [0.049, 60_000, "[--------------------]   4%  1m 0s left  "],
    [0.31, 192_000, "[######--------------]  31%  3m 12s left  "],
    [0.999, 900, "[###################-]  99%  0.9s left  "],
    [1, 0, "[####################] 100%  0s left  "],
  ];
  for (const [share, leftMs, text] of bars) assertEquals(remainingText({ share, leftMs }), text);
  assertEquals(remainingText(null), "");
});

Deno.test("showStatus() begins with the bar of work that has an end", async () => {
  const host = new FakeHost({ isTerminal: true });
  const stop = new AbortController();
  const runtime = testRuntime({ clock: sleeper(2, stop) });
  const shares = [0, 0.5, 1];
  const share = () => shares.shift()!;
  const options = {
    terminal: new Terminal(host.stderr),
    runtime,
    machine,
    memoryByteLength: MB,
    intervalMs: 5000,
    share,
  };
  await showStatus(options, stop.signal);
  const bar = (line: string) => `\r\x1b[2K${line}`.slice(0, 39 + 5);
  assertEquals(
    host.errors,
    `${bar("[##########----------]  50%  5s left  0 records  ")}${
      bar("[####################] 100%  0s left  0 records  ")
    }\r\x1b[2K`,
  );
});

Deno.test("showStatus() logs how much is done, as often as it is told to", async () => {
  const lines: (LogFields | undefined)[] = [];
  const stop = new AbortController();
  const clock = sleeper(3, stop);
  const log = { ...testRuntime().log, info: (_: string, fields?: LogFields) => void lines.push(fields) };
  const terminal = new Terminal(new FakeHost().stderr);
  const shares = [NaN, NaN, 0.25, 1 / 3];
  const share = () => shares.shift()!;
  const options = { terminal, runtime: testRuntime({ clock, log }), machine, memoryByteLength: MB, intervalMs: 5000 };
  await showStatus({ ...options, logIntervalMs: 10_000, share }, stop.signal);
  assertEquals(clock.slept, [10_000, 10_000, 10_000]);
  assertEquals(lines.map((fields) => [fields?.percent, fields?.secondsLeft]), [
    [undefined, undefined],
    [25, 60],
    [33, 60],
  ]);
});

Deno.test("showStatus() logs a line a minute elsewhere, and nothing when it is turned off", async () => {
  for (const [intervalMs, expected] of [[5000, [60_000]], [90_000, [90_000]], [0, []]] as const) {
    const lines: [string, LogFields | undefined][] = [];
    const stop = new AbortController();
    const clock = sleeper(1, stop);
    const log = {
      ...testRuntime().log,
      info: (message: string, fields?: LogFields) => void lines.push([message, fields]),
    };
    const runtime = testRuntime({ clock, log, metrics: someMetrics() });
    const terminal = new Terminal(new FakeHost().stderr);
    await showStatus({ terminal, runtime, machine, memoryByteLength: MB, intervalMs }, stop.signal);
    assertEquals(clock.slept, [...expected]);
    assertEquals(lines.map(([message, fields]) => [message, fields?.rows]), expected.map(() => ["status", 1000]));
  }
});

Deno.test("summary names what became of every record", () => {
  const options = { metrics: someMetrics(), elapsedMs: 2000, deadLettersAt: "_dead-letters/ of the s3 target" };
  assertEquals(
    summaryText(options),
    `  records       1,010, 3 MB
  rows          1,000, 900 of them written
  dead letters  4 (3 malformed-json, 1 bad-name) in _dead-letters/ of the s3 target
  dropped       6 (6 collection)
  objects       2, 1 MB
  flushes       4 age, 1 end
  time          2s, 505 records/s, 1.5 MB/s
`,
  );
  assertEquals(summaryFields(options), {
    records: 1010,
    recordBytes: 3 * MB,
    rows: 1000,
    writtenRows: 900,
    deadLetters: 4,
    deadLettersByCode: "3 malformed-json, 1 bad-name",
    deadLettersAt: "_dead-letters/ of the s3 target",
    dropped: 6,
    droppedByReason: "6 collection",
    objects: 2,
    objectBytes: MB,
    flushes: "4 age, 1 end",
    seconds: 2,
    recordsPerSecond: 505,
    bytesPerSecond: 1.5 * MB,
  });
});

Deno.test("summary of a run that read nothing is short", () => {
  const options = { metrics: new Metrics(), elapsedMs: 0, deadLettersAt: "x" };
  assertEquals(
    summaryText(options),
    "  records       0, 0 B\n  rows          0, 0 of them written\n  time          0s, 0 records/s, 0 B/s\n",
  );
  assertEquals(Object.hasOwn(summaryFields(options), "deadLettersAt"), false);
});
