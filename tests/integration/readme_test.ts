import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { runCollector } from "../support/collector.ts";
import { filesBelow, inScratchDirectory } from "../support/scratch.ts";

const README = new URL("../../README.md", import.meta.url);

/** The fenced blocks below a heading, each with its language. */
async function blocksBelow(heading: string): Promise<{ readonly language: string; readonly text: string }[]> {
  const [, chapter] = (await Deno.readTextFile(README)).split(`\n## ${heading}\n`);
  const blocks = chapter.split("\n## ")[0].matchAll(/```(\w+)\n(.*?)```/gs);
  return [...blocks].map(([, language, text]) => ({ language, text }));
}

/** When it was read differs from run to run. */
function withoutArrival(lines: string): string {
  return lines.replace(/"_shard_time":"[^"]+"/g, '"_shard_time":""');
}

Deno.test("README's first example gives what it says", () =>
  inScratchDirectory(async (cwd) => {
    const [events, config, commands, rows] = await blocksBelow("Files to files");
    assertEquals([events, config, commands, rows].map(({ language }) => language), [
      "text",
      "properties",
      "sh",
      "text",
    ]);
    await Deno.writeTextFile(join(cwd, "visits.ndjson"), events.text);
    await Deno.writeTextFile(join(cwd, "visits.properties"), config.text);
    const [check, run, look] = commands.text.trimEnd().split("\n").map((line) => line.split(" "));
    for (const [program, ...args] of [check, run]) {
      assertEquals(program, "collector");
      const { code, stdout, stderr } = await runCollector(args, { cwd });
      assertEquals(code, 0, stdout + stderr);
    }
    assertEquals(look, ["zcat", "out/shop/visits/dt=2026-11-01/*.ndjson.gz"]);
    const [file, ...others] = await filesBelow(join(cwd, dirname(look[1])));
    assertEquals(others, []);
    assertEquals(withoutArrival(gunzipSync(await Deno.readFile(file)).toString()), withoutArrival(rows.text));
  }));
