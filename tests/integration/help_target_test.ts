import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PageTarget, TargetComponent } from "../../src/target/target.ts";
import { inScratchDirectory } from "../support/scratch.ts";
import { testRuntime } from "../support/stored_object.ts";
import { pageOf } from "../unit/encode/pages.ts";

const ROOT = join(import.meta.dirname!, "../..");
const NEVER = new AbortController().signal;

/** The help's target as a module: its code as it stands there, its imports pointed at the sources. */
async function helpTarget(directory: string): Promise<TargetComponent<{ directory: string }>> {
  const page = await Deno.readTextFile(join(ROOT, "src/help/targets.md"));
  const [, code] = /```ts\n(\/\/ src\/target\/[\s\S]*?)```/.exec(page)!;
  const sources = pathToFileURL(join(ROOT, "src")).href;
  const module = join(directory, "totals.ts");
  await Deno.writeTextFile(
    module,
    code.replaceAll('from "../', `from "${sources}/`).replaceAll('from "./', `from "${sources}/target/`),
  );
  const checked = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--config", join(ROOT, "deno.json"), module],
    stdout: "null",
    stderr: "piped",
  }).output();
  assert(checked.success, new TextDecoder().decode(checked.stderr));
  return (await import(pathToFileURL(module).href)).totalsTarget;
}

Deno.test("the help's custom target compiles, and sums what its pages hold", () =>
  inScratchDirectory(async (directory) => {
    const component = await helpTarget(directory);
    const totals = join(directory, "totals");
    assertEquals(component.options.directory.key, "target.totals.directory");
    const target = component.create({ directory: totals }, { runtime: testRuntime() }) as PageTarget;
    const unit = { name: "a-0_000000000000_0123456789abcdef", ranges: [] };
    for (let attempt = 0; attempt < 2; attempt++) {
      await target.open(NEVER);
      const inserter = target.insert({ project: "shop", collection: "order" }, unit);
      const prices = { name: "price", type: "DOUBLE", values: [1.5, null, 2] } as const;
      const ids = { name: "id", type: "VARCHAR", values: ["a", "b", "c"] } as const;
      inserter.addPage(pageOf([ids, prices]));
      inserter.addPage(pageOf([prices]));
      await inserter.commit(NEVER);
      await target.close();
    }
    const files = [...Deno.readDirSync(totals)].map(({ name }) => name);
    assertEquals(files, [`${unit.name}-shop.order.json`], "a retry replaces");
    const written = JSON.parse(await Deno.readTextFile(join(totals, files[0])));
    assertEquals(written, { project: "shop", collection: "order", rows: 6, sums: { price: 7 } });
    const [check] = await component.check({ directory: totals }, { runtime: testRuntime() }, NEVER);
    assert(check.ok);
  }));
