/** `replay --replace` of what the collector has written to a directory, before and after damage. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { join, relative } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { main } from "../../../src/cli/main.ts";
import { events, filesBelow, inScratchDirectory } from "../../support/scratch.ts";
import { FakeHost } from "./fake_host.ts";

class World {
  constructor(readonly directory: string) {}

  path(name: string): string {
    return join(this.directory, name);
  }

  async command(...args: string[]) {
    const config = {
      ...{ "stream.source": "file", "file.path": this.path("in/*"), "file.checkpoint": this.path("c.json") },
      ...{ "target": "file", "target.file.directory": this.path("out"), "replay.directory": this.path("jobs") },
      ...{ "pipeline.workers": "0", "middleware.max-flush-records": "300", "dead-letter.policy": "store" },
    };
    const sets = Object.entries(config).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const host = new FakeHost({ args: [...args, ...sets] });
    return { code: await main(host), stdout: host.output.text(), stderr: host.errors };
  }

  /** Every object, and its lines in any order. */
  async objects(): Promise<Record<string, string[]>> {
    const found: Record<string, string[]> = {};
    for (const path of await filesBelow(this.path("out"))) {
      const bytes = await Deno.readFile(path);
      const text = new TextDecoder().decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
      if (!path.includes("_manifests")) found[relative(this.path("out"), path)] = text.split("\n").sort();
      else found[relative(this.path("out"), path)] = [];
    }
    return found;
  }
}

/** Three files of 200 records and a broken one each, collected in two units at least. */
async function collected(run: (world: World) => Promise<void>): Promise<void> {
  await inScratchDirectory(async (directory) => {
    const world = new World(directory);
    await Deno.mkdir(world.path("in"));
    await Deno.writeTextFile(world.path("in/a.ndjson"), `${events(0, 200)}{broken\n`);
    await Deno.writeFile(world.path("in/b.ndjson.gz"), gzipSync(`${events(200, 200)}{broken\n`));
    await Deno.writeTextFile(world.path("in/c.ndjson"), `${events(400, 200)}{broken\n`);
    assertEquals((await world.command("run")).code, 0);
    await run(world);
  });
}

Deno.test("replay --replace writes damaged and missing objects again in place, under the same names", () =>
  collected(async (world) => {
    const before = await world.objects();
    const data = Object.keys(before).filter((key) => !key.startsWith("_"));
    assertEquals(data.length >= 2, true, Object.keys(before).join());
    await Deno.remove(join(world.path("out"), data[0]));
    await Deno.writeTextFile(join(world.path("out"), data[1]), "damaged");
    assertEquals((await world.command("verify", "--deep")).code, 4);
    const dry = await world.command("replay", "--replace", "--dry-run");
    assertEquals(dry.code, 0, dry.stderr);
    assertStringIncludes(dry.stdout, `units in file ${world.path("out")}\n`);
    assertEquals((await world.command("verify", "--deep")).code, 4, "nothing was done");
    const { code, stderr } = await world.command("replay", "--replace", "--quiet", "--strict");
    assertEquals(code, 6, stderr);
    assertEquals(await world.objects(), before);
    const verified = await world.command("verify", "--deep", "--strict");
    assertEquals(verified.code, 0, verified.stdout);
  }));

Deno.test("replay --replace leaves a unit as it is when not all of it can be read any more", () =>
  collected(async (world) => {
    const before = await world.objects();
    const manifests = (await filesBelow(world.path("out"))).filter((path) => path.includes("_manifests"));
    const units = await Promise.all(manifests.map(async (path) => JSON.parse(await Deno.readTextFile(path))));
    const two = units.find(({ ranges }) => ranges.length > 1);
    await Deno.remove(world.path(`in/${two.ranges[1].split.split("/")[0]}`));
    const { code, stderr } = await world.command("replay", "--replace");
    assertEquals([code, await world.objects()], [1, before]);
    assertStringIncludes(stderr, `is no longer there, so unit ${two.unit} stays as it is`);
  }));

Deno.test("replay --replace is refused where it makes no sense", () =>
  collected(async (world) => {
    for (const flags of [["--until-now"], ["--historical"], ["--into-live"]]) {
      const { code, stderr } = await world.command("replay", "--replace", ...flags);
      assertEquals([code, stderr.includes("--replace goes with a range of its own")], [2, true], stderr);
    }
    const { code, stderr } = await world.command("replay", "--replace", "--set", "target.manifest=false");
    assertEquals(code, 2);
    assertStringIncludes(stderr, "--replace needs the manifests");
  }));
