import { dirname, join, relative } from "node:path";
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { Paths, type PathsOptions, statFile } from "../../../../src/source/file/paths.ts";
import { RenamedFiles } from "../../../../src/source/file/renamed_files.ts";
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

Deno.test("Paths follows links only where that is allowed, never in circles or to nowhere, and says so", () =>
  inTree(["real/a.log", "real/deep/d.log"], async (root) => {
    await Deno.symlink(join(root, "real"), join(root, "linked"));
    await Deno.symlink(root, join(root, "real", "circle"));
    await Deno.symlink(join(root, "linked"), join(root, "real", "deep", "up"));
    await Deno.symlink(join(root, "real", "a.log"), join(root, "b.log"));
    await Deno.symlink(join(root, "nowhere"), join(root, "broken.log"));
    await Deno.symlink("self.log", join(root, "self.log"));
    const find = async (pattern: string, followLinks: boolean) => {
      const { files, skipped } = await new Paths([`${root}/${pattern}`], { followLinks }).find();
      return [files.length, skipped.map(({ path, kind }) => `${kind} ${relative(root, path)}`).sort()];
    };
    assertEquals(await find("**", true), [2, [
      "link broken.log",
      "link linked/circle",
      "link linked/deep/up",
      "link real/circle",
      "link real/deep/up",
      "link self.log",
    ]]);
    assertEquals(await find("link*/*.log", true), [1, []]);
    assertEquals(await find("*.log", true), [1, ["link broken.log", "link self.log"]]);
    assertEquals(await find("*.log", false), [0, ["link b.log", "link broken.log", "link self.log"]]);
    assertEquals(await find("link*/*.log", false), [0, []]);
    for (const named of ["b.log", "linked/*.log"]) assertEquals(await find(named, false), [1, []], named);
    assertEquals(await find("self.log", false), [0, ["unreadable self.log"]]);
    assertEquals((await new Paths([`${root}/broken.log`]).find()).missing.length, 1);
  }));

const OPTION_CASES: readonly (readonly [glob: string, options: PathsOptions, found: string[]])[] = [
  ["[!a]*", {}, ["(odd) [name]{1}.log", "b.log", "b.txt"]],
  ["[^a]*", {}, ["(odd) [name]{1}.log", "b.log", "b.txt"]],
  ["{.hidden,[!b]}*", {}, [".hidden.log", "(odd) [name]{1}.log", "a.log"]],
  ["**", { exclude: ["*.log"] }, ["b.txt", "x/y/d.log.gz"]],
  ["**", { exclude: ["?.*", ".*"] }, ["(odd) [name]{1}.log"]],
  ["**", { exclude: ["ROOT/x/**", "ROOT/z", "ROOT/b.*"] }, ["(odd) [name]{1}.log", "a.log"]],
  ["**", { ownDirectories: ["ROOT/x", "ROOT/missing"] }, ["(odd) [name]{1}.log", "a.log", "b.log", "b.txt", "z/e.log"]],
  ["**", { ownDirectories: ["ROOT"] }, ["(odd) [name]{1}.log", "a.log", "b.log", "b.txt"]],
  ["x/**", { ownDirectories: ["ROOT/x"] }, ["x/c.log"]],
  ["x/y/*", { ownDirectories: ["ROOT/x"] }, ["x/y/d.log", "x/y/d.log.gz"]],
  ["[ab].*", { ownFiles: ["ROOT/a.log"] }, ["b.log", "b.txt"]],
];

for (const [glob, options, expected] of OPTION_CASES) {
  Deno.test(`Paths finds ${glob} with ${JSON.stringify(options)}`, () =>
    inTree(TREE, async (root) => {
      const rooted = Object.fromEntries(
        Object.entries(options).map(([name, list]) => [name, list.map((path: string) => path.replace("ROOT", root))]),
      );
      const { files } = await new Paths([`${root}/${glob}`], rooted).find();
      assertEquals(files.map(({ path }) => relative(root, path)).sort(), expected.toSorted());
    }));
}

Deno.test("Paths says that a name isn't UTF-8", () =>
  inTree(["a.log"], async (root) => {
    const script = `printf x > "$1/$(printf 'caf\\351.log')"`;
    const { success } = await new Deno.Command("sh", { args: ["-c", script, "sh", root] }).output();
    assert(success);
    const { files, skipped } = await new Paths([`${root}/*.log`]).find();
    assertEquals([files.length, skipped.map(({ kind, why }) => `${kind}: ${why}`)], [1, [
      "unreadable: its name isn't UTF-8: rename it",
    ]]);
  }));

Deno.test("Paths tells files from what isn't one", async () => {
  const paths = new Paths(["-", "sample:"]);
  assertEquals([paths.standardInput, paths.sample, paths.hasFiles], [true, true, false]);
  assertEquals(await paths.find(), { files: [], missing: [], skipped: [] });
  await inTree(["d/a"], async (root) => {
    for (
      const [path, why] of [[`${root}/d`, `write ${root}/d/*`], [`${root}/d/`, `write ${root}/d/*`], [
        "/dev/null",
        "regular file",
      ]]
    ) {
      const { skipped: [skip], missing } = await new Paths([path]).find();
      assertEquals([skip.kind, missing], ["wrong", []]);
      assertStringIncludes(skip.why, why);
    }
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
