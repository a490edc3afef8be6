import { assertEquals, assertThrows } from "@std/assert";
import {
  type Checkpoint,
  checkpointBefore,
  compareCheckpoints,
  END_POSITION,
  isCheckpointText,
  positionAfter,
} from "../../../../src/source/kinesis/leases/checkpoint.ts";
import { comparePositions } from "../../../../src/records/position.ts";
import { InvariantError } from "../../../../src/runtime/errors.ts";

const LONGEST = String(2n ** 186n - 1n);

/** In order. */
const CHECKPOINTS: readonly Checkpoint[] = [
  { sequence: "AT_TIMESTAMP", sub: 0 },
  { sequence: "TRIM_HORIZON", sub: 0 },
  { sequence: "LATEST", sub: 0 },
  { sequence: "9", sub: 0 },
  { sequence: "10", sub: 0 },
  { sequence: "10", sub: 1 },
  { sequence: "10", sub: 10 },
  { sequence: "49680478795460188555212863115272971761237870900905246722", sub: 0 },
  { sequence: LONGEST, sub: 999 },
  { sequence: "SHARD_END", sub: 0 },
];

Deno.test("positions have the order of the checkpoints that they stand for", () => {
  for (let i = 0; i < CHECKPOINTS.length; i++) {
    for (let j = 0; j < CHECKPOINTS.length; j++) {
      assertEquals(compareCheckpoints(CHECKPOINTS[i], CHECKPOINTS[j]), Math.sign(i - j), `${i} ${j}`);
    }
  }
});

Deno.test("a position and its checkpoint follow from each other", () => {
  for (const checkpoint of CHECKPOINTS) assertEquals(checkpointBefore(positionAfter(checkpoint)), checkpoint);
  assertEquals(positionAfter({ sequence: "77", sub: 4 }), "77:5");
  assertEquals(positionAfter({ sequence: "SHARD_END", sub: 0 }), END_POSITION);
});

Deno.test("the place after a record is after it, and not after the next one", () => {
  const after = positionAfter({ sequence: "77", sub: 4 });
  assertEquals(comparePositions("77:4", after), -1);
  for (const next of ["77:5", "78:0"]) assertEquals(comparePositions(after, next) <= 0, true);
});

Deno.test("checkpointBefore() refuses places that are not after a record", () => {
  for (const position of ["77", "77:0", "x:1", "77:x", ""]) {
    assertThrows(() => checkpointBefore(position), InvariantError);
  }
});

Deno.test("isCheckpointText() knows sentinels and numbers from other things", () => {
  for (const { sequence } of CHECKPOINTS) assertEquals(isCheckpointText(sequence), true);
  for (const text of ["", "trim_horizon", "-1", "1.5", "0x10", END_POSITION]) {
    assertEquals(isCheckpointText(text), false);
  }
});
