import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseInvocation } from "../../../src/cli/arguments.ts";
import { UsageError } from "../../../src/cli/command.ts";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { main } from "../../../src/cli/main.ts";
import { jobNameOf } from "../../../src/cli/replay.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { FakeHost } from "./fake_host.ts";

const CONFIG = [
  ...["--set", "stream.source=file", "--set", "file.path=missing/a.ndjson"],
  ...["--set", "target=file", "--set", "replay.directory=/nowhere/that/exists"],
];

async function replay(args: readonly string[]) {
  const host = new FakeHost({ args: ["replay", ...args] });
  const code = await main(host);
  return { code, stdout: host.output.text(), stderr: host.errors };
}

const UNUSABLE: readonly [string[], string][] = [
  [["--prefix", "a//b"], "collector: --prefix: has an empty segment: no slash at the start or end"],
  [["--prefix", "_x"], 'collector: --prefix: "_x" begins with "_"'],
  [["--job", "../x"], 'collector: --job: "../x" is no name: use letters, digits'],
  [["--job", "x".repeat(101)], "at most 100"],
  [["--job", ""], "collector: --job needs a value: write --job NAME"],
  [["--rate", "0"], "collector: --rate must be more than 0"],
  [["--from", "2026-11-01", "--last", "1h"], "collector: --last and --from can't be used together"],
  [["--lst", "1h"], "collector: unknown flag --lst; did you mean --last?"],
  [["--set", "stream.source=demo"], "collector: stream.source=demo can't be replayed"],
];

Deno.test("replay refuses what it can't do before it starts anything", async () => {
  for (const [args, message] of UNUSABLE) {
    const { code, stdout, stderr } = await replay([...CONFIG, ...args]);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, message);
  }
});

Deno.test("replay beside the live collector's rows is refused, unless that is what is meant", async () => {
  const { code, stderr } = await replay([...CONFIG, "--set", "target.file.directory=/data/rows"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "writes to file /data/rows, where the live collector writes");
  const meant = [["--into-live"], ["--prefix", "again"], ["--dry-run"], ["--set", "target=console"]];
  for (const flags of meant) {
    const { code, stderr } = await replay([...CONFIG, ...flags]);
    assertEquals(code, 1, flags.join());
    assertStringIncludes(stderr, "there is no missing/a.ndjson");
  }
  const historical = await replay([...CONFIG, "--historical"]);
  assertStringIncludes(historical.stderr, "there is no historical topic");
});

Deno.test("replay of files that aren't there fails and says so, quiet or not", async () => {
  for (const flags of [["--dry-run"], ["--dry-run", "--quiet"]]) {
    const { code, stdout, stderr } = await replay([...CONFIG, ...flags]);
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, "there is no missing/a.ndjson");
    assertStringIncludes(stderr, "failed; nothing was begun");
  }
});

Deno.test("replay ends with 2 for a range that makes no sense for the source", async () => {
  await inScratchDirectory(async (directory) => {
    for (const more of [["--into-live"], ["--dry-run"]]) {
      const { code, stderr } = await replay([
        ...CONFIG,
        ...[
          "--set",
          `replay.directory=${directory}`,
          "--from",
          "2026-11-01",
          "--to",
          "2026-11-02",
          "--into-live",
          ...more,
        ],
      ]);
      assertEquals(code, 2);
      assertStringIncludes(stderr, "files are replayed whole: leave the range out");
    }
  });
});

Deno.test("replay --help fits the screen and names every flag", async () => {
  const { code, stdout } = await replay(["--help"]);
  assertEquals(code, 0);
  assertEquals(stdout.split("\n").filter((line) => line.length > 120), []);
  for (const { name } of COMMANDS.replay.flags) assertMatch(stdout, new RegExp(`^ +(-., )?--${name}\\b`, "m"));
});

function nameOf(line: string): string {
  return jobNameOf(parseInvocation(["replay", ...line.split(" ")], COMMANDS).args, "replay");
}

Deno.test("jobNameOf() is the same for the same job, and another for another one", () => {
  const name = nameOf("c.properties --last 24h");
  assertMatch(name, /^replay-[0-9a-f]{8}$/);
  const same = ["./c.properties --last 24h", "-c c.properties --last 24h", "--quiet c.properties --last 24h --rate 5"];
  for (const line of same) assertEquals(nameOf(`${line} --wait`), name, line);
  const others = ["d.properties --last 24h", "c.properties --last 25h", "c.properties --until-now"];
  const more = ["c.properties --last 24h --prefix a", "c.properties --last 24h --set a=b", "c.properties --from 24h"];
  for (const line of [...others, ...more]) assertNotEquals(nameOf(line), name, line);
  assertEquals(nameOf("c.properties --last 24h --job nightly"), "nightly");
});

Deno.test("jobNameOf() keeps a redrive apart from a replay of the same name", () => {
  const { args } = parseInvocation(["redrive", "c.properties", "--job", "nightly"], COMMANDS);
  assertEquals(jobNameOf(args, "redrive"), "redrive-nightly");
});

Deno.test("jobNameOf() wants a name for a config that comes on standard input", () => {
  assertThrows(() => nameOf("- --last 24h"), UsageError, "a config on standard input needs --job NAME");
  assertEquals(nameOf("- --last 24h --job nightly"), "nightly");
});
