import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../../src/cli/main.ts";
import { PAGES } from "../../../src/help/pages.ts";
import { FakeHost, type FakeHostOptions } from "./fake_host.ts";

async function help(args: readonly string[], options: FakeHostOptions = {}) {
  const host = new FakeHost({ ...options, args: ["help", ...args] });
  const code = await main(host);
  return { code, stdout: host.output.text(), stderr: host.errors };
}

Deno.test("help lists topics and commands", async () => {
  const { code, stdout, stderr } = await help([]);
  assertEquals([code, stderr], [0, ""]);
  for (const topic of [...Object.keys(PAGES), "run", "check", "replay", "redrive", "verify", "help"]) {
    assertMatch(stdout, new RegExp(`^  ${topic} `, "m"));
  }
});

Deno.test("help TOPIC shows each page, fitted to 80 columns and without attributes where there is no terminal", async () => {
  for (const topic of Object.keys(PAGES)) {
    const { code, stdout, stderr } = await help([topic]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, /^# (.*)/.exec(PAGES[topic])![1]);
    const prose = stdout.split("\n").filter((line) => !line.startsWith("    ")).join("\n");
    for (const noise of ["\x1b", "`", "**", "&lt;", "]("]) assert(!prose.includes(noise), `${topic}: ${noise}`);
    const wide = prose.split("\n").filter((line) => line.length > 80 && line.trim().includes(" "));
    assertEquals(wide, []);
  }
});

Deno.test("help COMMAND shows how it is written, and the page of the same name", async () => {
  const [check, verify] = [await help(["check"]), await help(["verify"])];
  assertMatch(check.stdout, /^Usage: collector check /m);
  assertStringIncludes(check.stdout, "Exit codes:");
  assertMatch(verify.stdout, /^Usage: collector verify /);
  assertStringIncludes(verify.stdout, "--checksums");
  assertStringIncludes(verify.stdout, "\nComplete hours\n");
});

Deno.test("help has attributes on a terminal, but not where the user wants none", async () => {
  const bold = "\x1b[1m";
  assertStringIncludes((await help(["kafka"], { isTerminal: true })).stdout, bold);
  for (const environment of [{ NO_COLOR: "1" }, { TERM: "dumb" }]) {
    assert(!(await help(["kafka"], { isTerminal: true, environment })).stdout.includes("\x1b"));
  }
});

Deno.test("help on something else names the nearest topic and ends with 2", async () => {
  for (const [word, hint] of [["kafak", "did you mean kafka?"], ["kinessis", "did you mean kinesis?"]]) {
    const { code, stdout, stderr } = await help([word]);
    assertEquals([code, stdout], [2, ""]);
    assertEquals(stderr.split("\n")[0], `collector: there is no help on "${word}"; ${hint}`);
  }
  assertStringIncludes((await help(["xxxxxxxxxxxxxxxxxxxxxxxxxx"])).stderr, "collector help lists the topics");
});
