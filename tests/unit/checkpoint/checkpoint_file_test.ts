import { join } from "node:path";
import { assert, assertEquals, assertGreater, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { CheckpointFile } from "../../../src/checkpoint/checkpoint_file.ts";
import { FatalError, InvariantError, SplitLostError } from "../../../src/runtime/errors.ts";
import { inScratchDirectory, modeOf } from "../../support/scratch.ts";

function inDirectory(run: (path: string, directory: string) => Promise<void>): Promise<void> {
  return inScratchDirectory(async (directory) => {
    await run(join(directory, "state", "checkpoint.json"), directory);
  });
}

function open(path: string | null, source = "file"): Promise<CheckpointFile> {
  return CheckpointFile.open({ path, source });
}

/** Opens, runs, closes. */
async function using<T>(path: string, run: (file: CheckpointFile) => Promise<T> | T): Promise<T> {
  const file = await open(path);
  try {
    return await run(file);
  } finally {
    await file.close();
  }
}

Deno.test("CheckpointFile.open() makes its directory and begins with the first epoch", () =>
  inDirectory(async (path) => {
    await using(path, (file) => {
      assertEquals([file.fresh, file.epoch, [...file.splits()]], [true, 1n, []]);
    });
    await using(path, (file) => assertEquals([file.fresh, file.epoch], [false, 2n]));
    await using(path, (file) => assertEquals([file.fresh, file.epoch], [false, 3n]));
  }));

Deno.test("CheckpointFile keeps positions and details, of whatever names", () =>
  inDirectory(async (path) => {
    const name = 'a "b"\n/ünï/1';
    await using(path, async (file) => {
      file.add(name, { position: "0", details: { path: "/x y", size: 12.5, gone: false, birthMs: null } });
      file.add("plain/0", { position: "7:2", details: {} });
      await file.commit(name, file.epoch, "9007199254740993");
      await file.commit("plain/0", file.epoch, "7:3");
    });
    await using(path, (file) => {
      assertEquals(file.get(name), {
        position: "9007199254740993",
        details: { path: "/x y", size: 12.5, gone: false, birthMs: null },
      });
      assertEquals(file.get("plain/0"), { position: "7:3", details: {} });
    });
  }));

Deno.test("CheckpointFile.open() refuses a file that another one holds, until it is closed", () =>
  inDirectory(async (path) => {
    const first = await open(path);
    const error = await assertRejects(() => open(path), FatalError, "in use by another collector");
    assertStringIncludes(error.message, path);
    await first.close();
    await first.close();
    await (await open(path)).close();
  }));

const BROKEN: readonly (readonly [text: string, what: string])[] = [
  ["", "JSON"],
  ['{"version": 1, "source": "file", "epoch": "3", "splits": {"a/0": {"position"', "JSON"],
  ["[]", "isn't an object"],
  ["null", "isn't an object"],
  ['{"version":2,"source":"file","epoch":"1","splits":{}}', "its version is 2, this collector knows 1"],
  ['{"version":1,"source":"demo","epoch":"1","splits":{}}', 'belongs to the source "demo", not to "file"'],
  ['{"version":1,"source":"file","epoch":1,"splits":{}}', "epoch"],
  ['{"version":1,"source":"file","epoch":"-1","splits":{}}', "epoch"],
  ['{"version":1,"source":"file","epoch":"1"}', "no splits"],
  ['{"version":1,"source":"file","epoch":"1","splits":{"a/0":null}}', "a/0"],
  ['{"version":1,"source":"file","epoch":"1","splits":{"a/0":{"details":{}}}}', "position of a/0"],
  ['{"version":1,"source":"file","epoch":"1","splits":{"a/0":{"position":"-1","details":{}}}}', "position of a/0"],
  ['{"version":1,"source":"file","epoch":"1","splits":{"a/0":{"position":"12","details":3}}}', "a/0"],
];

for (const [text, what] of BROKEN) {
  Deno.test(`CheckpointFile.open() refuses ${JSON.stringify(text)}, leaves it alone and says what to do`, () =>
    inDirectory(async (path, directory) => {
      await Deno.mkdir(join(directory, "state"));
      await Deno.writeTextFile(path, text);
      const error = await assertRejects(() => open(path), FatalError, what);
      for (const part of [path, "restore it", "delete it"]) assertStringIncludes(error.message, part);
      assertEquals(await Deno.readTextFile(path), text);
      await Deno.remove(path);
      await (await open(path)).close(); // the lock was let go
    }));
}

Deno.test("CheckpointFile.open() says which file it can't write", () =>
  inDirectory(async (_, directory) => {
    await Deno.writeTextFile(join(directory, "in-the-way"), "");
    const path = join(directory, "in-the-way", "checkpoint.json");
    assertStringIncludes((await assertRejects(() => open(path), FatalError)).message, path);
  }));

Deno.test("CheckpointFile.commit() moves forwards only, in its own epoch, for splits it knows", () =>
  inDirectory((path) =>
    using(path, async (file) => {
      file.add("a/0", { position: "10", details: {} });
      await file.commit("a/0", file.epoch, "10");
      await file.commit("a/0", file.epoch, "100");
      await assertRejects(() => file.commit("a/0", file.epoch, "99"), InvariantError, "from 100 to 99");
      for (const epoch of [file.epoch - 1n, file.epoch + 1n]) {
        await assertRejects(() => file.commit("a/0", epoch, "200"), SplitLostError);
      }
      await assertRejects(() => file.commit("b/0", file.epoch, "1"), InvariantError, "b/0");
      assertEquals(file.get("a/0")?.position, "100");
    })
  ));

Deno.test("CheckpointFile.commit() resolves only when the position is in the file", () =>
  inDirectory((path) =>
    using(path, async (file) => {
      for (let i = 0; i < 20; i++) file.add(`s/${i}`, { position: "0", details: {} });
      await Promise.all(Array.from({ length: 20 }, async (_, i) => {
        await file.commit(`s/${i}`, file.epoch, String(i + 1));
        const written = JSON.parse(await Deno.readTextFile(path));
        assertEquals(written.splits[`s/${i}`].position, String(i + 1));
      }));
    })
  ));

Deno.test("CheckpointFile.commit() shares one write with all that come meanwhile", () =>
  inDirectory((path) =>
    using(path, async (file) => {
      for (let i = 0; i < 500; i++) file.add(`s/${i}`, { position: "0", details: {} });
      await file.save();
      const { rename } = Deno;
      let writes = 0;
      Deno.rename = (from, to) => {
        writes++;
        return rename(from, to);
      };
      try {
        await Promise.all(Array.from({ length: 500 }, (_, i) => file.commit(`s/${i}`, file.epoch, "1")));
        await file.commit("s/0", file.epoch, "1");
      } finally {
        Deno.rename = rename;
      }
      assertGreater(writes, 0);
      assertLess(writes, 4);
    })
  ));

Deno.test("CheckpointFile.commit() fails when the file can't be written, for every commit of that write", () =>
  inDirectory(async (path, directory) => {
    const file = await open(path);
    file.add("a/0", { position: "0", details: {} });
    file.add("b/0", { position: "0", details: {} });
    await file.save();
    const before = await Deno.readTextFile(path);
    await Deno.mkdir(`${path}.tmp`);
    const commits = ["a/0", "b/0"].map((split) => file.commit(split, file.epoch, "5"));
    for (const commit of commits) await assertRejects(() => commit, FatalError, path);
    assertEquals(await Deno.readTextFile(path), before);
    await Deno.remove(`${path}.tmp`);
    await file.commit("a/0", file.epoch, "6");
    assertStringIncludes(await Deno.readTextFile(path), '"6"');
    await file.close();
    assertEquals((await Array.fromAsync(Deno.readDir(join(directory, "state")))).map(({ name }) => name).sort(), [
      "checkpoint.json",
      "checkpoint.json.last",
      "checkpoint.json.lock",
    ]);
  }));

Deno.test("CheckpointFile is refused when a byte of it has changed, and its last good copy can be put back", () =>
  inDirectory(async (path) => {
    const file = await open(path);
    file.add("a/0", { position: "0", details: {} });
    await file.commit("a/0", file.epoch, "1042");
    await file.commit("a/0", file.epoch, "2042");
    await file.close();
    const text = await Deno.readTextFile(path);
    assertStringIncludes(text, '"2042"');
    await Deno.writeTextFile(path, text.replace('"2042"', '"9042"'));
    const message = `put back ${path}.last, as it was one write before,`;
    await assertRejects(() => open(path), FatalError, message);
    await Deno.rename(`${path}.last`, path);
    const restored = await open(path);
    assertEquals(restored.get("a/0")?.position, "1042");
    await restored.close();
  }));

Deno.test("CheckpointFile of before there were checksums is read, and gets one", () =>
  inDirectory(async (path) => {
    await (await open(path)).close();
    const unsealed = (await Deno.readTextFile(path)).replace(/,"crc32":"\w{8}"/, "");
    assert(!unsealed.includes("crc32"));
    await Deno.writeTextFile(path, unsealed);
    await (await open(path)).close();
    assertStringIncludes(await Deno.readTextFile(path), '"crc32"');
  }));

Deno.test("CheckpointFile commits nothing after it was closed", () =>
  inDirectory(async (path) => {
    const file = await open(path);
    file.add("a/0", { position: "0", details: {} });
    await file.save();
    await file.close();
    await assertRejects(() => file.commit("a/0", file.epoch, "5"), SplitLostError);
  }));

Deno.test("CheckpointFile forgets and describes", () =>
  inDirectory(async (path) => {
    await using(path, async (file) => {
      file.add("a/0", { position: "1", details: { size: 1 } });
      file.add("b/0", { position: "2", details: { size: 2 } });
      file.describe("b/0", { size: 3 });
      file.describe("unknown/0", { size: 3 });
      file.forget("a/0");
      file.forget("unknown/0");
      await file.save();
    });
    await using(path, (file) => assertEquals([...file.splits()], [["b/0", { position: "2", details: { size: 3 } }]]));
  }));

Deno.test("CheckpointFile without a path keeps everything in memory", async () => {
  const file = await open(null);
  file.add("a/0", { position: "0", details: {} });
  await file.commit("a/0", file.epoch, "5");
  assertEquals([file.epoch, file.get("a/0")?.position], [1n, "5"]);
  await file.close();
});

Deno.test("CheckpointFile finds after every open what was committed before", () =>
  inDirectory(async (path) => {
    const step = fc.record({ split: fc.constantFrom("a/0", "a/1", "b/0"), add: fc.nat(1000), reopen: fc.nat(4) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        await Deno.remove(path).catch(() => {});
        const model = new Map<string, number>();
        let file = await open(path);
        try {
          for (const { split, add, reopen } of steps) {
            if (!model.has(split)) file.add(split, { position: "0", details: {} });
            model.set(split, (model.get(split) ?? 0) + add);
            await file.commit(split, file.epoch, String(model.get(split)));
            if (reopen > 0) continue;
            await file.close();
            file = await open(path);
          }
          const kept = [...file.splits()].map(([split, { position }]) => [split, Number(position)] as const);
          assertEquals(new Map(kept), model);
          assert(file.epoch >= 1n);
        } finally {
          await file.close();
        }
      }),
      { seed: 3, numRuns: 25 },
    );
  }));

Deno.test("CheckpointFile is its owner's alone, its directory as usual", async () => {
  if (Deno.build.os === "windows") return;
  await inDirectory(async (path) => {
    await using(path, (file) => file.save());
    const usual = (0o777 & ~Deno.umask()).toString(8);
    assertEquals(await Promise.all([path, `${path}.lock`, join(path, "..")].map(modeOf)), ["600", "600", usual]);
  });
});

Deno.test("CheckpointFile in a trial is read, and neither locked nor written", () =>
  inDirectory(async (path, directory) => {
    const trial = () => CheckpointFile.open({ path, source: "file", trial: true, target: "console" });
    const none = await trial();
    none.add("a/1", { position: "0", details: {} });
    await none.commit("a/1", none.epoch, "9");
    await none.close();
    assertEquals((await Array.fromAsync(Deno.readDir(directory))).length, 0);
    await using(path, async (file) => {
      file.add("a/1", { position: "5", details: {} });
      await file.save();
      const text = await Deno.readTextFile(path);
      const beside = await trial(); // while another has the lock
      assertEquals([beside.fresh, beside.get("a/1")?.position, beside.earlierTarget], [false, "5", null]);
      await beside.commit("a/1", beside.epoch, "9");
      await beside.close();
      assertEquals(await Deno.readTextFile(path), text);
    });
  }));

Deno.test("CheckpointFile remembers where rows went", () =>
  inDirectory(async (path) => {
    const openFor = async (target?: string) => {
      const file = await CheckpointFile.open({ path, source: "file", target });
      await file.close();
      return file.earlierTarget;
    };
    const targets = [undefined, "file /a", "file /a", undefined, "s3 s3://b/", "s3 s3://b/"];
    const told: (string | null)[] = [];
    for (const target of targets) told.push(await openFor(target));
    assertEquals(told, [null, null, null, null, "file /a", null]);
  }));
