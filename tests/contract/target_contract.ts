import { Buffer } from "node:buffer";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { CollectorError } from "../../src/runtime/errors.ts";
import type { Page } from "../../src/columnar/page.ts";
import { compareKeys } from "../../src/target/compare_keys.ts";
import type { FlushUnit } from "../../src/records/flush_unit.ts";
import {
  isReadable,
  type ListedObject,
  type ObjectTarget,
  type PageTarget,
  type ReadableObjectTarget,
  type StoredObject,
} from "../../src/target/target.ts";
import { pageOf } from "../unit/encode/pages.ts";
import { contents, patternBytes, storedObject } from "../support/stored_object.ts";

/** A fresh, empty backend and how to look into it without the target. */
export interface ObjectBackend {
  /** A new target over this backend, not yet open. */
  create(): ObjectTarget;
  /** The object's bytes as a reader gets them; undefined when there is none under this key. */
  read(key: string): Promise<Uint8Array | undefined>;
  /** All that a reader finds, and all that a crashed or unfinished write could leave (uploads, temporary files). */
  list(): Promise<string[]>;
  /** Makes the backend fail, until the returned function is called. */
  fail(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export interface ObjectTargetHarness {
  start(): Promise<ObjectBackend>;
  /** Keys beyond plain ones that readers of this target must find under the same name. */
  readonly oddKeys: readonly string[];
  /** True when the backend serves in this process, across tests: then what it opens is not the target's leak. */
  readonly servesHere?: boolean;
}

const NEVER = new AbortController().signal;
const MB = 2 ** 20;

/** Large enough for several parts and many chunks; chunk borders fall in odd places. The first byte is the seed. */
function largeObject(key: string, seed: number): StoredObject {
  const chunks = [7, 3 * MB + 1, 0, 1, 6 * MB, 2, 4 * MB + 13].map((length, i) => patternBytes(length, seed + i));
  chunks[0][0] = seed;
  return storedObject(key, ...chunks);
}

async function assertStored(backend: ObjectBackend, object: StoredObject): Promise<void> {
  const stored = await backend.read(object.key);
  assert(stored !== undefined, `nothing is stored under ${object.key}`);
  assertSame(stored, object);
}

/** Not assertEquals: its message for megabytes of bytes takes minutes. */
function assertSame(actual: Uint8Array, object: StoredObject): void {
  assertEquals(actual.length, object.byteLength);
  assert(Buffer.compare(actual, contents(object)) === 0, `${object.key} has other contents than what was put`);
}

/** What every target that stores objects must do. Registers one test a promise. */
export function objectTargetContract(name: string, harness: ObjectTargetHarness): void {
  const cases = { ...storing(harness), ...replacing(), ...failing(), ...ending(), ...reading(harness) };
  for (const [title, run] of Object.entries(cases)) {
    const fn = async () => {
      const backend = await harness.start();
      const target = backend.create();
      try {
        await target.open(NEVER);
        await run(target, backend);
      } finally {
        await target.close();
        await backend.stop();
      }
    };
    const sanitize = !harness.servesHere;
    Deno.test({ name: `${name} target ${title}`, fn, sanitizeOps: sanitize, sanitizeResources: sanitize });
  }
}

type Case = (target: ObjectTarget, backend: ObjectBackend) => Promise<void>;

function storing(harness: ObjectTargetHarness): Record<string, Case> {
  return {
    "stores an object that readers find equal": async (target, backend) => {
      const object = storedObject("project/events/1.ndjson.gz", "one\n", "two\n");
      await target.put(object, NEVER);
      await assertStored(backend, object);
    },
    "stores an empty object": async (target, backend) => {
      for (const object of [storedObject("empty/none"), storedObject("empty/chunk", "")]) {
        await target.put(object, NEVER);
        await assertStored(backend, object);
      }
    },
    "stores a large object of many chunks": async (target, backend) => {
      const object = largeObject("large.bin", 1);
      await target.put(object, NEVER);
      await assertStored(backend, object);
    },
    "stores many objects at a time": async (target, backend) => {
      const objects = Array.from(
        { length: 40 },
        (_, i) => storedObject(`many/${i % 3}/${i}`, patternBytes(i * 100, i)),
      );
      await Promise.all(objects.map((object) => target.put(object, NEVER)));
      for (const object of objects) await assertStored(backend, object);
      assertEquals((await backend.list()).length, objects.length);
    },
    "stores odd keys under their own names": async (target, backend) => {
      for (const key of harness.oddKeys) await target.put(storedObject(key, key), NEVER);
      for (const key of harness.oddKeys) await assertStored(backend, storedObject(key, key));
      assertEquals((await backend.list()).sort(), [...harness.oddKeys].sort());
    },
  };
}

function replacing(): Record<string, Case> {
  return {
    "replaces an object of the same key": async (target, backend) => {
      const long = storedObject("a/b", "the first, longer one"), short = storedObject("a/b", "second");
      for (const object of [long, short, short]) await target.put(object, NEVER);
      await assertStored(backend, short);
      assertEquals(await backend.list(), ["a/b"]);
    },
    "stores one of two objects put under the same key at a time": async (target, backend) => {
      const objects = [largeObject("same", 1), largeObject("same", 2)];
      await Promise.all(objects.map((object) => target.put(object, NEVER)));
      const stored = await backend.read("same");
      assert(stored !== undefined);
      assertSame(stored, stored[0] === contents(objects[0])[0] ? objects[0] : objects[1]);
    },
    "shows readers the old object or the new one while it is replaced": async (target, backend) => {
      const versions = [largeObject("seen", 1), largeObject("seen", 50)];
      await target.put(versions[0], NEVER);
      let writing = true;
      const writes = (async () => {
        for (let i = 1; i < 4; i++) await target.put(versions[i % 2], NEVER);
      })().finally(() => writing = false);
      while (writing) {
        const stored = await backend.read("seen");
        assert(stored !== undefined, "the object was missing while it was replaced");
        assertSame(stored, stored[0] === contents(versions[0])[0] ? versions[0] : versions[1]);
      }
      await writes;
    },
  };
}

function failing(): Record<string, Case> {
  return {
    "fails while its backend does, leaves nothing, and stores once it recovered": async (target, backend) => {
      const small = storedObject("recovered/small", "x"), large = largeObject("recovered/large", 3);
      const heal = await backend.fail();
      try {
        const [first, second] = await Promise.all([small, large].map((o) => assertRejects(() => target.put(o, NEVER))));
        for (const error of [first, second]) assertInstanceOf(error, CollectorError);
      } finally {
        await heal();
      }
      assertEquals((await backend.list()).filter((key) => key.startsWith("recovered/")), []);
      for (const object of [small, large]) {
        await target.put(object, NEVER);
        await assertStored(backend, object);
      }
    },
  };
}

function ending(): Record<string, Case> {
  return {
    "rejects with the signal's reason when it aborts, and leaves nothing": async (target, backend) => {
      const reason = new Error("stopping");
      const aborted = await assertRejects(() => target.put(storedObject("aborted/1", "x"), AbortSignal.abort(reason)));
      assertEquals(aborted, reason);
      const controller = new AbortController();
      const put = assertRejects(() => target.put(largeObject("aborted/2", 1), controller.signal));
      controller.abort(reason);
      assertEquals(await put, reason);
      await target.close();
      assertEquals(await backend.list(), []);
    },
    "closes twice, and stores again when opened anew": async (target, backend) => {
      await target.put(storedObject("first", "1"), NEVER);
      await target.close();
      await target.close();
      const again = backend.create();
      await again.open(NEVER);
      await again.put(storedObject("second", "2"), NEVER);
      await again.close();
      assertEquals((await backend.list()).sort(), ["first", "second"]);
    },
  };
}

function readable(target: ObjectTarget): ReadableObjectTarget {
  assert(isReadable(target), "the target can't be read: it has no list, get and delete");
  return target;
}

async function listed(target: ReadableObjectTarget, prefix: string): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  for await (const object of target.list(prefix, NEVER)) found.push(object);
  return found;
}

/** The contents as `get` streams them; null when it says that there are none. */
async function got(target: ReadableObjectTarget, key: string): Promise<Uint8Array | null> {
  const chunks = await target.get(key, NEVER);
  if (chunks === null) return null;
  const kept: Uint8Array[] = [];
  for await (const chunk of chunks) kept.push(chunk);
  return new Uint8Array(Buffer.concat(kept));
}

/** In the order of their bytes, which is neither that of directories nor that of UTF-16. */
const SORTED_KEYS = ["A", "_m/1", "_m/2", "a-b", "a.b", "a/b", "a/b.c", "a/b/c", "a0", "b/\u{ff5e}", "b/\u{1f600}"];

function reading(harness: ObjectTargetHarness): Record<string, Case> {
  return {
    "lists objects sorted by the bytes of their keys, with their sizes": async (target, backend) => {
      for (const [i, key] of SORTED_KEYS.toReversed().entries()) {
        if (key === "a/b") continue; // a directory in the way of others, where keys are paths
        await target.put(storedObject(key, "x".repeat(i)), NEVER);
      }
      const keys = SORTED_KEYS.filter((key) => key !== "a/b");
      const found = await listed(readable(target), "");
      assertEquals(found.map(({ key }) => key), keys);
      for (const { key, byteLength } of found) assertEquals(byteLength, (await backend.read(key))!.length, key);
    },
    "lists the objects whose keys begin with a prefix, which need not end a segment": async (target) => {
      const keys = ["a/b/1", "a/b/2", "a/bc", "a/b.d", "a", "ab", "b"].filter((key) => key !== "a");
      for (const key of keys) await target.put(storedObject(key, "x"), NEVER);
      for (const prefix of ["", "a", "a/", "a/b", "a/b/", "a/b/2", "a/b/2/3", "c", "c/d", "a/x/"]) {
        const expected = keys.filter((key) => key.startsWith(prefix)).sort(compareKeys);
        assertEquals((await listed(readable(target), prefix)).map(({ key }) => key), expected, prefix);
      }
    },
    "lists and reads odd keys": async (target) => {
      for (const key of harness.oddKeys) await target.put(storedObject(key, `of ${key}`), NEVER);
      const keys = [...harness.oddKeys].sort(compareKeys);
      assertEquals((await listed(readable(target), "")).map(({ key }) => key), keys);
      for (const key of keys) assertEquals(new TextDecoder().decode((await got(readable(target), key))!), `of ${key}`);
    },
    "reads back what was put, of any size": async (target) => {
      for (const object of [storedObject("none"), storedObject("s/one", "1"), largeObject("s/large", 9)]) {
        await target.put(object, NEVER);
        assertSame((await got(readable(target), object.key))!, object);
      }
    },
    "has nothing where no object is": async (target) => {
      await target.put(storedObject("a/b", "x"), NEVER);
      for (const key of ["b", "a", "a/b/c", "a/bb", "x/y/z"]) {
        assertEquals(await got(readable(target), key), null, key);
        await readable(target).delete(key, NEVER);
      }
      assertEquals((await listed(readable(target), "")).map(({ key }) => key), ["a/b"]);
    },
    "deletes an object, and stores it again": async (target, backend) => {
      const object = storedObject("a/b", "x"), other = storedObject("a/c", "y");
      for (const { key } of [object, other]) await target.put({ ...object, key }, NEVER);
      for (let i = 0; i < 2; i++) await readable(target).delete("a/b", NEVER);
      assertEquals(await got(readable(target), "a/b"), null);
      assertEquals(await backend.list(), ["a/c"]);
      await target.put(object, NEVER);
      await assertStored(backend, object);
    },
    "is read without having been opened, which leaves nothing behind": async (target, backend) => {
      const unopened = readable(backend.create());
      assertEquals(await listed(unopened, ""), []);
      assertEquals(await got(unopened, "a/b"), null);
      await unopened.delete("a/b", NEVER);
      assertEquals(await backend.list(), []);
      const object = storedObject("a/b", "x");
      await target.put(object, NEVER);
      assertEquals((await listed(unopened, "a/")).map(({ key }) => key), ["a/b"]);
      assertSame((await got(unopened, "a/b"))!, object);
      await unopened.delete("a/b", NEVER);
      assertEquals(await backend.list(), []);
      await unopened.close();
      await unopened.close();
    },
    "lets a reader leave in the middle": async (target) => {
      for (const key of ["a/1", "a/2", "b"]) await target.put(largeObject(key, 4), NEVER);
      for await (const { key } of readable(target).list("", NEVER)) {
        assertEquals(key, "a/1");
        break;
      }
      for await (const chunk of (await readable(target).get("b", NEVER))!) {
        assertEquals(chunk[0], 4);
        break;
      }
    },
    "ends reading with the signal's reason when it aborts": async (target) => {
      await target.put(largeObject("a", 1), NEVER);
      const reason = new Error("stopping");
      const aborted = AbortSignal.abort(reason);
      const { list, get, delete: remove } = {
        list: async () => await Array.fromAsync(readable(target).list("", aborted)),
        get: () => readable(target).get("a", aborted),
        delete: () => readable(target).delete("a", aborted),
      };
      for (const ask of [list, get, remove]) assertEquals(await assertRejects<Error>(ask), reason);
      const controller = new AbortController();
      const chunks = (await readable(target).get("a", controller.signal))!;
      const ended = await assertRejects(async () => {
        for await (const _ of chunks) controller.abort(reason);
      });
      assertEquals(ended, reason);
    },
  };
}

/** A fresh, empty backend of a target that takes pages. */
export interface PageBackend {
  /** A new target over this backend, not yet open. */
  create(): PageTarget;
  /** Every row that is stored, as a reader gets it: "project/collection", and the value of its column `id`. */
  rows(): Promise<readonly { readonly table: string; readonly id: number }[]>;
  /** Makes the backend hang, until the returned function is called. Undefined where it can't. */
  stall?(): () => void;
  stop(): Promise<void>;
}

const UNIT: FlushUnit = { name: "t-0-0-100", ranges: [{ split: "t/0", epoch: 1n, start: "0", next: "100" }] };

function idPage(collection: string, from: number, rowCount: number): Page {
  const values = Array.from({ length: rowCount }, (_, i) => from + i);
  return pageOf([{ name: "id", type: "INTEGER", values }, {
    name: "text",
    type: "VARCHAR",
    values: values.map(String),
  }], {
    collection,
  });
}

async function insert(target: PageTarget, pages: readonly Page[], signal = NEVER): Promise<void> {
  const inserter = target.insert(pages[0].table, UNIT);
  for (const page of pages) inserter.addPage(page);
  await inserter.commit(signal);
}

/** What every target that takes pages must do. Registers one test a promise. */
export function pageTargetContract(name: string, start: () => Promise<PageBackend>): void {
  for (const [title, run] of Object.entries(PAGE_CASES)) {
    Deno.test(`${name} target ${title}`, async () => {
      const backend = await start();
      const target = backend.create();
      try {
        await target.open(NEVER);
        await run(target, backend);
      } finally {
        await target.close();
        await backend.stop();
      }
    });
  }
}

const PAGE_CASES: Record<string, (target: PageTarget, backend: PageBackend) => Promise<void>> = {
  "stores the rows of all pages in their order": async (target, backend) => {
    await insert(target, [idPage("a", 0, 1000), idPage("a", 1000, 1), idPage("a", 1001, 0), idPage("a", 1001, 3000)]);
    assertEquals((await backend.rows()).map(({ id }) => id), Array.from({ length: 4001 }, (_, id) => id));
  },
  "stores several tables at a time, each in its order": async (target, backend) => {
    const tables = ["a", "b", "c"];
    await Promise.all(tables.map((table) => insert(target, [idPage(table, 0, 500), idPage(table, 500, 500)])));
    const rows = await backend.rows();
    for (const table of tables) {
      const ids = rows.filter((row) => row.table === `shop/${table}`).map(({ id }) => id);
      assertEquals(ids, Array.from({ length: 1000 }, (_, id) => id));
    }
    assertEquals(rows.length, 3000);
  },
  "stores nothing before commit": async (target, backend) => {
    target.insert({ project: "shop", collection: "a" }, UNIT).addPage(idPage("a", 0, 10));
    assertEquals(await backend.rows(), []);
  },
  "commits nothing when no page was added": async (target, backend) => {
    await target.insert({ project: "shop", collection: "a" }, UNIT).commit(NEVER);
    assertEquals(await backend.rows(), []);
  },
  "rejects with the signal's reason when it aborts": async (target, backend) => {
    const reason = new Error("stopping");
    assertEquals(await assertRejects(() => insert(target, [idPage("a", 0, 10)], AbortSignal.abort(reason))), reason);
    const resume = backend.stall?.();
    if (resume === undefined) return;
    const controller = new AbortController();
    const commit = assertRejects(() => insert(target, [idPage("a", 0, 10)], controller.signal));
    controller.abort(reason);
    assertEquals(await commit, reason);
    resume();
  },
  "closes twice": async (target) => {
    await target.close();
    await target.close();
  },
};
