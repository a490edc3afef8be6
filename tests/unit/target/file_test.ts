import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { FatalError, RetriableError } from "../../../src/runtime/errors.ts";
import { fileTarget } from "../../../src/target/file.ts";
import { fileError } from "../../../src/target/file/errors.ts";
import type { ObjectTarget, ReadableObjectTarget } from "../../../src/target/target.ts";
import { inScratchDirectory, modeOf } from "../../support/scratch.ts";
import { storedObject, testRuntime } from "../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const context = { runtime: testRuntime() };

function create(directory: string): ObjectTarget {
  return fileTarget.create({ directory }, context) as ObjectTarget;
}

function withCode(code: string): Error {
  return Object.assign(new Error(`os error ${code}`), { code });
}

Deno.test("fileError() says which errors may pass and which need somebody", () => {
  const table: [unknown, typeof FatalError | typeof RetriableError, string][] = [
    [withCode("ENOSPC"), RetriableError, "make space"],
    [withCode("EDQUOT"), RetriableError, "make space"],
    [withCode("EIO"), RetriableError, "cannot write x"],
    [withCode("EMFILE"), RetriableError, "cannot write x"],
    [withCode("ENOENT"), RetriableError, "cannot write x"],
    [new Error("unknown"), RetriableError, "unknown"],
    [withCode("EACCES"), FatalError, "give this user write access"],
    [new Deno.errors.PermissionDenied("no"), FatalError, "give this user write access"],
    [new Deno.errors.NotCapable("Requires write access"), FatalError, "--allow-write"],
    [withCode("EROFS"), FatalError, "read-only"],
    [withCode("ENOTDIR"), FatalError, "a file stands"],
    [withCode("EISDIR"), FatalError, "a directory stands"],
    [withCode("ENAMETOOLONG"), FatalError, "shorten the key template"],
    [withCode("ELOOP"), FatalError, "symbolic links"],
    [withCode("EXDEV"), FatalError, "one file system"],
  ];
  for (const [cause, errorClass, message] of table) {
    const error = fileError("write x", cause);
    assertInstanceOf<Error>(error, errorClass);
    assertStringIncludes((error as Error).message, message);
    assertEquals((error as Error).cause, cause);
  }
  const own = new FatalError("already said");
  assertEquals(fileError("write x", own), own);
});

Deno.test("the file target calls a full disk retriable", async () => {
  const full = await Deno.open("/dev/full", { write: true });
  const cause = await assertRejects(() => full.write(new Uint8Array(10)));
  full.close();
  assertInstanceOf(fileError("write x", cause), RetriableError);
});

Deno.test("the file target refuses keys that could leave its directory", () =>
  inScratchDirectory(async (directory) => {
    const target = create(join(directory, "out"));
    await target.open(NEVER);
    const unsafe = ["../x", "a/../../x", "a//b", "/etc/x", "./a", "a/.", "a/", "", "a\0b", ".collector-tmp/x"];
    for (const key of unsafe) await assertRejects(() => target.put(storedObject(key, "x"), NEVER), FatalError);
    await target.close();
    assertEquals([...Deno.readDirSync(directory)].map((entry) => entry.name), ["out"]);
    assertEquals([...Deno.readDirSync(join(directory, "out"))], []);
  }));

Deno.test("the file target refuses to follow a link out of its directory", () =>
  inScratchDirectory(async (directory) => {
    await Deno.mkdir(join(directory, "elsewhere"));
    await Deno.mkdir(join(directory, "out/inside"), { recursive: true });
    await Deno.symlink(join(directory, "elsewhere"), join(directory, "out/link"));
    await Deno.symlink(join(directory, "out/inside"), join(directory, "out/alias"));
    const target = create(join(directory, "out"));
    await target.open(NEVER);
    await assertRejects(() => target.put(storedObject("link/x", "x"), NEVER), FatalError, "outside of");
    await assertRejects(() => target.put(storedObject("link/deeper/x", "x"), NEVER), FatalError, "outside of");
    await target.put(storedObject("alias/x", "inside"), NEVER);
    await target.close();
    assertEquals([...Deno.readDirSync(join(directory, "elsewhere"))], []);
    assertEquals(await Deno.readTextFile(join(directory, "out/inside/x")), "inside");
  }));

Deno.test("the file target replaces a link instead of writing through it", () =>
  inScratchDirectory(async (directory) => {
    await Deno.writeTextFile(join(directory, "precious"), "precious");
    await Deno.mkdir(join(directory, "out"));
    await Deno.symlink(join(directory, "precious"), join(directory, "out/x"));
    const target = create(join(directory, "out"));
    await target.open(NEVER);
    await target.put(storedObject("x", "new"), NEVER);
    await target.close();
    assertEquals(await Deno.readTextFile(join(directory, "precious")), "precious");
    assertEquals(await Deno.readTextFile(join(directory, "out/x")), "new");
  }));

Deno.test("open() removes temporary files of dead processes, not those of living ones", () =>
  inScratchDirectory(async (directory) => {
    const temporary = join(directory, ".collector-tmp");
    await Deno.mkdir(temporary);
    await Deno.writeTextFile(join(temporary, "stale"), "half");
    const living = await Deno.open(join(temporary, "living"), { write: true, createNew: true });
    await living.lock(true);
    const target = create(directory);
    await target.open(NEVER);
    assertEquals([...Deno.readDirSync(temporary)].map((entry) => entry.name), ["living"]);
    await target.close();
    living.close();
    assert((await Deno.stat(temporary)).isDirectory, "it belongs to the living one");
  }));

Deno.test("the file target goes on when its directories were removed under it", () =>
  inScratchDirectory(async (directory) => {
    const target = create(join(directory, "out"));
    await target.open(NEVER);
    await target.put(storedObject("p/first", "1"), NEVER);
    await Deno.remove(join(directory, "out"), { recursive: true });
    await target.put(storedObject("p/second", "2"), NEVER);
    assertEquals(await Deno.readTextFile(join(directory, "out/p/second")), "2");
    await target.close();
  }));

Deno.test("check() of the file target tells whether the directory can be written, and leaves nothing", () =>
  inScratchDirectory(async (directory) => {
    const check = (path: string) => fileTarget.check({ directory: path }, context, NEVER);
    const [existing] = await check(directory);
    assert(existing.ok, existing.detail);
    assertStringIncludes(existing.detail, "free");
    const [missing] = await check(join(directory, "a/b"));
    assert(missing.ok, missing.detail);
    assertStringIncludes(missing.detail, "will be created");
    await Deno.writeTextFile(join(directory, "file"), "");
    const [inTheWay] = await check(join(directory, "file/below"));
    assertEquals(inTheWay.ok, false);
    await Deno.remove(join(directory, "file"));
    assertEquals([...Deno.readDirSync(directory)], []);
  }));

Deno.test("the file target lists and reads what links within its directory lead to, and nothing beyond", () =>
  inScratchDirectory(async (parent) => {
    const directory = join(parent, "out"), outside = join(parent, "outside");
    for (const path of [join(directory, "a"), outside, join(directory, ".collector-tmp")]) {
      await Deno.mkdir(path, { recursive: true });
    }
    for (const path of ["out/a/1", "outside/secret", "out/.collector-tmp/x", "out/.collector-tmp-check-1"]) {
      await Deno.writeTextFile(join(parent, path), path);
    }
    const links = [["a", "b"], ["..", "a/loop"], [outside, "away"], ["../outside/secret", "file"], ["gone", "broken"], [
      "a/1",
      "one",
    ]];
    for (const [to, from] of links) await Deno.symlink(to, join(directory, from));
    await Deno.symlink(directory, join(parent, "link"));
    for (const root of [directory, join(parent, "link")]) {
      const target = create(root) as ReadableObjectTarget;
      const keys = (await Array.fromAsync(target.list("", NEVER))).map(({ key }) => key);
      assertEquals(keys, ["a/1", "b/1", "one"]);
      assertEquals((await Array.fromAsync(target.list("away/", NEVER))).length, 0);
      for (const key of ["a/1", "b/1", "one"]) assert(await target.get(key, NEVER) !== null, key);
      for (const key of ["away/secret", "file"]) {
        await assertRejects(() => target.get(key, NEVER), FatalError, "outside of");
        await assertRejects(() => target.delete(key, NEVER), FatalError, "outside of");
      }
      assertEquals(await target.get("broken", NEVER), null);
      for (const key of ["../outside/secret", "a/../a/1", "/etc/passwd"]) {
        await assertRejects(() => target.get(key, NEVER), FatalError, "unsafe segment");
        await assertRejects(() => target.delete(key, NEVER), FatalError, "unsafe segment");
      }
      await assertRejects(() => Array.fromAsync(target.list("../outside/", NEVER)), FatalError, "unsafe segment");
    }
    await (create(directory) as ReadableObjectTarget).delete("one", NEVER);
    assertEquals(await Deno.readTextFile(join(directory, "a/1")), "out/a/1", "the link went, not what it leads to");
  }));

Deno.test("the file target takes no shortened file for a whole one", () =>
  inScratchDirectory(async (directory) => {
    const path = join(directory, "k");
    await Deno.writeFile(path, new Uint8Array(1_000_000));
    const target = create(directory) as ReadableObjectTarget;
    const chunks = (await target.get("k", NEVER))!;
    await assertRejects(
      async () => {
        for await (const _ of chunks) await Deno.truncate(path, 10);
      },
      RetriableError,
      "became shorter",
    );
  }));

Deno.test("the file target says what is wrong with a directory that can't be read", () =>
  inScratchDirectory(async (directory) => {
    await Deno.writeTextFile(join(directory, "file"), "x");
    const target = create(join(directory, "file")) as ReadableObjectTarget;
    await assertRejects(() => Array.fromAsync(target.list("", NEVER)), FatalError, "is not a directory");
    await assertRejects(() => target.get("k", NEVER), FatalError, "is not a directory");
  }));

Deno.test("the file target keeps dead letters from everyone but their owner, and nothing else", async () => {
  if (Deno.build.os === "windows") return;
  await inScratchDirectory(async (directory) => {
    const target = create(join(directory, "out"));
    await target.open(NEVER);
    await target.put(storedObject("p/a/data", "x"), NEVER);
    await target.put({ ...storedObject("q/_dead-letters/u", "x"), purpose: "dead-letter" }, NEVER);
    const umask = Deno.umask();
    const usual = { file: (0o666 & ~umask).toString(8), directory: (0o777 & ~umask).toString(8) };
    const modes = ["p/a", "p/a/data", "q", "q/_dead-letters", "q/_dead-letters/u"].map((name) =>
      modeOf(join(directory, "out", name))
    );
    assertEquals(await Promise.all(modes), [usual.directory, usual.file, usual.directory, "700", "600"]);
    await target.close();
  });
});
