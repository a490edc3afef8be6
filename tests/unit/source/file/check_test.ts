import { dirname, join } from "node:path";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileSource } from "../../../../src/source/file.ts";
import { checkFiles } from "../../../../src/source/file/check.ts";
import type { FileConfig } from "../../../../src/source/file/options.ts";
import { defaultConfig } from "../../../support/default_config.ts";

async function check(
  fields: Partial<FileConfig>,
  files: Readonly<Record<string, string>> = {},
  ownDirectories: readonly string[] = [],
) {
  const root = await Deno.makeTempDir({ prefix: "check-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(root, name)), { recursive: true });
      await Deno.writeTextFile(join(root, name), text);
    }
    const path = (fields.path ?? []).map((item) => item === "-" || item === "sample:" ? item : join(root, item));
    const config = defaultConfig(fileSource.options, {
      checkpoint: join(root, "new", "deep", "checkpoint.json"),
      ...fields,
      path,
    });
    const before = (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).sort();
    const directories = ownDirectories.map((name) => join(root, name));
    const results = await checkFiles(config, { target: { place: "a target", directories, trial: false } });
    const left = (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).sort();
    assertEquals(left, before, "check left something behind");
    return results;
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("checkFiles() counts files and bytes, and tries the checkpoint file", async () => {
  const results = await check({ path: ["*.log"] }, { "a.log": "12345", "b.log": "x".repeat(2048) });
  assertEquals(results.map(({ ok }) => ok), [true, true]);
  assertEquals(results[0].detail, "2 with 2 kB");
  assertStringIncludes(results[1].detail, "first start");
});

Deno.test("checkFiles() says what is missing, which is no error with file.follow only", async () => {
  for (const path of ["missing.log", "*.log"]) {
    const [found] = await check({ path: [path] });
    assert(!found.ok && found.detail.includes(path), found.detail);
  }
  for (const config of [{ path: ["*.log"], follow: true }, { path: ["missing.log"], follow: true }]) {
    const [found] = await check(config);
    assert(found.ok && found.detail.includes("yet"), found.detail);
  }
});

Deno.test("checkFiles() refuses directories and a checkpoint file that can't be written", async () => {
  assertEquals((await check({ path: ["."] }))[0].ok, false);
  const [, checkpoint] = await check({ path: ["sample:"], checkpoint: "/dev/null/x/checkpoint.json" });
  assert(!checkpoint.ok && checkpoint.what.includes("/dev/null/x/checkpoint.json"));
});

Deno.test("checkFiles() needs no checkpoint file for standard input alone", async () => {
  assertEquals((await check({ path: ["-"] })).map(({ what }) => what), ["standard input"]);
});

Deno.test("checkFiles() says which folders of its own the collector leaves out", async () => {
  const files = { "in/a.log": "12345", "out/p/b.log": "12345", "out/_manifests/c.log": "12345" };
  const [found] = await check({ path: ["**"] }, files, ["out"]);
  assert(found.ok, found.detail);
  assertStringIncludes(found.detail, "1 with 5 B; left out: ");
  assertStringIncludes(found.detail, "/out (this collector writes it)");
});
