import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SplitTracker } from "../../../src/loop/split_tracker.ts";
import { InvariantError } from "../../../src/runtime/errors.ts";
import { fakeBatch } from "../pipeline/fake_port.ts";

function tracker(): SplitTracker {
  const tracker = new SplitTracker();
  tracker.assign("a/0", 1n, "10");
  return tracker;
}

Deno.test("SplitTracker accepts batches that follow each other", () => {
  const splits = tracker();
  assert(splits.accept(fakeBatch("a/0", 10, { rowCount: 5 })));
  assert(splits.accept(fakeBatch("a/0", 15)));
});

Deno.test("SplitTracker refuses a gap, a repetition and a batch that goes back", () => {
  for (const start of [9, 11]) {
    assertThrows(() => tracker().accept(fakeBatch("a/0", start)), InvariantError, "expected 10");
  }
  assertThrows(() => tracker().accept({ ...fakeBatch("a/0", 10), next: "9" }), InvariantError, "goes back");
});

Deno.test("SplitTracker drops batches of splits, epochs and revocations that are over", () => {
  const splits = tracker();
  assertFalse(splits.accept(fakeBatch("b/0", 0)));
  assertFalse(splits.accept(fakeBatch("a/0", 10, { epoch: 2n })));
  splits.revoke("a/0");
  assertFalse(splits.accept(fakeBatch("a/0", 10)));
  assert(splits.mayCommit("a/0", 1n), "what was read may still be committed");
  splits.release("a/0", 2n);
  assert(splits.mayCommit("a/0", 1n), "another epoch is not ours to release");
  splits.release("a/0", 1n);
  assertFalse(splits.mayCommit("a/0", 1n));
});

Deno.test("SplitTracker takes a split over only in a newer epoch", () => {
  const splits = tracker();
  assertThrows(() => splits.assign("a/0", 1n, "10"), InvariantError, "epoch 1");
  splits.assign("a/0", 2n, "12");
  assertEquals(splits.epochOf("a/0"), 2n);
  assertFalse(splits.mayCommit("a/0", 1n));
});

Deno.test("SplitTracker refuses commits that go back or past what was read", () => {
  const splits = tracker();
  splits.accept(fakeBatch("a/0", 10, { rowCount: 5 }));
  splits.committed("a/0", 1n, "12");
  assertThrows(() => splits.committed("a/0", 1n, "11"), InvariantError);
  assertThrows(() => splits.committed("a/0", 1n, "16"), InvariantError);
  splits.committed("a/0", 7n, "99");
  splits.committed("a/0", 1n, "15");
});
