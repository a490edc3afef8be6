import { assert, assertEquals, assertFalse, assertInstanceOf } from "@std/assert";
import { Dispatcher, type SealTrigger } from "../../../src/pipeline/dispatcher.ts";
import { batchByteLength } from "../../../src/pipeline/port.ts";
import { FatalError, InvariantError } from "../../../src/runtime/errors.ts";
import { fakeBatch, FakePort } from "./fake_port.ts";

const BATCH_BYTES = batchByteLength(fakeBatch("a/0", 0));

function setup({ workers = 2, sealBatches = 3, backlogBatches = 4, inBlocks = false } = {}) {
  const ports = Array.from({ length: workers }, () => new FakePort());
  const sealed: { unit: number; seal: number }[] = [], seals: SealTrigger[] = [], failures: Error[] = [];
  let nowMs = 0;
  const clock = { now: () => 0, monotonicMs: () => nowMs, sleep: () => Promise.resolve() };
  const dispatcher = new Dispatcher(
    ports,
    { sealByteLength: sealBatches * BATCH_BYTES, backlogByteLength: backlogBatches * BATCH_BYTES, inBlocks },
    {
      sealed: (unit, seal) => sealed.push({ unit, seal }),
      sealing: (trigger) => seals.push(trigger),
      progress: () => {},
      failed: (error) => failures.push(error),
    },
    clock,
  );
  return { ports, dispatcher, sealed, seals, failures, pass: (ms: number) => nowMs += ms };
}

Deno.test("Dispatcher keeps a split with its worker until the worker's builders are sealed", () => {
  const { ports, dispatcher, seals } = setup();
  dispatcher.dispatch(1, fakeBatch("a/0", 0));
  dispatcher.dispatch(1, fakeBatch("a/1", 0));
  dispatcher.dispatch(1, fakeBatch("a/0", 1));
  assertEquals(ports.map(({ posted }) => posted.length), [2, 1]);
  dispatcher.dispatch(1, fakeBatch("a/0", 2));
  assertEquals(seals, ["bytes"]);
  assertEquals(ports[0].posted.at(-1), { type: "seal", unit: 1, seal: 1 });
  dispatcher.dispatch(1, fakeBatch("a/0", 3));
  assertEquals(ports.map(({ posted }) => posted.length), [4, 2], "the split goes on where there is less to do");
});

Deno.test("Dispatcher gives later rows of a split a higher seal when it changes workers", () => {
  const { ports, dispatcher, sealed } = setup();
  for (let i = 0; i < 9; i++) dispatcher.dispatch(1, fakeBatch("a/0", i));
  const sealOf = (port: FakePort) => port.posted.flatMap((message) => message.type === "seal" ? [message.seal] : []);
  assertEquals(ports.map(sealOf), [[1, 3], [2]]);
  assertEquals(dispatcher.pendingSeals(1), 3);
  for (const port of ports) port.answer();
  assertEquals(sealed.map(({ seal }) => seal), [1, 3, 2]);
  assertEquals(dispatcher.pendingSeals(1), 0);
});

Deno.test("Dispatcher has no room when the split's worker has a backlog", () => {
  const { ports, dispatcher } = setup({ workers: 1, sealBatches: 100 });
  for (let i = 0; i < 4; i++) {
    assert(dispatcher.hasRoom("a/0"));
    dispatcher.dispatch(1, fakeBatch("a/0", i));
  }
  assertFalse(dispatcher.hasRoom("a/0"));
  assertEquals(dispatcher.heldByteLength, 4 * BATCH_BYTES);
  ports[0].answer();
  assert(dispatcher.hasRoom("a/0"));
  assertEquals(dispatcher.heldByteLength, 8 * BATCH_BYTES, "what the worker says it holds");
});

Deno.test("Dispatcher seals by age and by unit", () => {
  const { dispatcher, seals, pass } = setup({ workers: 1 });
  dispatcher.dispatch(1, fakeBatch("a/0", 0));
  pass(99);
  dispatcher.sealAged(100);
  assertEquals(seals, []);
  pass(1);
  dispatcher.sealAged(100);
  assertEquals(seals, ["age"]);
  dispatcher.sealAged(100);
  dispatcher.sealUnit(1);
  assertEquals(seals, ["age"], "nothing is open");
  dispatcher.dispatch(1, fakeBatch("a/0", 1));
  dispatcher.sealUnit(2);
  dispatcher.sealUnit(1);
  assertEquals(seals, ["age", "unit"]);
});

Deno.test("Dispatcher reports a failed worker, a lost one, and one that answers out of order", () => {
  const { ports, dispatcher, failures } = setup({ workers: 1 });
  ports[0].onMessage({ type: "failed", code: "POLICY", message: "record a/0 at 7 can't be decoded" });
  ports[0].onLost(new Error("gone"));
  ports[0].onMessage({
    type: "sealed",
    unit: 1,
    seal: 9,
    bufferedByteLength: 0,
    output: {
      pieces: [],
      pages: [],
      pageByteLength: 0,
      deadLetters: null,
      counts: [],
      stageMs: { decode: 0, encode: 0, compress: 0 },
    },
  });
  assertInstanceOf(failures[0], FatalError);
  assertEquals(failures[0].message, "record a/0 at 7 can't be decoded");
  assertEquals((failures[1].cause as Error).message, "gone");
  assertInstanceOf(failures[2], InvariantError);
  dispatcher.close();
  assert(ports[0].closed);
});

Deno.test("Dispatcher sends a block to one worker, whatever its splits, and the next where there is less to do", () => {
  const { ports, dispatcher, seals } = setup({ sealBatches: Infinity, backlogBatches: 100, inBlocks: true });
  const splitsOf = (port: FakePort) =>
    port.posted.map((message) => message.type === "batch" ? message.batch.split : message.type);
  for (const split of ["a/0", "a/1", "a/2"]) dispatcher.dispatch(1, fakeBatch(split, 0));
  dispatcher.sealBlock();
  dispatcher.sealBlock(); // nothing is open
  for (const split of ["a/0", "a/1"]) dispatcher.dispatch(1, fakeBatch(split, 1));
  dispatcher.sealUnit(1);
  dispatcher.dispatch(2, fakeBatch("a/2", 1));
  assertEquals(ports.map(splitsOf), [["a/0", "a/1", "a/2", "seal"], ["a/0", "a/1", "seal", "a/2"]]);
  assertEquals(seals, ["block", "unit"]);
});

Deno.test("Dispatcher has room for a block by what its worker has to do", () => {
  const { ports, dispatcher } = setup({ sealBatches: Infinity, backlogBatches: 2, inBlocks: true });
  dispatcher.dispatch(1, fakeBatch("a/0", 0));
  dispatcher.dispatch(1, fakeBatch("a/1", 0));
  assertFalse(dispatcher.hasRoom("a/2"), "though the other worker is idle");
  dispatcher.sealBlock();
  assert(dispatcher.hasRoom("a/2"), "the next block goes to the other");
  dispatcher.dispatch(1, fakeBatch("a/2", 0));
  ports[0].answer();
  assert(dispatcher.hasRoom("a/2"));
});
