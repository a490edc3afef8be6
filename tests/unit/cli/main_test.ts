import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "node:path";
import { main } from "../../../src/cli/main.ts";
import { SystemClock } from "../../../src/runtime/clock.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { ExitCalled, FakeHost, type FakeHostOptions } from "./fake_host.ts";

async function run(options: FakeHostOptions, prepare: (host: FakeHost) => void = () => {}) {
  const host = new FakeHost(options);
  prepare(host);
  const code = await main(host);
  return { code, stdout: host.output.text(), stderr: host.errors };
}

const NO_FOLDER = ["--set", "file.checkpoint=/proc/no/such/folder"];
const CONSOLE = ["--set", "stream.source=file", "--set", "file.path=sample:", "--set", "target=console"];

Deno.test("main() prints help and version on standard output", async () => {
  for (const args of [["--help"], ["run", "--help"], ["check", "-h"], ["verify", "--help"]]) {
    const { code, stdout, stderr } = await run({ args });
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, "Exit codes:");
    assertEquals(stdout.split("\n").filter((line) => line.length > 120), [], "lines fit the screen");
  }
  assertEquals(await run({ args: ["check", "--version"] }), { code: 0, stdout: "collector 1.2.3\n", stderr: "" });
});

Deno.test("main() ends with 141 when nobody reads the help", async () => {
  const { code, stderr } = await run({ args: ["--help"] }, (host) => host.output.break(new Deno.errors.BrokenPipe("")));
  assertEquals([code, stderr], [141, ""]);
});

Deno.test("main() ends with 1 at what nobody expects, without printing secrets", async () => {
  const { code, stderr } = await run(
    { args: ["--help"] },
    (host) => host.output.break(new TypeError("no http://me:hunter2@here", { cause: "a cause" })),
  );
  assertEquals(code, 1);
  assertMatch(stderr, /^collector: TypeError: no http:\/\/\*\*\*@here\n +at /);
  assertStringIncludes(stderr, "collector: Error: a cause\n");
});

Deno.test("main() without any config says what to do", async () => {
  for (const environment of [{}, { COLLECTOR_HOME: "/x", RAKAM_TARGET: "" }]) {
    const { code, stdout, stderr } = await run({ environment });
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "Nothing to do: there is no config.");
  }
  const { code, stderr } = await run({ environment: { RAKAM_TARGET: "console" } });
  assertEquals(code, 2);
  assertMatch(stderr, /^stream\.source: not set, .*\n1 problem in the config, nothing was started\n$/);
});

Deno.test("main() takes one config file", async () => {
  const { code, stderr } = await run({ args: ["a.properties", "--config", "b.properties"] });
  assertEquals([code, stderr.split("\n")[0]], [
    2,
    "collector: two config files: a.properties and --config b.properties",
  ]);
});

Deno.test("main() reads the config from standard input", async () => {
  const { code, stderr } = await run({ args: ["-"], stdin: "target=consol" });
  assertEquals(code, 2);
  assertMatch(stderr, /^standard input:1: target: must be one of .*did you mean console\?/);
});

Deno.test("main() says where a value stands that asks for more memory than there is", async () => {
  const args = ["check", ...CONSOLE, "--set", "memory.limit=5GB"];
  const message = "5GB is more than the 4096MB that this process may use";
  const { code, stdout, stderr } = await run({ args });
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr, `--set: memory.limit: ${message}\n1 problem in the config, nothing was started\n`);
  const json = await run({ args: [...args, "--json"] });
  assertEquals([json.code, json.stderr], [2, ""]);
  const problems = [{ key: "memory.limit", message, origin: "--set" }];
  assertEquals(JSON.parse(json.stdout), { ok: false, problems });
});

Deno.test("check looks at the folder for dead letters where the target takes none", () =>
  inScratchDirectory(async (scratch) => {
    await Deno.writeTextFile(join(scratch, "file"), "");
    const checkpoint = ["--set", `file.checkpoint=${join(scratch, "checkpoint.json")}`];
    const args = ["check", ...CONSOLE, ...checkpoint, "--set", `dead-letter.directory=${join(scratch, "file")}`];
    const stored = await run({ args });
    assertEquals(stored.code, 1, stored.stderr);
    assertMatch(stored.stdout, /^FAILED {2}dead letters: directory .*file can be written: /m);
    assertMatch(
      stored.stdout,
      /^ok {6}machine: memory for buffers: 2 GB of 4 GB, 2 pipeline workers on 2 cores$/m,
    );
    const dropped = await run({ args: [...args, "--set", "dead-letter.policy=drop"] });
    assertEquals([dropped.code, dropped.stdout.includes("dead letters:")], [0, false]);
  }));

Deno.test("check gives up on a target that doesn't answer", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const clock = new SystemClock();
  // Whoever waits for long has waited: the server has the request by then.
  clock.sleep = async (durationMs, signal) => {
    if (durationMs >= 10_000) await accepted;
    else await new SystemClock().sleep(durationMs, signal);
  };
  const sets = {
    "stream.source": "file",
    "file.path": "*.ndjson",
    "file.checkpoint": "checkpoint.json",
    "target": "s3",
    "target.aws.s3-bucket": "b",
    "target.aws.s3-endpoint": `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    "target.access-key": "id",
    "target.secret-access-key": "hunter2",
  };
  const args = Object.entries(sets).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const { code, stdout, stderr } = await run({ args: ["check", ...args], clock });
  (await accepted).close();
  listener.close();
  assertEquals(code, 1, stderr);
  assertMatch(stdout, /^FAILED {2}target: .*no answer within \d+/m);
  assertMatch(stdout, /^ {2}target\.secret-access-key = \*\*\* +\(--set\)$/m);
  assertEquals(`${stdout}${stderr}`.includes("hunter2"), false);
});

Deno.test("run shows rows, a summary and no status line on a terminal, all in one isolate", () =>
  inScratchDirectory(async (scratch) => {
    const path = join(scratch, "events.ndjson");
    await Deno.writeTextFile(path, '{"project":"p","collection":"c","properties":{"id":1}}\n{"id":\n');
    const sets = {
      "stream.source": "file",
      "file.path": path,
      "file.checkpoint": join(scratch, "checkpoint.json"),
      "target": "console",
      "dead-letter.directory": join(scratch, "dead"),
      "pipeline.workers": "0",
    };
    const args = Object.entries(sets).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const trial = await run({ args, isTerminal: true });
    assertEquals([trial.code, JSON.parse(trial.stdout).id], [0, 1]);
    assertStringIncludes(trial.stderr, "a trial: no position is moved");
    const debug = await run({ args: [...args, "--set", "log.level=debug"] });
    const told = debug.stderr.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    for (const message of ["new file", "read", "flushing", "read to its end"]) {
      assert(told.some((line) => line.level === "DEBUG" && line.message === message), message);
    }
    args.push("--set", "target.console.commit=true");
    const { code, stdout, stderr } = await run({ args, isTerminal: true, environment: { NO_COLOR: "1" } });
    assertEquals(code, 0, stderr);
    assertEquals(JSON.parse(stdout).id, 1, "a trial leaves everything unread");
    assertMatch(stderr, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}collecting {2}version=1\.2\.3 source=file target=console /);
    assertMatch(stderr, /WARN {2}done\n {2}records +2, 60 B\n {2}rows +1, 1 of them written\n/);
    assertStringIncludes(stderr, `dead letters  1 (1 malformed-json) in ${join(scratch, "dead")}\n`);
    assertEquals([...Deno.readDirSync(join(scratch, "dead"))].length, 1);
    const quiet = await run({ args: [...args, "--set", "log.level=warn"], isTerminal: true });
    assertEquals(quiet, { code: 0, stdout: "", stderr: "" });
  }));

Deno.test("run ends the process by an error that nobody caught", async () => {
  const host = new FakeHost({ args: [...CONSOLE, "--set", "target.console.commit=true", ...NO_FOLDER] });
  assertEquals(await main(host), 1);
  host.errors = "";
  assertEquals(assertThrows(() => host.leave(new Error("out of the blue")), ExitCalled).code, 1);
  const { level, error } = JSON.parse(host.errors);
  assertEquals([level, error.message], ["ERROR", "out of the blue"]);
});
