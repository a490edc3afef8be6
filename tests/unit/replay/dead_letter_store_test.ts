import { assert, assertEquals } from "@std/assert";
import { gunzipSync, gzipSync } from "node:zlib";
import { keptLines } from "../../../src/replay/dead_letter_ranges.ts";
import { DeadLetterStore } from "../../../src/replay/dead_letter_store.ts";
import { RetriableError } from "../../../src/runtime/errors.ts";
import { silentLog } from "../../../src/runtime/log.ts";
import { Metrics } from "../../../src/runtime/metrics.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { MemoryTarget } from "../../support/memory_target.ts";

const SIGNAL = new AbortController().signal;
const NONE: Uint8Array<ArrayBuffer>[] = [];

function setup(names: readonly string[]) {
  const clock = { now: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const runtime = { clock, random: new SeededRandom(1), log: silentLog, metrics: new Metrics() };
  const target = new MemoryTarget();
  for (const name of names) target.objects.set(name, packed(`letters of ${name}\n`));
  return { target, runtime, store: new DeadLetterStore(target, { prefix: "_dead-letters/", runtime }) };
}

function packed(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(text));
}

function texts(target: MemoryTarget): Record<string, string> {
  return Object.fromEntries([...target.objects].map(([key, bytes]) => [key, String(gunzipSync(bytes))]));
}

const NAME = "events-3_0_0a.ndjson.gz", KEY = `_dead-letters/${NAME}`, ARCHIVED = `_dead-letters/_redriven/${NAME}`;

Deno.test("DeadLetterStore lists what is to be tried, not what was", async () => {
  const { store } = setup([KEY, ARCHIVED, "_dead-letters/notes.txt", "p/rows.ndjson.gz"]);
  assertEquals((await store.list(SIGNAL)).map(({ name }) => name), [NAME]);
});

Deno.test("DeadLetterStore moves an object out of the way, once", async () => {
  const { target, store } = setup([KEY]);
  const [object] = await store.list(SIGNAL);
  await store.retire(object, NONE, SIGNAL);
  assertEquals(texts(target), { [ARCHIVED]: `letters of ${KEY}\n` });
  await store.retire(object, NONE, SIGNAL);
  assertEquals(texts(target), { [ARCHIVED]: `letters of ${KEY}\n` });
});

Deno.test("DeadLetterStore leaves the lines that were not tried where they were", async () => {
  const { target, store } = setup([KEY]);
  const [object] = await store.list(SIGNAL);
  const kept = ["one line that can't be decoded alone\n", "and another\n"].map((line) =>
    new TextEncoder().encode(line)
  );
  await store.retire(object, kept, SIGNAL);
  const after = { [KEY]: "one line that can't be decoded alone\nand another\n", [ARCHIVED]: `letters of ${KEY}\n` };
  assertEquals(texts(target), after);
  await store.retire(object, kept, SIGNAL);
  assertEquals(texts(target), after, "the archived object is still the whole one");
});

Deno.test("DeadLetterStore deletes what an earlier redrive made", async () => {
  const { target, store } = setup(["_dead-letters/redrive-dead-letters-x.ndjson.gz"]);
  await store.retire((await store.list(SIGNAL))[0], NONE, SIGNAL);
  assertEquals(texts(target), {});
});

Deno.test("DeadLetterStore never deletes before the copy is stored, whatever fails", async () => {
  for (const failing of ["get", "put", "delete"]) {
    const { target, store } = setup([KEY]);
    const [object] = await store.list(SIGNAL);
    let failures = 0;
    target.fail = (call) => {
      if (call.startsWith(failing) && failures++ < 3) throw new RetriableError("not now");
    };
    await store.retire(object, NONE, SIGNAL);
    assertEquals(texts(target), { [ARCHIVED]: `letters of ${KEY}\n` });
    const stored = target.calls.indexOf(`put ${ARCHIVED}`), deleted = target.calls.indexOf(`delete ${KEY}`);
    assert(stored >= 0 && stored < deleted, target.calls.join(", "));
  }
});

Deno.test("DeadLetterStore leaves the archived copy alone when another machine retires the object in between", async () => {
  const rest = "one line that can't be decoded alone\n";
  const cases: { kept: Uint8Array<ArrayBuffer>[]; left: Record<string, string> }[] = [
    { kept: NONE, left: {} },
    { kept: [new TextEncoder().encode(rest)], left: { [KEY]: rest } },
  ];
  for (const { kept, left } of cases) {
    const { target, store } = setup([KEY]);
    const [object] = await store.list(SIGNAL);
    target.fail = (call) => {
      if (call !== `get ${KEY}`) return;
      target.objects.set(ARCHIVED, target.objects.get(KEY)!);
      target.objects.delete(KEY);
      for (const [key, text] of Object.entries(left)) target.objects.set(key, packed(text));
    };
    await store.retire(object, kept, SIGNAL);
    assertEquals(texts(target), { ...left, [ARCHIVED]: `letters of ${KEY}\n` });
  }
});

Deno.test("DeadLetterStore retires nothing when the object is deleted while its lines are read", async () => {
  const { target, store, runtime } = setup([KEY]);
  const [object] = await store.list(SIGNAL);
  const get = target.get.bind(target);
  const breaksOff = async function* (contents: AsyncIterable<Uint8Array>) {
    for await (const bytes of contents) {
      yield bytes.subarray(0, 5);
      target.objects.delete(KEY);
      throw new RetriableError("it was deleted while it was read");
    }
  };
  target.get = async (key) => {
    const contents = await get(key);
    return contents === null ? null : breaksOff(contents);
  };
  const kept = await keptLines(store, object, { runtime, signal: SIGNAL });
  assertEquals(kept, []);
  await store.retire(object, kept, SIGNAL);
  assertEquals(texts(target), {});
  assertEquals(target.calls, [`get ${KEY}`, `get ${KEY}`]);
});
