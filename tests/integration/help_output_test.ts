/** The help's one-liners read what the collector writes. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { PAGES } from "../../src/help/pages.ts";
import { runCollector, settings } from "../support/collector.ts";
import { testWith } from "../support/programs.ts";
import { inScratchDirectory } from "../support/scratch.ts";

/** As the page says: flat rows of a table, a folder a day; and a record that can't be decoded. */
const CONFIG = {
  "stream.source": "file",
  "file.path": "visits.ndjson",
  "source.project": "shop",
  "source.collection": "visits",
  "target": "file",
  "target.row-format": "flat",
  "target.key-template": "{project}/{table}/dt={date}",
};
const EVENTS = `{"_time":"2026-11-01T05:59:58Z","page":"/"}\n{"_time":"2026-11-01T06:00:03Z","page":"/cart"}\n{oops\n`;

const [, readers] = PAGES.output.split("\n## Readers\n");
const lines = /```sh\n(.*?)```/s.exec(readers)![1].trimEnd().split("\n");

for (const program of new Set(lines.map((line) => line.split(" ")[0]))) {
  testWith(
    program,
    ["--version"],
    `the help's lines with ${program} read what is written`,
    () =>
      inScratchDirectory(async (cwd) => {
        await Deno.writeTextFile(join(cwd, "visits.ndjson"), EVENTS);
        const { code, stderr } = await runCollector(settings(CONFIG), { cwd });
        assertEquals(code, 0, stderr);
        for (const line of lines.filter((line) => line.startsWith(`${program} `))) {
          const { success, stdout } = await new Deno.Command("sh", { args: ["-c", line], cwd }).output();
          assert(success, line);
          assert(/"page":"\/cart"|2026-11-01.*2|malformed-json/.test(new TextDecoder().decode(stdout)), line);
        }
      }),
  );
}
