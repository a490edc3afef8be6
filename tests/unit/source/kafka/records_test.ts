import { assert, assertEquals, assertInstanceOf, assertLess, assertThrows } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import type { RecordBatch } from "../../../../src/records/record_batch.ts";
import { parseHeaders } from "../../../../src/source/kafka/historical.ts";
import { BatchBuilder } from "../../../../src/source/kafka/records/batch_builder.ts";
import { ChunkReader, CorruptBatchError, measureRecords } from "../../../../src/source/kafka/records/chunk_reader.ts";
import { decompress } from "../../../../src/source/kafka/records/codecs.ts";
import { crc32c } from "../../../../src/codecs/crc32c.ts";
import { BATCH_HEADER_BYTE_LENGTH } from "../../../../src/source/kafka/records/record_batch.ts";
import { type RecordToWrite, writeRecordBatch } from "../../../../src/source/kafka/records/record_batch_writer.ts";
import { textsOf } from "../../../support/batch_texts.ts";
/** Log segments that Apache Kafka 4.1 wrote for its own console producer, one a codec, base64. */
import segments from "./java_segments.json" with { type: "json" };

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LIMIT = { maxBytes: 1 << 30, maxRows: 1 << 30 };

function builder(limit = LIMIT, maxRecordByteLength = 1 << 30): BatchBuilder {
  return new BatchBuilder({ limit, wants: { keys: true, headers: true }, maxRecordByteLength });
}

function readAll(bytes: Uint8Array, position = 0, limit = LIMIT): { values: string[]; batches: RecordBatch[] } {
  const reader = new ChunkReader(bytes, position, []);
  const batches: RecordBatch[] = [];
  while (!reader.done) {
    const one = builder(limit), start = reader.position;
    reader.read(one);
    batches.push(one.finish("t/0", 1n, start, reader.position));
  }
  return { values: batches.flatMap(textsOf), batches };
}

function record(value: string, fields: Partial<RecordToWrite> = {}): RecordToWrite {
  return { key: null, value: encoder.encode(value), headers: [], timestamp: 1000, ...fields };
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

Deno.test("crc32c() gives the check values of RFC 3720", () => {
  assertEquals(crc32c(encoder.encode("123456789"), 0, 9), 0xe3069283);
  assertEquals(crc32c(new Uint8Array(32), 0, 32), 0x8a9136aa);
  assertEquals(crc32c(new Uint8Array(32).fill(0xff), 0, 32), 0x62a8ab43);
});

for (const [codec, text] of Object.entries(segments)) {
  const bytes = fromBase64(text);
  const expected = Array.from(
    { length: 30 },
    (_, i) => JSON.stringify({ i, codec, text: "lorem ipsum ".repeat(i % 5) }),
  );

  Deno.test(`reads what the Java producer wrote (${codec})`, () => {
    const { values, batches } = readAll(bytes);
    assertEquals(values, expected);
    assertEquals(batches.at(-1)!.next, "30");
  });

  Deno.test(`finds every byte that was changed (${codec})`, () => {
    for (let i = 16; i < bytes.length; i += 7) {
      const damaged = bytes.slice();
      damaged[i] ^= 0x10;
      let values: string[] | undefined;
      try {
        ({ values } = readAll(damaged));
      } catch (error) {
        assertInstanceOf(error, CorruptBatchError);
      }
      assert(values === undefined || values.length < expected.length, `byte ${i} was changed, and nobody saw it`);
    }
  });

  Deno.test(`takes a batch that is cut off for none (${codec})`, () => {
    const { next } = measureRecords(bytes, 0);
    assertEquals(next, 30);
    const batchEnds = new Set<number>([0]);
    for (let at = 0; at < bytes.length;) batchEnds.add(at += 12 + new DataView(bytes.buffer).getInt32(at + 8));
    for (let length = 0; length < bytes.length; length += 11) {
      const { values } = readAll(bytes.subarray(0, length));
      const { next, neededByteLength } = measureRecords(bytes.subarray(0, length), 0);
      assertEquals(values, expected.slice(0, next));
      if (!batchEnds.has(length) && length >= 12) assert(neededByteLength > 0);
    }
  });

  if (codec === "none") continue;
  Deno.test(`refuses ${codec} data that is cut off anywhere`, () => {
    const number = ["none", "gzip", "snappy", "lz4", "zstd"].indexOf(codec);
    const end = 12 + new DataView(bytes.buffer).getInt32(8);
    const data = bytes.subarray(BATCH_HEADER_BYTE_LENGTH, end);
    const whole = decompress(number, data).length;
    for (let length = 1; length < data.length; length++) {
      let got = -1;
      try {
        got = decompress(number, data.subarray(0, length)).length;
      } catch {
        continue;
      }
      // Chunks of their own may end where the data was cut: then there is less of it, and the records don't fit.
      assert(got < whole, `${length} of ${data.length} bytes gave ${got}`);
    }
    assertThrows(() => decompress(number, data, whole - 1));
  });
}

Deno.test("decompress() reads plain snappy blocks, as librdkafka and Go write them", () => {
  const framed = fromBase64(segments.snappy).subarray(BATCH_HEADER_BYTE_LENGTH);
  const length = new DataView(framed.buffer, framed.byteOffset).getUint32(16);
  const plain = framed.subarray(20, 20 + length);
  assertEquals(decompress(2, plain), decompress(2, framed.subarray(0, 20 + length)));
  for (let i = 1; i < plain.length; i++) assertThrows(() => decompress(2, plain.subarray(0, i)));
});

Deno.test("decompress() reads zstd and gzip data of several frames", () => {
  const parts = ["one ", "two ", "three"].map((text) => encoder.encode(text));
  for (const [codec, compress] of [[1, gzipSync], [4, zstdCompressSync]] as const) {
    const bytes = new Uint8Array(parts.flatMap((part) => [...compress(part)]));
    assertEquals(decoder.decode(decompress(codec, bytes)), "one two three");
  }
});

Deno.test("decompress() names a codec that it doesn't know", () => {
  assertThrows(() => decompress(5, new Uint8Array(1)), RangeError, "compression codec 5 is unknown");
});

Deno.test("decompressors end on any input", () => {
  const random = new SeededRandom(5);
  const whole = Object.values(segments).map((text) => fromBase64(text).subarray(BATCH_HEADER_BYTE_LENGTH));
  for (let i = 0; i < 2000; i++) {
    const codec = 1 + i % 4, bytes = whole[codec].slice();
    for (let k = 0; k < 3; k++) bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    try {
      decompress(codec, bytes, 1 << 20);
    } catch (error) {
      assertInstanceOf(error, Error);
    }
  }
});

Deno.test("records of every shape are read as they were written", () => {
  const random = new SeededRandom(3);
  const text = (max: number) => "é".repeat(Math.floor(random.next() * max));
  for (let run = 0; run < 30; run++) {
    const records = Array.from({ length: 1 + Math.floor(random.next() * 200) }, () =>
      record(text(300), {
        key: random.next() < 0.5 ? null : encoder.encode(text(10)),
        value: random.next() < 0.1 ? null : encoder.encode(text(random.next() < 0.1 ? 9000 : 100)),
        timestamp: 1_700_000_000_000 + Math.floor((random.next() - 0.5) * 1e12),
      }));
    const base = Math.floor(random.next() * 2 ** 45);
    const bytes = writeRecordBatch({ records, baseOffset: BigInt(base) });
    const limit = { maxBytes: 1 + Math.floor(random.next() * 5000), maxRows: 1 + Math.floor(random.next() * 50) };
    const { values, batches } = readAll(bytes, base, limit);
    assertEquals(values, records.map(({ value }) => value === null ? "" : decoder.decode(value)));
    assertEquals(batches.flatMap(({ timestamps }) => [...timestamps]), records.map(({ timestamp }) => timestamp));
    const positions = batches.flatMap(({ positions }) => [...positions as BigInt64Array]);
    assertEquals(positions, records.map((_, i) => BigInt(base + i)));
    for (let i = 1; i < batches.length; i++) assertEquals(batches[i].start, batches[i - 1].next);
    for (const { rowCount, offsets } of batches) {
      assert(rowCount <= limit.maxRows && (rowCount === 1 || offsets[rowCount] <= limit.maxBytes));
    }
  }
});

Deno.test("many small batches cost no more copies than a few large ones", () => {
  const value = "x".repeat(100), limit = { maxBytes: 1 << 20, maxRows: 1 << 20 };
  const copied = (recordCount: number) => {
    const parts = Array.from(
      { length: 2000 / recordCount },
      (_, i) =>
        writeRecordBatch({ records: Array(recordCount).fill(record(value)), baseOffset: BigInt(i * recordCount) }),
    );
    const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
    const { transfer } = ArrayBuffer.prototype;
    let total = 0;
    ArrayBuffer.prototype.transfer = function (byteLength) {
      total += this.byteLength;
      return transfer.call(this, byteLength);
    };
    try {
      assertEquals(readAll(bytes, 0, limit).values.length, 2000);
    } finally {
      ArrayBuffer.prototype.transfer = transfer;
    }
    return total;
  };
  assertLess(copied(1), 2 * copied(500));
});

Deno.test("a batch is read from the middle, and a value that is too long is cut", () => {
  const bytes = writeRecordBatch({ records: ["a", "bb", "ccc", "dddddddd"].map((value) => record(value)) });
  const reader = new ChunkReader(bytes, 2, []);
  const one = builder(LIMIT, 4);
  reader.read(one);
  const batch = one.finish("t/0", 1n, 2, reader.position);
  assertEquals(textsOf(batch), ["ccc", "ddddd"]);
  assertEquals(batch.cutRows, new Map([[1, 8]]));
  assertEquals([...batch.positions as BigInt64Array], [2n, 3n]);
});

Deno.test("a chunk whose memory was given back fails, and is never taken for one that is read to its end", () => {
  const reader = new ChunkReader(writeRecordBatch({ records: [record("a")] }), 0, []);
  reader.release();
  assertThrows(() => reader.done, TypeError);
  assertThrows(() => reader.read(builder()), TypeError);
});

Deno.test("the memory of a chunk, and of what was unpacked from it, is given back at its end", () => {
  for (const codec of ["none", "zstd"] as const) {
    const bytes = fromBase64(segments[codec]), reader = new ChunkReader(bytes, 0, []);
    const one = builder();
    reader.read(one);
    reader.release();
    assertEquals(bytes.buffer.detached, true);
    assertEquals(one.rowCount, 30);
    assertEquals(textsOf(one.finish("t/0", 1n, 0, 30)).length, 30);
  }
});

Deno.test("measureRecords() doesn't ask for a batch whose length can't be", () => {
  const one = writeRecordBatch({ records: [record("a")] });
  const two = new Uint8Array([...one, ...writeRecordBatch({ records: [record("b")], baseOffset: 1n })]);
  for (const length of [-1, 0, 3, 13, 2 ** 30 + 1, 2 ** 31 - 1]) {
    const view = new DataView(two.buffer);
    view.setInt32(one.length + 8, length);
    assertEquals(measureRecords(two, 0), { next: 1, byteLength: one.length, neededByteLength: 0, leaderEpoch: -1 });
    const rest = two.subarray(one.length);
    assertThrows(
      () => measureRecords(rest, 1),
      CorruptBatchError,
      `at offset 1 can't be read: its length is ${length}`,
    );
  }
});

Deno.test("measureRecords() holds offsets against what was asked for, the end and each other", () => {
  /** Batches of two records, by their first offsets. */
  const batches = (...firsts: number[]) =>
    new Uint8Array(firsts.flatMap((first) => [
      ...writeRecordBatch({ records: [record("a"), record("b")], baseOffset: BigInt(first) }),
    ]));
  const byteLength = batches(0).length;
  const table: [number[], number, number, number | string][] = [
    [[0, 2, 4], 0, 6, 3],
    [[0, 2, 4], 3, 6, 3], // the first one lies before it
    [[4, 8], 1, 10, 2], // compacted
    [[0, 2, 3, 6], 0, 8, 1], // who knows which of the two it is
    [[0, 1, 4], 0, 6, "the one before it ends with offset 1"],
    [[4, 2, 6], 0, 8, "the one before it ends with offset 5"],
    [[0, 2 ** 40, 4], 0, 6, 1],
    [[0, 2, 4], 0, 5, 2],
    [[2 ** 40, 2], 0, 4, "it ends with offset 1099511627777, but the partition before 4"],
    [[2], 2, 3, "it ends with offset 3, but the partition before 3"],
    [[0, 6], 4, 8, "offset 4 was asked for, and the one before it ends with 1"],
    [[0], 4, 8, "it came for offset 4"],
  ];
  for (const [firsts, position, logEnd, expected] of table) {
    const bytes = batches(...firsts);
    if (typeof expected === "string") {
      assertThrows(() => measureRecords(bytes, position, logEnd), CorruptBatchError, expected);
      continue;
    }
    assertEquals(measureRecords(bytes, position, logEnd), {
      next: firsts[expected - 1] + 2,
      byteLength: expected * byteLength,
      neededByteLength: 0,
      leaderEpoch: -1,
    });
  }
});

Deno.test("headers come out as they were written", () => {
  const bytes = (text: string) => encoder.encode(text);
  const headers = [
    { key: "null", value: null },
    { key: "empty", value: bytes("") },
    { key: "twice", value: bytes("1") },
    { key: "twice", value: bytes("2") },
    { key: "", value: bytes('a "quote"\n') },
    { key: "\ufeffmark", value: bytes("\ufeffhere too") },
    { key: "no text", value: Uint8Array.of(0xff, 0xfe, 0) },
    { key: "large", value: new Uint8Array(300_000).fill(0xff) },
  ];
  const { batches } = readAll(writeRecordBatch({ records: [record("a", { headers }), record("b")] }));
  const { bytes: text, offsets, nulls } = batches[0].headers!;
  assertEquals(parseHeaders(text.subarray(offsets[0], offsets[1])), headers);
  assertEquals(nulls, Uint8Array.of(2));
});

Deno.test("headers whose lengths don't fit are damage", () => {
  const whole = writeRecordBatch({ records: [record("a", { headers: [{ key: "k", value: encoder.encode("v") }] })] });
  const at = whole.length - 5; // of: how many, 1, k, 1, v
  for (const [index, varint] of [[0, 0x7e], [1, 1], [1, 3], [1, 0x7e], [3, 0x7e]] as const) {
    const damaged = whole.slice();
    damaged[at + index] = varint;
    new DataView(damaged.buffer).setUint32(17, crc32c(damaged, 21, damaged.length));
    assertThrows(() => readAll(damaged), CorruptBatchError, "headers are damaged");
  }
});

Deno.test("a record without a time, which has -1, has none", () => {
  const records = [record("a", { timestamp: -1 }), record("b", { timestamp: 0 }), record("c", { timestamp: 5 })];
  assertEquals(readAll(writeRecordBatch({ records })).batches.map(({ timestamps }) => [...timestamps]), [[NaN, 0, 5]]);
  const old = oldMessage(1, 0n, encoder.encode("d"), { timestamp: -1n });
  assertEquals(readAll(old).batches.map(({ timestamps }) => [...timestamps]), [[NaN]]);
});

/**
 * The log of a topic with message.timestamp.type=LogAppendTime that Apache Kafka 4.1 has compacted: holes in a plain and in
 * a gzip batch, and one with a delete horizon in the place of its first timestamp.
 */
const COMPACTED = [
  "AAAAAAAAAAAAAABFAAAAAAKab0DgAAgAAAAEAAABoge8hQ8AAAGiB7yFDwAAAAAAAAAHAAAAAAAAAAAAAhIAAAACYQRhMQASAAAGAmQEZDEAAAAAAAA",
  "AAAUAAABZAAAAAAKn0wckAAkAAAADAAABoge8hR4AAAGiB7yFHgAAAAAAAAAHAAAAAAAFAAAAAh+LCAAAAAAAAP8TYmBgYkpnSTdkEGJgYGHKYMkwZA",
  "AAM3K7dhQAAAAAAAAAAAAACQAAAGsAAAAAAmN+weQASAAAAAQAAAGiB74X+gAAAaIHvIsGAAAAAAAAAAcAAAAAAAkAAAAFFgDnswwAAmIEYjIAFgDns",
  "wwCAmUEZTIAFgDnswwEAmYEZjIAFgDnswwGAmkEaTIAEgDnswwIAmMBAAAAAAAAAAAOAAAAOwAAAAACQdYITwAIAAAAAAAAAAAAAAPoAAABoge8kO4A",
  "AAAAAAAABwAAAAAADgAAAAESAAAAAnoEejEA",
].join("");

Deno.test("a compacted log is read as Java reads it, from wherever", () => {
  const at = (timestamp: number, rows: Readonly<Record<number, string>>) =>
    Object.entries(rows).map(([offset, value]) => ({ offset: Number(offset), value, timestamp }));
  const rows = [
    ...at(1795426125071, { 0: "a1", 3: "d1" }),
    ...at(1795426125086, { 6: "g1", 7: "h1" }),
    ...at(1795426126598, { 9: "b2", 10: "e2", 11: "f2", 12: "i2", 13: "" }),
    ...at(1795426128110, { 14: "z1" }),
  ];
  for (let start = 0; start <= 14; start++) {
    for (const maxRows of [1, 3, 100]) {
      const { batches } = readAll(fromBase64(COMPACTED), start, { maxBytes: 1 << 20, maxRows });
      const read = batches.flatMap((batch) =>
        textsOf(batch).map((value, row) => ({
          offset: Number((batch.positions as BigInt64Array)[row]),
          value,
          timestamp: batch.timestamps[row],
        }))
      );
      assertEquals(read, rows.filter(({ offset }) => offset >= start));
      assertEquals(batches.at(-1)!.next, "15");
    }
  }
});

/** What the log cleaner leaves of a batch whose producer it must remember. */
function emptyBatch(baseOffset: number, lastOffsetDelta: number, attributes: number): Uint8Array {
  const records = [record("gone")];
  const bytes = writeRecordBatch({ records, baseOffset: BigInt(baseOffset), attributes, producerId: 7n })
    .slice(0, BATCH_HEADER_BYTE_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setInt32(8, bytes.length - 12);
  view.setInt32(23, lastOffsetDelta);
  view.setInt32(57, 0);
  view.setUint32(17, crc32c(bytes, 21, bytes.length));
  return bytes;
}

Deno.test("batches that compaction emptied have offsets and no rows", () => {
  const TRANSACTIONAL = 16, CONTROL = 32;
  for (const attributes of [0, 1, 2, 3, 4, TRANSACTIONAL, TRANSACTIONAL | CONTROL]) {
    const after = writeRecordBatch({ records: [record("after")], baseOffset: 10n });
    const bytes = new Uint8Array([...emptyBatch(0, 9, attributes), ...after]);
    const reader = new ChunkReader(bytes, 0, []);
    const one = builder();
    reader.read(one);
    assertEquals([reader.position, reader.done], [11, true]);
    assertEquals(textsOf(one.finish("t/0", 1n, 0, reader.position)), ["after"], `attributes ${attributes}`);
  }
});

/** Message format 0 or 1, as brokers before 0.11 wrote it. */
function oldMessage(
  magic: 0 | 1,
  offset: bigint,
  value: Uint8Array,
  { codec = 0, timestamp = 5000n + offset }: { codec?: number; timestamp?: bigint } = {},
): Uint8Array {
  const head = magic === 0 ? 6 : 14;
  const bytes = new Uint8Array(12 + head + 8 + value.length), view = new DataView(bytes.buffer);
  view.setBigInt64(0, offset);
  view.setInt32(8, bytes.length - 12);
  view.setInt8(16, magic);
  view.setInt8(17, codec);
  if (magic === 1) view.setBigInt64(18, timestamp);
  view.setInt32(12 + head, -1);
  view.setInt32(12 + head + 4, value.length);
  bytes.set(value, 12 + head + 8);
  let crc = -1;
  for (const byte of bytes.subarray(16)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  view.setUint32(12, ~crc >>> 0);
  return bytes;
}

Deno.test("messages of the old formats are read, compressed ones with their relative offsets too", () => {
  const join = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
  const text = (value: string) => encoder.encode(value);
  const inner = join(oldMessage(1, 0n, text("c")), oldMessage(1, 1n, text("d")));
  const bytes = join(
    oldMessage(0, 10n, text("a")),
    oldMessage(1, 11n, text("b")),
    oldMessage(1, 13n, gzipSync(inner), { codec: 1 }),
    writeRecordBatch({ records: [record("e")], baseOffset: 14n }),
  );
  const { values, batches } = readAll(bytes, 10);
  assertEquals(values, ["a", "b", "c", "d", "e"]);
  assertEquals(batches.flatMap(({ positions }) => [...positions as BigInt64Array]), [10n, 11n, 12n, 13n, 14n]);
  assertEquals(batches.flatMap(({ timestamps }) => [...timestamps]), [NaN, 5011, 5000, 5001, 1000]);
  bytes[26] ^= 1;
  assertThrows(() => readAll(bytes, 10), CorruptBatchError, "checksum");
});

Deno.test("messages of an old, compressed set are read a few at a time, from the middle, and up to an end", () => {
  const value = (i: number) => encoder.encode(`v${i}`);
  const set = (first: number, count: number) => {
    const inner = Array.from({ length: count }, (_, i) => [...oldMessage(1, BigInt(i), value(first + i))]).flat();
    return [...oldMessage(1, BigInt(first + count - 1), gzipSync(new Uint8Array(inner)), { codec: 1 })];
  };
  const bytes = new Uint8Array([...set(49_000, 1000), ...set(50_000, 10)]);
  const reader = new ChunkReader(bytes, 49_990, [], 50_005), batches: RecordBatch[] = [];
  while (!reader.done) {
    const one = builder({ maxBytes: 1 << 20, maxRows: 4 }), start = reader.position;
    reader.read(one);
    batches.push(one.finish("t/0", 1n, start, reader.position));
  }
  assertEquals(batches.map(({ rowCount }) => rowCount), [4, 4, 4, 3]);
  assertEquals(batches.flatMap(textsOf), Array.from({ length: 15 }, (_, i) => `v${49_990 + i}`));
  assertEquals(reader.position, 50_005);
});
