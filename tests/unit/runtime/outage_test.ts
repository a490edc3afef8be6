import { assertEquals } from "@std/assert";
import { RetriableError } from "../../../src/runtime/errors.ts";
import { type LogFields, silentLog } from "../../../src/runtime/log.ts";
import { Metrics } from "../../../src/runtime/metrics.ts";
import { failing, givenUp, working } from "../../../src/runtime/outage.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";

function world() {
  const time = { ms: 1000 };
  const lines: string[] = [];
  const to = (level: string) => (message: string, _fields?: LogFields) => void lines.push(`${level} ${message}`);
  const clock = { now: () => 0, monotonicMs: () => time.ms, sleep: () => Promise.resolve() };
  const log = { ...silentLog, info: to("info"), warn: to("warn") };
  const runtime = { clock, log, random: new SeededRandom(1), metrics: new Metrics() };
  const error = new RetriableError("connection refused");
  return { runtime, time, lines, fail: (what = "s3 PutObject") => failing(runtime, what, { error }) };
}

Deno.test("failing() says the first failure, then one line every half minute, and working() that it is over", () => {
  const { runtime, time, lines, fail } = world();
  runtime.metrics.gauge("collector_memory_held_bytes", 12 * 2 ** 20);
  working(runtime, "s3 PutObject");
  for (let tries = 0; tries < 14; tries++, time.ms += 10_000) fail();
  assertEquals(lines, [
    "warn s3 PutObject fails, trying again; 12 MB held",
    "warn s3 PutObject has failed for 30s (4 tries), trying again; 12 MB held",
    "warn s3 PutObject has failed for 1m 0s (7 tries), trying again; 12 MB held",
    "warn s3 PutObject has failed for 1m 30s (10 tries), trying again; 12 MB held",
    "warn s3 PutObject has failed for 2m 0s (13 tries), trying again; 12 MB held",
  ]);
  assertEquals(runtime.metrics.lastError?.message, "s3 PutObject: connection refused");
  working(runtime, "s3 PutObject");
  working(runtime, "s3 PutObject");
  assertEquals(lines.slice(5), ["info s3 PutObject works again after 2m 20s"]);
  assertEquals(runtime.metrics.lastError, null);
});

Deno.test("failing() speaks no more often of what comes and goes, and of each thing by itself", () => {
  const { runtime, time, lines, fail } = world();
  for (let round = 0; round < 100; round++, time.ms += 500) {
    fail();
    working(runtime, "s3 PutObject");
  }
  assertEquals(lines, [
    "warn s3 PutObject fails, trying again",
    "info s3 PutObject works again after 0s",
    "warn s3 PutObject fails, trying again",
    "info s3 PutObject works again after 0s",
  ]);
  fail("kafka commit");
  givenUp(runtime, "kafka commit");
  working(runtime, "kafka commit");
  assertEquals(lines.slice(4), ["warn kafka commit fails, trying again"]);
});
