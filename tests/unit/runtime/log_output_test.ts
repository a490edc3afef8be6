import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FatalError, InvariantError, RetriableError } from "../../../src/runtime/errors.ts";
import { type LogOutputOptions, openLog } from "../../../src/runtime/log_output.ts";
import { withFields } from "../../../src/runtime/log.ts";

function capture(options: Partial<LogOutputOptions> = {}) {
  const lines: string[] = [];
  const log = openLog({
    level: "debug",
    format: "json",
    colors: false,
    write: (line) => void lines.push(line),
    clean: (text) => text.replaceAll("hunter2", "***"),
    ...options,
  });
  return { log, lines, json: () => lines.map((line) => JSON.parse(line)) };
}

Deno.test("log writes one JSON object a line", () => {
  const { log, lines, json } = capture();
  log.info("a {b} c", { b: "x\ny", count: 1, epoch: 7n, big: 2n ** 60n, yes: true, none: null, unset: undefined });
  log.warn("plain");
  assert(lines.every((line) => line.indexOf("\n") === line.length - 1));
  const [{ "@timestamp": time, ...first }, second] = json();
  assert(Math.abs(Date.parse(time) - performance.timeOrigin) < 3_600_000);
  assertEquals(first, {
    level: "INFO",
    message: "a {b} c",
    logger: "collector",
    b: "x\ny",
    count: 1,
    epoch: 7,
    big: String(2n ** 60n),
    yes: true,
    none: null,
  });
  assertEquals([second.level, second.message], ["WARN", "plain"]);
});

Deno.test("log leaves out what is below its level", () => {
  for (const [level, count] of [["debug", 4], ["info", 3], ["warn", 2], ["error", 1]] as const) {
    const { log, lines } = capture({ level });
    log.debug("m");
    log.info("m");
    log.warn("m");
    log.error("m");
    assertEquals(lines.length, count, level);
  }
});

Deno.test("log shows an error with its causes, and hides what must not be printed", () => {
  const { log, json } = capture();
  const cause = Object.assign(new TypeError("connect hunter2"), { code: "ECONNRESET", request: { secret: "hunter2" } });
  log.error("failed", { url: "http://a:hunter2@b" }, new FatalError("cannot put hunter2", { cause }));
  assertEquals(json()[0].url, "http://a:***@b");
  assertEquals(json()[0].error, {
    name: "FatalError",
    code: "FATAL",
    message: "cannot put ***",
    cause: { name: "TypeError", code: "ECONNRESET", message: "connect ***" },
  });
});

Deno.test("pretty log shows one cause and the system's code, no names of classes, and where it was thrown only for bugs", () => {
  const refused = Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" });
  const fetchFailed = new TypeError("fetch failed", { cause: refused });
  const put = new RetriableError("cannot PutObject at http://s3: fetch failed", { cause: fetchFailed });
  for (
    const [level, error, expected] of [
      ["info", put, "\n    cannot PutObject at http://s3: fetch failed: connection refused (ECONNREFUSED)\n"],
      ["info", new Error("no", { cause: new Error("no") }), "\n    no\n"],
      ["debug", new Error("no"), "\n    no\n    at "],
    ] as const
  ) {
    const { log, lines } = capture({ format: "pretty", level });
    log.warn("m", {}, error);
    const text = lines[0].slice(lines[0].indexOf("WARN  m") + "WARN  m".length);
    assert(text.startsWith(expected) && (level === "debug" || text === expected), text);
  }
  const { log, lines } = capture({ format: "pretty", level: "info" });
  log.error("m", {}, new InvariantError("broken"));
  assertStringIncludes(lines[0], "log_output_test.ts");
});

Deno.test("pretty log has the date where nobody watches", () => {
  const { log, lines } = capture({ format: "pretty", dates: true });
  log.info("m");
  assertMatch(lines[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d) INFO {2}m\n$/);
});

Deno.test("log shows where a bug was thrown", () => {
  const { log, json } = capture();
  log.error("failed", {}, new InvariantError("broken"));
  log.error("failed", {}, "just a text");
  assertStringIncludes(json()[0].error.stack, "log_output_test.ts");
  assertEquals(json()[1].error, { name: "Error", message: "just a text" });
});

Deno.test("pretty log is readable, and safe on a terminal", () => {
  const { log, lines } = capture({ format: "pretty" });
  log.info("split assigned", { split: "a/0", start: "", text: 'a \x1b[31m\u009b "b"', none: null });
  log.warn("later", {}, new FatalError("cannot put\nit \x1b]0;", { cause: new Error("no room") }));
  const withoutTimes = lines.map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} /, ""));
  assertEquals(
    withoutTimes[0],
    'INFO  split assigned  split=a/0 start="" text="a \\u001b[31m\\u009b \\"b\\"" none=null\n',
  );
  assertEquals(
    withoutTimes[1],
    "WARN  later\n    cannot put\n    it \\u001b]0;: no room\n",
  );
});

Deno.test("pretty log has colours only where they are wanted", () => {
  const { log, lines } = capture({ format: "pretty", colors: true });
  log.warn("later", { a: 1 });
  assertStringIncludes(lines[0], "\x1b[33mWARN \x1b[0m later");
});

Deno.test("withFields() puts fields into every line, and keeps the line's own", () => {
  const lines: unknown[] = [];
  const take = (level: string) => (...line: unknown[]) => void lines.push([level, ...line]);
  const log = withFields({ debug: take("debug"), info: take("info"), warn: take("warn"), error: take("error") }, {
    part: "live",
    split: "?",
  });
  const error = new Error("no");
  log.debug("a");
  log.info("b", { split: "s/1" });
  log.warn("c", {}, error);
  log.error("d", { n: 1 }, error);
  assertEquals(lines, [
    ["debug", "a", { part: "live", split: "?" }],
    ["info", "b", { part: "live", split: "s/1" }],
    ["warn", "c", { part: "live", split: "?" }, error],
    ["error", "d", { part: "live", split: "?", n: 1 }, error],
  ]);
});
