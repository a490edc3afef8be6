import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { LineBuffer } from "../../../../src/source/file/line_buffer.ts";
import type { Lines } from "../../../../src/source/file/lines.ts";

const ALL = { maxBytes: 1 << 30, maxRows: 1 << 30 };

interface Row {
  readonly text: string;
  readonly position: number;
}

function rowsOf({ rowCount, bytes, offsets, positions }: Lines): Row[] {
  return Array.from({ length: rowCount }, (_, i) => ({
    text: String.fromCharCode(...bytes.subarray(offsets[i], offsets[i + 1])),
    position: Number(positions[i]),
  }));
}

function append(buffer: LineBuffer, text: string): void {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  buffer.reserve(bytes.length).set(bytes);
  buffer.appended(bytes.length);
}

/** Everything that can be taken, and where the last lines end. */
function takeAll(buffer: LineBuffer, { final = false, limit = ALL } = {}): { rows: Row[]; next: number } {
  const rows: Row[] = [];
  let next = buffer.delivered;
  for (let lines; (lines = buffer.take(limit, final)) !== null;) {
    assertEquals(lines.start, next);
    assertEquals(buffer.delivered, lines.next);
    next = lines.next;
    rows.push(...rowsOf(lines));
  }
  return { rows, next };
}

interface Case {
  readonly name: string;
  readonly chunks: readonly string[];
  readonly final?: boolean;
  readonly rows: readonly (readonly [text: string, position: number])[];
  readonly next: number;
}

/** Lines may have 5 bytes. */
const CASES: readonly Case[] = [
  { name: "lines", chunks: ["a\nbc\n"], rows: [["a", 0], ["bc", 2]], next: 5 },
  { name: "a line in pieces", chunks: ["a", "b", "c\nd"], rows: [["abc", 0]], next: 4 },
  {
    name: "carriage returns before line feeds",
    chunks: ["a\r\nb\r", "\nc\n"],
    rows: [["a", 0], ["b", 3], ["c", 6]],
    next: 8,
  },
  { name: "a carriage return elsewhere, as it is", chunks: ["a\rb\n\r\r\n"], rows: [["a\rb", 0], ["\r", 4]], next: 7 },
  {
    name: "empty lines, as empty records",
    chunks: ["\n\r\n\na\n"],
    rows: [["", 0], ["", 1], ["", 3], ["a", 4]],
    next: 6,
  },
  { name: "nothing of an open line", chunks: ["abc"], rows: [], next: 0 },
  { name: "an open line at the end", chunks: ["a\nbc"], final: true, rows: [["a", 0], ["bc", 2]], next: 4 },
  { name: "nothing after a last line feed", chunks: ["a\n"], final: true, rows: [["a", 0]], next: 2 },
  { name: "nothing of nothing", chunks: [""], final: true, rows: [], next: 0 },
  { name: "a byte order mark", chunks: ["\xef\xbb", "\xbfa\nb\n"], rows: [["a", 3], ["b", 5]], next: 7 },
  { name: "a byte order mark before an open line", chunks: ["\xef\xbb\xbfa"], final: true, rows: [["a", 3]], next: 4 },
  {
    name: "a byte order mark only at the beginning",
    chunks: ["a\n\xef\xbb\xbf\n"],
    rows: [["a", 0], ["\xef\xbb\xbf", 2]],
    next: 6,
  },
  { name: "a line of the greatest length", chunks: ["12345\n12345\r\n"], rows: [["12345", 0], ["12345", 6]], next: 13 },
  { name: "a line that is too long, cut", chunks: ["123456\nb\n"], rows: [["123456", 0], ["b", 7]], next: 9 },
  {
    name: "a long line between others",
    chunks: ["a\n123456789\nb\n"],
    rows: [["a", 0], ["123456", 2], ["b", 12]],
    next: 14,
  },
  {
    name: "a long line in pieces",
    chunks: ["123", "456", "789", "0", "\nb\n"],
    rows: [["123456", 0], ["b", 11]],
    next: 13,
  },
  { name: "nothing of a long line that is open", chunks: ["1234567890", "123"], rows: [], next: 0 },
  { name: "a long line at the end", chunks: ["1234567890", "123"], final: true, rows: [["123456", 0]], next: 13 },
  { name: "a line one byte too long at the end", chunks: ["123456"], final: true, rows: [["123456", 0]], next: 6 },
  { name: "a long line that ends in a carriage return", chunks: ["123456\r\n"], rows: [["123456", 0]], next: 8 },
];

for (const { name, chunks, final, rows, next } of CASES) {
  Deno.test(`LineBuffer gives ${name}`, () => {
    const buffer = new LineBuffer(0, 5);
    const taken: Row[] = [];
    for (const chunk of chunks) {
      append(buffer, chunk);
      taken.push(...takeAll(buffer).rows);
    }
    taken.push(...takeAll(buffer, { final }).rows);
    assertEquals(taken.map(({ text, position }) => [text, position]), rows.map((row) => [...row]));
    assertEquals(buffer.delivered, next);
  });
}

Deno.test("LineBuffer says how long a line is of which it gives the beginning", () => {
  const cases: [string[], number | undefined][] = [
    [["12345\n"], undefined],
    [["123456\n"], undefined], // the byte more that tells that it is too long is all that it has
    [["1234567\n"], 7],
    [["1234567\r\n"], 7],
    [["1234567", "890", "\n"], 10],
    [["1234567", "890\r\n"], 10],
    [["1234567", "890"], 10],
  ];
  for (const [chunks, byteLength] of cases) {
    const buffer = new LineBuffer(0, 5);
    for (const chunk of chunks) append(buffer, chunk);
    assertEquals(buffer.take(ALL, true)!.cutLength, byteLength, JSON.stringify(chunks));
  }
});

Deno.test("LineBuffer counts positions beyond 32 bits", () => {
  const buffer = new LineBuffer(2 ** 40 + 2 ** 32 - 2, 5);
  append(buffer, "a\nb\n");
  assertEquals(takeAll(buffer).rows.map(({ position }) => position), [2 ** 40 + 2 ** 32 - 2, 2 ** 40 + 2 ** 32]);
});

Deno.test("LineBuffer keeps to the limits, and gives one line at least", () => {
  for (
    const [limit, counts] of [
      [{ maxBytes: 6, maxRows: 10 }, [2, 2, 1]],
      [{ maxBytes: 5, maxRows: 10 }, [1, 1, 1, 1, 1]],
      [{ maxBytes: 0, maxRows: 0 }, [1, 1, 1, 1, 1]],
      [{ maxBytes: 100, maxRows: 3 }, [3, 2]],
    ] as const
  ) {
    const buffer = new LineBuffer(0, 5);
    append(buffer, "aa\nbb\ncc\ndd\nee\n");
    const taken: number[] = [];
    for (let lines; (lines = buffer.take(limit, false)) !== null;) taken.push(lines.rowCount);
    assertEquals(taken, [...counts]);
  }
});

Deno.test("LineBuffer hands over memory that it doesn't touch again", () => {
  const buffer = new LineBuffer(0, 100);
  append(buffer, "first line\nsecond line\nthi");
  const first = buffer.take({ maxBytes: 11, maxRows: 1 }, false)!;
  const second = buffer.take(ALL, false)!;
  append(buffer, "rd line\n");
  structuredClone(second.bytes, { transfer: [second.bytes.buffer] });
  assertEquals(rowsOf(first).map(({ text }) => text), ["first line"]);
  assertEquals(takeAll(buffer).rows, [{ text: "third line", position: 23 }]);
});

Deno.test("LineBuffer holds no more than a record of a line without an end", () => {
  const buffer = new LineBuffer(0, 1000);
  let largest = 0;
  for (let i = 0; i < 1000; i++) {
    const room = buffer.reserve(4096);
    largest = Math.max(largest, room.buffer.byteLength);
    room.fill(97);
    buffer.appended(4096);
  }
  assertLessOrEqual(largest, 3 * 4096);
  append(buffer, "\n");
  const lines = buffer.take(ALL, false)!;
  assertEquals([lines.rowCount, lines.bytes.length, lines.next], [1, 1001, 4_096_001]);
});

Deno.test("LineBuffer shrinks when it waits", () => {
  const buffer = new LineBuffer(0, 1000);
  buffer.reserve(1 << 20);
  append(buffer, "abc");
  buffer.shrink();
  assert(buffer.reserve(1).buffer.byteLength < 100);
  append(buffer, "\n");
  assertEquals(takeAll(buffer).rows, [{ text: "abc", position: 0 }]);
});

/** The whole text at once: what must come out, however it comes in. */
function model(text: string, max: number): Row[] {
  const rows: Row[] = [];
  for (let start = 0; start < text.length;) {
    const lineFeed = text.indexOf("\n", start);
    const end = lineFeed < 0 ? text.length : lineFeed;
    const line = lineFeed < 0 ? text.slice(start) : text.slice(start, end).replace(/\r$/, "");
    rows.push({ text: line.slice(0, max + 1), position: start });
    start = end + 1;
  }
  return rows;
}

Deno.test("LineBuffer gives the same lines in whatever pieces they come and go", () => {
  const piece = fc.string({ unit: fc.constantFrom("a", "b", "\n", "\r", "\r\n", "abcdefgh"), maxLength: 20 });
  const limit = fc.record({ maxBytes: fc.integer({ min: 0, max: 60 }), maxRows: fc.integer({ min: 0, max: 5 }) });
  fc.assert(
    fc.property(fc.array(fc.tuple(piece, fc.nat(3)), { maxLength: 12 }), limit, fc.nat(12), (pieces, limit, max) => {
      const buffer = new LineBuffer(0, max);
      const taken: Row[] = [];
      for (const [text, takes] of pieces) {
        append(buffer, text);
        if (takes === 0) buffer.shrink();
        for (let i = 0; i < takes; i++) {
          const lines = buffer.take(limit, false);
          if (lines !== null) taken.push(...rowsOf(lines));
        }
      }
      taken.push(...takeAll(buffer, { final: true, limit }).rows);
      const text = pieces.map(([text]) => text).join("");
      assertEquals(taken, model(text, max));
      assertEquals(buffer.delivered, text.length);
    }),
    { seed: 7, numRuns: 1500 },
  );
});
