import { assert, assertEquals } from "@std/assert";
import type { BufferLimits } from "../../../src/decode/stream_buffer.ts";
import type { FromWorker, SealedOutput, ToWorker } from "../../../src/pipeline/messages.ts";
import { outputByteLength } from "../../../src/pipeline/unit.ts";
import { PipelineWorker } from "../../../src/pipeline/pipeline_worker.ts";
import { SystemClock } from "../../../src/runtime/clock.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { toHex } from "../../../src/runtime/hex.ts";
import { addCounts } from "../../../src/target/manifest.ts";
import { avroContainer } from "../../support/avro_container.ts";
import { batchOf, configOf, type Doc } from "../decode/harness.ts";

const GROUPING = { needsProject: true, needsTable: false, timeUnit: null };

/** A worker, and everything that it has answered. */
function workerOf(decode: Parameters<typeof configOf>[0], buffer: BufferLimits) {
  const messages: FromWorker[] = [];
  const worker = new PipelineWorker(
    {
      decode: configOf(decode),
      encode: { rowFormat: "rakam", compression: "none", level: 0, grouping: GROUPING },
      buffer,
    },
    (message) => void messages.push(message),
    new SystemClock(),
  );
  const send = (message: ToWorker) => worker.handle(message);
  const seal = (): SealedOutput[] => {
    send({ type: "seal", unit: 1, seal: 7 });
    const sealed = messages.at(-1)!;
    assert(sealed.type === "sealed", JSON.stringify(sealed));
    return [...sealed.earlier ?? [], sealed.output];
  };
  return { messages, send, seal };
}

/** A block's records, in batches of these lengths over and over: what comes back with its seal. */
function block(docs: readonly Doc[], lengths: readonly number[]): SealedOutput[] {
  const worker = workerOf({ maxTables: 3, dataFormat: "AUTO" }, { inBlocks: true });
  for (let at = 0, i = 0; at < docs.length; i++) {
    const some = docs.slice(at, at + lengths[i % lengths.length]);
    const positions = BigInt64Array.from(some, (_, row) => BigInt(at + row));
    const timestamps = Float64Array.from(some, (_, row) => 1.7e12 + at + row);
    worker.send({ type: "batch", unit: 1, batch: batchOf(some, { positions, timestamps }) });
    at += some.length;
  }
  return worker.seal();
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
  assert(whole.length > 10, `${whole.length} parts`);
  const most = whole.map(({ pieces }) => pieces.reduce((sum, { tables }) => sum + tables.length, 0));
  assertEquals(Math.max(...most) <= 4, true, "three tables, and what one record adds");
  for (const lengths of [[1], [3, 1, 7], [50], [199, 1]]) {
    const outputs = block(records(), lengths);
    assertEquals(outputs.map(contentsOf), whole.map(contentsOf), `batches of ${lengths}`);
    assertEquals(totalsOf(outputs), totalsOf(whole));
  }
});

Deno.test("a worker takes out what it holds whenever that is as much as it may hold", () => {
  const docs = Array.from({ length: 3000 }, (_, i) => `{"text":"${"x".repeat(100)}","n":${i}}`);
  const worker = workerOf({ dataFormat: "JSON" }, { maxByteLength: 100_000 });
  const held: number[] = [];
  for (let at = 0; at < docs.length; at += 10) {
    worker.send({ type: "batch", unit: 1, batch: batchOf(docs.slice(at, at + 10)) });
    const message = worker.messages.at(-1)!;
    if (message.type === "accepted") held.push(message.bufferedByteLength);
  }
  const outputs = worker.seal();
  assert(outputs.length > 4, `${outputs.length} parts`);
  assertEquals(totalsOf(outputs).rows, docs.length);
  const out = outputs.reduce((sum, output) => sum + outputByteLength(output), 0);
  const most = Math.max(...held) - held[0];
  assert(most < out + 200_000, `${most} bytes held, ${out} come out`);
});

Deno.test("a page that is full of columns makes way; only a record with too many of its own is a dead letter", () => {
  const poison = `{${Array.from({ length: 4 }, (_, i) => `"x${i}":1`)}}`;
  const docs = [
    '{"x1":1,"x2":1,"x3":1}',
    ...Array.from({ length: 500 }, (_, i) => `{"user":"u${i}","price":9.99}`),
    poison,
    ...Array.from({ length: 500 }, (_, i) => `{"user":"v${i}","price":null,"k${i % 2}":1}`),
  ];
  for (const inBlocks of [false, true]) {
    const worker = workerOf({ maxColumns: 3 }, { inBlocks });
    for (let at = 0; at < docs.length; at += 300) {
      worker.send({ type: "batch", unit: 1, batch: batchOf(docs.slice(at, at + 300)) });
    }
    const outputs = worker.seal();
    const { rows, deadLetters, records } = totalsOf(outputs);
    assertEquals({ rows, deadLetters, records }, { rows: 1001, deadLetters: 1, records: 1002 });
    assertEquals(outputs.length < 2 + 500, true, `${outputs.length} pages`);
    const lines = outputs.flatMap(({ pieces }) =>
      pieces.flatMap(({ bytes }) => new TextDecoder().decode(bytes).split("\n"))
    );
    assertEquals(lines.filter((line) => line !== "").length, 1001);
  }
});
