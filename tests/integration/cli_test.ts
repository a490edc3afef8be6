/** The command line as users and scripts meet it: the program in a process of its own, its output and its exit codes. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import denoConfig from "../../deno.json" with { type: "json" };
import { CollectorProcess, runCollector, settings } from "../support/collector.ts";
import { startS3 } from "../support/s3_server.ts";
import { until } from "../support/until.ts";
import { events, inScratchDirectory, storedIds } from "../support/scratch.ts";

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** The last log line with this message. */
function logged(stderr: string, message: string): Record<string, unknown> {
  const lines = stderr.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const found = lines.findLast((line) => line.message === message);
  assert(found !== undefined, `nothing says "${message}":\n${stderr}`);
  return found;
}

const FILE_TO_FILE = {
  "stream.source": "file",
  "file.path": "in/*",
  "file.checkpoint": "checkpoint.json",
  "target": "file",
  "target.file.directory": "out",
};

Deno.test("collector --help, --version and no arguments at all", () =>
  inScratchDirectory(async (cwd) => {
    const [help, checkHelp, version, nothing] = await Promise.all(
      [["--help"], ["check", "-h"], ["--version"], []].map((args) => runCollector(args, { cwd })),
    );
    assertEquals([help.code, checkHelp.code, version.code, nothing.code], [0, 0, 0, 2]);
    assertStringIncludes(help.stdout, "Exit codes:\n  0 ");
    assertStringIncludes(help.stdout, "  check  ");
    assertStringIncludes(checkHelp.stdout, "--json");
    assertEquals(version.stdout, `collector ${denoConfig.version}\n`);
    assertEquals([nothing.stdout, help.stderr], ["", ""]);
    assertStringIncludes(nothing.stderr, "collector CONFIG.properties");
  }));

Deno.test("collector refuses a command line that it doesn't understand", () =>
  inScratchDirectory(async (cwd) => {
    const cases: [string[], string][] = [
      [["chekc", "a.properties"], 'collector: unknown command "chekc"; did you mean check?'],
      [["--sett", "a=b"], "collector: unknown flag --sett; did you mean --set?"],
      [["missing.properties"], "collector: cannot read the config file missing.properties: there is no such file"],
      [["."], "collector: cannot read the config file .: it is a directory"],
    ];
    const ends = await Promise.all(cases.map(([args]) => runCollector(args, { cwd })));
    cases.forEach(([, message], i) => {
      assertEquals([ends[i].code, ends[i].stdout], [2, ""]);
      assertEquals(ends[i].stderr.split("\n")[0], message);
    });
  }));

Deno.test("collector says everything that is wrong with a config, and starts nothing", () =>
  inScratchDirectory(async (cwd) => {
    const config = "stream.source=fil\ntarget=file\n\nmemory.heap-ratio=3\ntarget.file.directroy=out\n";
    await Deno.writeTextFile(join(cwd, "bad.properties"), config);
    const [run, check] = await Promise.all(
      [["bad.properties", "--set", "kafka.topic"], ["check", "--json", "-c", "bad.properties"]].map((args) =>
        runCollector(args, { cwd })
      ),
    );
    assertEquals([run.code, run.stdout, check.code, check.stderr], [2, "", 2, ""]);
    const lines = run.stderr.trimEnd().split("\n");
    assertEquals(lines.map((line) => line.split(": ", 2).join(": ")), [
      "bad.properties:1: stream.source",
      "bad.properties:4: memory.heap-ratio",
      "bad.properties:5: target.file.directroy",
      "--set: argument 1",
      "4 problems in the config, nothing was started",
    ]);
    assertStringIncludes(lines[2], "did you mean target.file.directory?");
    const { ok, problems } = JSON.parse(check.stdout);
    assertEquals([ok, problems.length, problems[0].origin], [false, 3, "bad.properties:1"]);
    assertEquals([...Deno.readDirSync(cwd)].map(({ name }) => name), ["bad.properties"]);
  }));

Deno.test("collector stores what it could read beside a truncated file, and says which one it is", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 3000));
    const packed = gzipSync(events(3000, 2000));
    await Deno.writeFile(join(cwd, "in/b.ndjson.gz"), packed.subarray(0, packed.length - 9));
    const first = await runCollector(settings(FILE_TO_FILE), { cwd });
    assertEquals(first.code, 1);
    assertStringIncludes(first.stderr, "b.ndjson.gz");
    const stored = await storedIds(join(cwd, "out"));
    assertEquals(stored.slice(0, 3000), range(3000));
    const second = await runCollector(settings(FILE_TO_FILE), { cwd });
    assertEquals(second.code, 1);
    assertEquals((await storedIds(join(cwd, "out"))).slice(0, stored.length), stored, "nothing is stored twice");
  }));

Deno.test("collector reads plain and compressed files and stores every row once", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 3000) + "{oops\n");
    await Deno.writeFile(join(cwd, "in/b.ndjson.gz"), gzipSync(events(3000, 2000)));
    const config = Object.entries(FILE_TO_FILE).map(([key, value]) => `${key}=${value}\n`).join("");
    await Deno.writeTextFile(join(cwd, "c.properties"), config);

    const first = await runCollector(["c.properties"], { cwd });
    assertEquals([first.code, first.stdout], [0, ""], first.stderr);
    assertEquals(await storedIds(join(cwd, "out")), range(5000));
    const { records, rows, writtenRows, deadLetters, deadLettersByCode, objects, level } = logged(first.stderr, "done");
    assertEquals([records, rows, writtenRows, deadLetters, objects], [5001, 5000, 5000, 1, 2]);
    assertEquals([deadLettersByCode, level], ["1 malformed-json", "WARN"]);
    assertEquals(logged(first.stderr, "collecting").version, denoConfig.version);

    const second = await runCollector(["-", "--set", "pipeline.workers=0"], { cwd, stdin: config });
    assertEquals([second.code, logged(second.stderr, "done").records], [0, 0], second.stderr);
    assertEquals(await storedIds(join(cwd, "out")), range(5000));
  }));

Deno.test("collector takes its whole config from the environment", () =>
  inScratchDirectory(async (cwd) => {
    const environment = {
      COLLECTOR_STREAM_SOURCE: "file",
      COLLECTOR_FILE_PATH: "in.ndjson",
      COLLECTOR_TARGET: "console",
      COLLECTOR_LOG_LEVEL: "warn",
    };
    await Deno.writeTextFile(join(cwd, "in.ndjson"), events(0, 10));
    const { code, stdout, stderr } = await runCollector(["--set", "log.level=error"], { cwd, environment });
    assertEquals([code, stderr], [0, ""]);
    const ids = stdout.trimEnd().split("\n").map((line): number => JSON.parse(line).id);
    assertEquals(ids.sort((a, b) => a - b), range(10));
    const names = [...Deno.readDirSync(cwd)].map(({ name }) => name).sort();
    assertEquals(names, ["in.ndjson"], "a trial leaves nothing, no folder for dead letters that never came either");
  }));

Deno.test("collector that is stopped by SIGTERM has committed what it wrote", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    await Deno.mkdir(join(cwd, "out"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 5000));
    const config = { ...FILE_TO_FILE, "middleware.max-flush-records": "1" };
    {
      using watcher = Deno.watchFs(join(cwd, "out"));
      await using collector = new CollectorProcess(settings({ ...config, "file.follow": "true" }), { cwd });
      for await (const _ of watcher) {
        if ((await storedIds(join(cwd, "out"))).length > 0) break;
      }
      for (let i = 0; i < 2; i++) collector.kill("SIGTERM"); // as timeout(1) does: the process, then its group
      const { code, stderr } = await collector.end();
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /SIGTERM: writing what is in memory/);
      const { writtenRows, rows } = logged(stderr, "stopped");
      assertEquals(writtenRows, rows);
      assertEquals((await storedIds(join(cwd, "out"))).length, rows);
    }
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(5000, 100), { append: true });
    const { code, stderr } = await runCollector(settings(config), { cwd });
    assertEquals(code, 0, stderr);
    assertEquals(await storedIds(join(cwd, "out")), range(5100), "each row is there once");
  }));

Deno.test("collector reads more files than it may open at a time, and check says so", {
  ignore: Deno.build.os === "windows",
}, () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    for (const i of range(200)) await Deno.writeTextFile(join(cwd, `in/${i}.ndjson`), events(i, 1));
    const args = settings({
      ...FILE_TO_FILE,
      "file.follow": "true",
      "file.max-open": "1000",
      "middleware.max-flush-records": "1",
    });
    const check = await runCollector(["check", ...args], { cwd, openFiles: 120 });
    assertEquals(check.code, 0, check.stdout);
    assertMatch(check.stdout, /ok {4} {2}machine: files and connections at a time: \d+; raise ulimit -n for more/);
    await using collector = new CollectorProcess(args, { cwd, openFiles: 120 });
    await collector.until(until("all is stored", async () => (await storedIds(join(cwd, "out"))).length === 200));
    collector.kill("SIGTERM");
    const { code, stderr } = await collector.end();
    assertEquals(code, 0, stderr);
    const { wanted, openable } = logged(stderr, "fewer files can be open than file.max-open says");
    assertEquals([wanted, (openable as number) > 0 && (openable as number) < 60], [1000, true]);
    const few = await runCollector(["check", ...args], { cwd, openFiles: 70 });
    assertEquals(few.code, 1);
    assertMatch(few.stdout, /FAILED {2}machine: files and connections at a time: \d+; raise/);
  }));

Deno.test("collector keeps a signal that comes while it starts", {
  ignore: Deno.build.os !== "linux", // where one can see what a process does with a signal
}, () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 10));
    const config = Object.entries({ ...FILE_TO_FILE, "file.follow": "true" }).map(([k, v]) => `${k}=${v}\n`).join("");
    const stopEarly = async () => {
      const { promise: stdin, resolve: configure } = Promise.withResolvers<string>();
      await using collector = new CollectorProcess(["run", "-"], { cwd, stdin });
      const catches = async () => {
        const [, mask] = /^SigCgt:\s*(\w+)$/m.exec(await Deno.readTextFile(`/proc/${collector.pid}/status`))!;
        return (BigInt(`0x${mask}`) >> 14n & 1n) === 1n; // SIGTERM is 15, and the first bit is that of 1
      };
      await collector.until(until("it catches SIGTERM", catches));
      collector.kill("SIGTERM");
      configure(config);
      return await collector.end();
    };
    let end = await stopEarly();
    // Deno itself catches SIGTERM for a moment before the collector's code runs, and ends by it.
    for (let tries = 1; end.code === 143 && tries < 10; tries++) end = await stopEarly();
    const { code, stderr } = end;
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /SIGTERM: writing what is in memory/);
  }));

Deno.test("collector ends at once at a second signal", () =>
  inScratchDirectory(async (cwd) => {
    const server = await startS3({ secretAccessKey: "do-not-print-me" });
    try {
      await Deno.mkdir(join(cwd, "in"));
      await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 100));
      const config = {
        ...FILE_TO_FILE,
        ...server.config,
        "file.follow": "true",
        "target": "s3",
        "middleware.max-flush-records": "1",
      };
      for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
        const { promise: writing, resolve } = Promise.withResolvers<void>();
        server.faults.always(({ operation }) => {
          if (operation !== "PutObject") return undefined;
          resolve();
          return "hang"; // so that the rows can't be got rid of
        });
        await using collector = new CollectorProcess(settings(config), { cwd });
        await collector.until(writing);
        collector.kill("SIGTERM");
        await collector.logs("SIGTERM: writing what is in memory");
        const again = until("another one, not the same", () => {
          collector.kill(signal);
          return collector.stderr.includes("again");
        });
        const end = await collector.end();
        await again;
        assertEquals(end.code, code, end.stderr);
        assertStringIncludes(end.stderr, `${signal} again: ending at once`);
        assert(!end.stderr.includes("do-not-print-me"));
      }
    } finally {
      await server.close();
    }
  }));

Deno.test("collector whose target refuses for good ends with 1 and says what to do", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 100));
    await Deno.writeTextFile(join(cwd, "out"), "a file where a folder should be");
    const { code, stderr } = await runCollector(settings(FILE_TO_FILE), { cwd });
    assertEquals(code, 1);
    const { level, error } = logged(stderr, "failed; what was not committed is read again by the next run");
    assertEquals([level, (error as { name: string }).name], ["ERROR", "FatalError"]);
    assertStringIncludes((error as { message: string }).message, join(cwd, "out"));
  }));

Deno.test("collector whose output is closed ends quietly", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "in.ndjson"), events(0, 100_000));
    const config = { "stream.source": "file", "file.path": "in.ndjson", "target": "console" };
    await using collector = new CollectorProcess(settings(config), { cwd });
    const reader = collector.stdout.getReader();
    assertEquals((await reader.read()).done, false);
    await reader.cancel();
    assertEquals((await collector.status).code, 141);
    await collector.logs("standard output was closed by its reader");
    assert(!collector.stderr.includes("ERROR"), collector.stderr);
  }));

Deno.test("collector shows rows on the console as they come, not when the buffers are due", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "in.ndjson"), events(0, 3));
    const config = {
      "stream.source": "file",
      "file.path": "in.ndjson",
      "file.follow": "true",
      "target": "console",
      "stream.max-flush-duration": "1h",
      "middleware.max-flush-duration": "1h",
    };
    await using collector = new CollectorProcess(settings(config), { cwd });
    const reader = collector.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (text.split("\n").length < 4) text += (await reader.read()).value;
    assertEquals(text.trimEnd().split("\n").map((line) => JSON.parse(line).id).sort(), [0, 1, 2]);
    await reader.cancel();
  }));

Deno.test("collector check prints the config in effect and tries its parts", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.mkdir(join(cwd, "in"));
    await Deno.writeTextFile(join(cwd, "in/a.ndjson"), events(0, 10));
    const config = Object.entries(FILE_TO_FILE).map(([key, value]) => `${key}=${value}\n`).join("");
    await Deno.writeTextFile(join(cwd, "c.properties"), `${config}log-active=true\nkafka.topic=x\n`);
    const [good, json] = await Promise.all([
      runCollector(["check", "c.properties", "--set", "target.compression=zstd"], { cwd }),
      runCollector(["check", "--json", "c.properties"], { cwd }),
    ]);
    assertEquals([good.code, json.code], [0, 0], good.stdout);
    assertMatch(good.stdout, /^ {2}file\.path = in\/\* +\(c\.properties:2\)$/m);
    assertMatch(good.stdout, /^ {2}target\.compression = zstd +\(--set\)$/m);
    assertMatch(good.stdout, /^c\.properties:6: log-active: ignored/m);
    assertMatch(good.stdout, /^no effect with stream\.source=file and target=file: kafka\.topic$/m);
    for (const part of ["machine", "source", "target"]) assertMatch(good.stdout, new RegExp(`^ok {6}${part}: `, "m"));
    const { ok, checks, config: entries } = JSON.parse(json.stdout);
    assertEquals([ok, checks.every((check: { ok: boolean }) => check.ok)], [true, true]);
    assert(entries.some(({ key, text }: { key: string; text: string }) => key === "file.path" && text === "in/*"));
    assertEquals([...Deno.readDirSync(cwd)].map(({ name }) => name).sort(), ["c.properties", "in"], "it left nothing");
  }));

Deno.test("collector check says what is not ready, and hides secrets", () =>
  inScratchDirectory(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "out"), "a file where a folder should be");
    const config = {
      ...FILE_TO_FILE,
      "file.path": "missing.ndjson",
      "target.secret-access-key": "do-not-print-me",
    };
    const { code, stdout, stderr } = await runCollector(["check", ...settings(config)], { cwd });
    assertEquals(code, 1);
    assertMatch(stdout, /^FAILED {2}source: .*missing\.ndjson/m);
    assertMatch(stdout, /^FAILED {2}target: /m);
    assert(!`${stdout}${stderr}`.includes("do-not-print-me"));
  }));
