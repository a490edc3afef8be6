import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { main } from "../../src/cli/main.ts";
import type { OddTimes } from "../../src/decode/event_times.ts";
import { EventTimes } from "../../src/loop/event_times.ts";
import type { LogFields, Logger } from "../../src/runtime/log.ts";
import { inScratchDirectory } from "../support/scratch.ts";
import { FakeHost } from "./cli/fake_host.ts";

function world(places: boolean) {
  const said: [string, string, LogFields?][] = [];
  const say = (level: string) => (message: string, fields?: LogFields) => void said.push([level, message, fields]);
  const log: Logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  return { said, times: new EventTimes({ log, places }) };
}

const odd = (collection: string, more: Partial<OddTimes> = {}): OddTimes => ({
  ...{ project: "p", collection, rows: 10, untimed: 4, fields: ["ts", "timestamp"], suspect: null, ...more },
});

Deno.test("rows without event time are said once a table; a warning where they are placed by it", () => {
  for (const [places, level] of [[true, "warn"], [false, "info"]] as const) {
    const { said, times } = world(places);
    for (let i = 0; i < 3; i++) times.note([odd("a"), odd("b", { fields: [] })]);
    const counts = { project: "p", rows: 10, rowsWithoutTime: 4 };
    assertEquals(said.map(([level, , fields]) => [level, fields]), [
      [level, { ...counts, collection: "a", maybeMeant: "ts, timestamp" }],
      [level, { ...counts, collection: "b" }],
    ]);
    times.note(Array.from({ length: 500 }, (_, i) => odd(`c${i}`)));
    assertEquals(said.length, 100, "not one for each of any number of tables");
  }
});

Deno.test("numbers of another unit are said once a table and unit", () => {
  const { said, times } = world(false);
  const suspect = { value: 1_793_491_200, unit: "s" } as const;
  for (let i = 0; i < 2; i++) times.note([odd("a", { untimed: 0, suspect })]);
  assertEquals(said, [["warn", "event times look like numbers of another unit: see database.time-unit", {
    ...{ project: "p", collection: "a", ...suspect },
  }]]);
});

Deno.test("a run whose events have their time in another field says so in log, summary and manifest", async () => {
  await inScratchDirectory(async (directory) => {
    const file = join(directory, "e.ndjson"), out = join(directory, "out");
    await Deno.writeTextFile(file, '{"timestamp":1793491200000,"a":1}\n{"_time":1793491200000,"a":2}\n');
    const sets = [
      ...["stream.source=file", `file.path=${file}`, `file.checkpoint=${join(directory, "c.json")}`],
      ...["target=file", `target.file.directory=${out}`, "pipeline.workers=0"],
      "target.key-template={project}/dt={date}",
    ];
    const host = new FakeHost({ args: ["run", ...sets.flatMap((set) => ["--set", set])] });
    assertEquals(await main(host), 0, host.errors);
    const told =
      '"level":"WARN","message":"rows have no event time: their objects are those of the hour in which they arrived';
    assertStringIncludes(host.errors, told);
    assertStringIncludes(host.errors, '"maybeMeant":"timestamp"');
    assertStringIncludes(host.errors, '"rowsWithoutTime":1,"dropped"');
    const [folder] = [...Deno.readDirSync(join(out, "_manifests"))];
    const [name] = [...Deno.readDirSync(join(out, "_manifests", folder.name))];
    const manifest = JSON.parse(await Deno.readTextFile(join(out, "_manifests", folder.name, name.name)));
    const tables = manifest.objects.flatMap(({ tables }: { tables: object[] }) => tables);
    const table = { project: "default", collection: "e", rows: 1 };
    assertEquals(tables.length, 2);
    assertEquals(tables.filter((one: object) => "rowsWithoutTime" in one), [{ ...table, rowsWithoutTime: 1 }]);
  });
});
