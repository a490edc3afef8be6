import { assert, assertEquals } from "@std/assert";
import type { FromWorker, SealedOutput } from "../../../src/pipeline/messages.ts";
import { PipelineWorker } from "../../../src/pipeline/pipeline_worker.ts";
import { SystemClock } from "../../../src/runtime/clock.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { toHex } from "../../../src/runtime/hex.ts";
import { addCounts } from "../../../src/target/manifest.ts";
import { avroContainer } from "../../support/avro_container.ts";
import { batchOf, configOf, type Doc } from "../decode/harness.ts";

const GROUPING = { needsProject: true, needsTable: false, timeUnit: null };

/** A block's records, in batches of these lengths over and over: what comes back with its seal. */
function block(docs: readonly Doc[], lengths: readonly number[], inBlocks = true) {
  const messages: FromWorker[] = [];
  const worker = new PipelineWorker(
    {
      decode: configOf({ maxTables: 3, dataFormat: "AUTO" }),
      encode: { rowFormat: "rakam", compression: "none", level: 0, grouping: GROUPING },
      inBlocks,
    },
    (message) => void messages.push(message),
    new SystemClock(),
  );
  for (let at = 0, i = 0; at < docs.length; i++) {
    const some = docs.slice(at, at + lengths[i % lengths.length]);
    const positions = BigInt64Array.from(some, (_, row) => BigInt(at + row));
    const timestamps = Float64Array.from(some, (_, row) => 1.7e12 + at + row);
    worker.handle({ type: "batch", unit: 1, batch: batchOf(some, { positions, timestamps }) });
    at += some.length;
  }
  worker.handle({ type: "seal", unit: 1, seal: 7 });
  const sealed = messages.at(-1)!;
  assert(sealed.type === "sealed", JSON.stringify(sealed));
  const wanted = messages.some((message) => message.type === "accepted" && message.wantsSeal);
  return { outputs: [...sealed.earlier ?? [], sealed.output], wanted };
}

function contentsOf({ pieces, deadLetters }: SealedOutput) {
  const bytes = pieces.map((piece) => [piece.group.project, piece.rowCount, toHex(piece.bytes)]);
  return [bytes, deadLetters === null ? null : toHex(deadLetters.bytes)];
}

function totalsOf(outputs: readonly SealedOutput[]) {
  const totals: Record<string, number> = {};
  for (
    const { split: _, dropped, minTimestamp: _least, maxTimestamp: _most, ...counts } of outputs.flatMap(({ counts }) =>
      counts
    )
  ) {
    addCounts(totals, { ...counts, ...dropped });
  }
  return totals;
}

/** Of many tables, with records that can't be read, empty ones and such that hold several. */
function records(): Doc[] {
  const random = new SeededRandom(5);
  return Array.from({ length: 200 }, (_, i) => {
    if (i % 23 === 7) return "{broken";
    if (i % 29 === 8) return "";
    if (i % 19 === 9) return avroContainer([[`a${i}`, "b"], ["c"]]);
    const collection = `c${Math.floor(random.next() * 12)}`;
    return JSON.stringify({ project: `p${i % 2}`, collection, properties: { i, [`f${i % 5}`]: "x" } });
  });
}

Deno.test("a block comes out the same however its batches are cut, also where there are more tables than may be held", () => {
  const whole = block(records(), [200]);
  assert(whole.outputs.length > 10, `${whole.outputs.length} parts`);
  const most = whole.outputs.map(({ pieces }) => pieces.reduce((sum, { tables }) => sum + tables.length, 0));
  assertEquals(Math.max(...most) <= 4, true, "three tables, and what one record adds");
  for (const lengths of [[1], [3, 1, 7], [50], [199, 1]]) {
    const { outputs, wanted } = block(records(), lengths);
    assertEquals(outputs.map(contentsOf), whole.outputs.map(contentsOf), `batches of ${lengths}`);
    assertEquals([totalsOf(outputs), wanted], [totalsOf(whole.outputs), false]);
  }
});

Deno.test("a worker takes nothing out before a seal, and wants one, when the loop decides where pieces end", () => {
  const { outputs, wanted } = block(records(), [50], false);
  assertEquals([outputs.length, wanted], [1, true]);
  assertEquals(totalsOf(outputs), totalsOf(block(records(), [50]).outputs));
});
