import { dirname, join, relative } from "node:path";
import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import { Paths, RenamedFiles, statFile } from "../../../../src/source/file/paths.ts";
import { inScratchDirectory } from "../../../support/scratch.ts";

/** A directory with these files, each holding its own name. */
function inTree(names: readonly string[], run: (root: string) => Promise<void>): Promise<void> {
  return inScratchDirectory(async (root) => {
    for (const name of names) {
      await Deno.mkdir(dirname(join(root, name)), { recursive: true });
      await Deno.writeTextFile(join(root, name), name);
    }
    await run(root);
  });
}

const TREE = [
  "a.log",
  "b.log",
  "b.txt",
  ".hidden.log",
  "(odd) [name]{1}.log",
  "x/c.log",
  "x/y/d.log",
  "x/y/d.log.gz",
  "z/e.log",
];

/** What each glob or path finds in the tree; "!" for what is reported as missing. */
const CASES: readonly (readonly [items: string[], found: string[]])[] = [
  [["a.log"], ["a.log"]],
  [["./x/../a.log"], ["a.log"]],
  [["nothing.log"], ["!nothing.log"]],
  [["*.log"], ["(odd) [name]{1}.log", "a.log", "b.log"]],
  [["*.nothing"], ["!*.nothing"]],
  [["?.log"], ["a.log", "b.log"]],
  [["[b-c].*"], ["b.log", "b.txt"]],
  [["b.{log,txt}"], ["b.log", "b.txt"]],
  [["*/*.log"], ["x/c.log", "z/e.log"]],
  [["x/*/d.*"], ["x/y/d.log", "x/y/d.log.gz"]],
  [["**/*.log"], ["(odd) [name]{1}.log", "a.log", "b.log", "x/c.log", "x/y/d.log", "z/e.log"]],
  [["x/**"], ["x/c.log", "x/y/d.log", "x/y/d.log.gz"]],
  [[".*.log"], [".hidden.log"]],
  [["(odd) [name]{1}.log"], ["(odd) [name]{1}.log"]],
  [["a.log", "*.log", "no.log", "**/a.*"], ["!no.log", "(odd) [name]{1}.log", "a.log", "b.log"]],
  [["missing/**/*.log"], ["!missing/**/*.log"]],
  [["a.log/*.log"], ["!a.log/*.log"]],
];

for (const [items, expected] of CASES) {
  Deno.test(`Paths finds ${JSON.stringify(items)}`, () =>
    inTree(TREE, async (root) => {
      const paths = new Paths(items.map((item) => `${root}/${item}`));
      const { files, missing } = await paths.find();
      const found = files.map(({ path }) => relative(root, path));
      assertEquals([...found, ...missing.map((text) => `!${text.slice(root.length + 1)}`)].sort(), expected);
      for (const { path } of files) assert(paths.matches(path), `${path} was found but doesn't match`);
      const others = TREE.filter((name) => !found.includes(name));
      for (const name of others) assertFalse(paths.matches(join(root, name)), `${name} matches but wasn't found`);
    }));
}

Deno.test("Paths finds files in the order of their modification", () =>
  inTree(["a", "b", "c"], async (root) => {
    for (const [name, second] of [["c", 1], ["a", 2], ["b", 3]] as const) {
      await Deno.utime(join(root, name), second, second);
    }
    const { files } = await new Paths([`${root}/*`]).find();
    assertEquals(files.map(({ path, mtimeMs }) => [relative(root, path), mtimeMs]), [["c", 1000], ["a", 2000], [
      "b",
      3000,
    ]]);
  }));

Deno.test("Paths finds files below a directory that itself looks like a glob", () =>
  inTree(["[x] {y} (z)*/a.log", "x/b.log"], async (root) => {
    const { files } = await new Paths([`${root}/\\[x\\] {y} (z)*/a.log`, `${root}/[x] {y} (z)*/a.log`]).find();
    assertEquals(files.map(({ path }) => relative(root, path)), ["[x] {y} (z)*/a.log"]);
  }));

Deno.test("Paths follows links to files, and to directories unless they could go in circles", () =>
  inTree(["real/a.log"], async (root) => {
    await Deno.symlink(join(root, "real"), join(root, "linked"));
    await Deno.symlink(root, join(root, "real", "circle"));
    await Deno.symlink(join(root, "real", "a.log"), join(root, "b.log"));
    await Deno.symlink(join(root, "nowhere"), join(root, "broken.log"));
    for (const pattern of ["linked/*.log", "link*/*.log", "**/a.log", "b.log", "*.log"]) {
      const { files } = await new Paths([`${root}/${pattern}`]).find();
      assertEquals(files.length, 1, pattern);
    }
    assertEquals((await new Paths([`${root}/broken.log`]).find()).missing.length, 1);
  }));

Deno.test("Paths tells files from what isn't one", async () => {
  const paths = new Paths(["-", "sample:"]);
  assertEquals([paths.standardInput, paths.sample, paths.hasFiles], [true, true, false]);
  assertEquals(await paths.find(), { files: [], missing: [] });
  await inTree(["d/a"], async (root) => {
    await assertRejects(() => new Paths([`${root}/d`]).find(), FatalError, `write ${root}/d/*`);
    await assertRejects(() => new Paths([`${root}/d/`]).find(), FatalError, `write ${root}/d/*`);
    await assertRejects(() => new Paths(["/dev/null"]).find(), FatalError, "regular file");
  });
});

Deno.test("RenamedFiles finds a file under its new name in the same directory", () =>
  inTree(["a", "b", "d/c"], async (root) => {
    const before = (await statFile(join(root, "a")))!;
    await Deno.rename(join(root, "a"), join(root, "a.1"));
    assertEquals((await new RenamedFiles().find(before))?.path, join(root, "a.1"));
    await Deno.rename(join(root, "a.1"), join(root, "d", "a"));
    assertEquals(await new RenamedFiles().find(before), null);
    await Deno.remove(root, { recursive: true });
    assertEquals(await new RenamedFiles().find(before), null);
    await Deno.mkdir(root);
  }));
