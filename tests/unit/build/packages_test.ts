/** The tests' deno.json repeats what the collector imports; were it something else, they would test what nobody runs. */
import { assertEquals } from "@std/assert";
import denoConfig from "../../../deno.json" with { type: "json" };
import testsConfig from "../../deno.json" with { type: "json" };

interface Lock {
  readonly specifiers: Record<string, string>;
  readonly npm: Record<string, unknown>;
}

const lockOf = async (path: string): Promise<Lock> =>
  JSON.parse(await Deno.readTextFile(new URL(`../../../${path}`, import.meta.url)));

/** Those entries of `all` that have a key of `keys`. */
function entriesOf(all: Readonly<Record<string, unknown>>, keys: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(Object.entries(all).filter(([key]) => key in keys));
}

Deno.test("the tests import, compile and format as the collector's deno.json says", () => {
  assertEquals(entriesOf(testsConfig.imports, denoConfig.imports), denoConfig.imports, "tests/deno.json: imports");
  assertEquals(testsConfig.compilerOptions, denoConfig.compilerOptions, "tests/deno.json: compilerOptions");
  assertEquals(testsConfig.fmt.lineWidth, denoConfig.fmt.lineWidth, "tests/deno.json: fmt");
  assertEquals(testsConfig.lint, denoConfig.lint, "tests/deno.json: lint");
});

Deno.test("the tests run the collector with the very packages that it is locked to", async () => {
  const [collector, tests] = await Promise.all([lockOf("deno.lock"), lockOf("tests/deno.lock")]);
  const help = "write the locks anew: deno install --frozen=false [--config tests/deno.json]";
  assertEquals(entriesOf(tests.specifiers, collector.specifiers), collector.specifiers, help);
  assertEquals(entriesOf(tests.npm, collector.npm), collector.npm, help);
});

Deno.test("a start fetches nothing that only tests need", async () => {
  const { npm } = await lockOf("deno.lock");
  const names = new Set(Object.keys(npm).map((key) => key.replace(/(?<=.)@.*$/, "")));
  const testsOnly = Object.keys(testsConfig.imports).filter((name) => !(name in denoConfig.imports));
  assertEquals(testsOnly.filter((name) => names.has(name)), ["@smithy/signature-v4"]); // the AWS SDK needs it too
});
