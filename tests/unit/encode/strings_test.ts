import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { byteSource, OutputBuffer } from "../../../src/encode/output_buffer.ts";
import { escapedByteLength, MAX_ESCAPED_BYTES, writeEscaped } from "../../../src/encode/strings.ts";

/** `text` escaped, from the middle of a larger buffer whose other bytes would all need an escape. */
function escaped(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const surrounded = new Uint8Array(bytes.length + 7).fill(0x22);
  surrounded.set(bytes, 3);
  const out = new OutputBuffer(MAX_ESCAPED_BYTES * bytes.length);
  out.length = writeEscaped(out, 0, byteSource(surrounded), 3, 3 + bytes.length);
  assertEquals(out.length, escapedByteLength(surrounded, 3, 3 + bytes.length));
  return `"${new TextDecoder().decode(out.written())}"`;
}

Deno.test("writeEscaped() escapes every character that JSON.stringify escapes, wherever it stands", () => {
  for (let code = 0; code < 0x180; code++) {
    for (let before = 0; before < 9; before++) {
      const text = "a".repeat(before) + String.fromCharCode(code) + "zzzzzzzzz".slice(before);
      assertEquals(escaped(text), JSON.stringify(text));
    }
  }
});

Deno.test("writeEscaped() leaves line separators, astral and lonely bytes as JSON.stringify does", () => {
  for (
    const text of [
      "",
      "\u2028\u2029",
      "😀",
      "a😀\n😀",
      "\u007f",
      "İstanbul",
      "\ufffd",
      "\\\\\\\\",
      '""""',
      "\u0000".repeat(9),
    ]
  ) {
    assertEquals(escaped(text), JSON.stringify(text));
  }
});

Deno.test("writeEscaped() prints any string as JSON.stringify does", () => {
  const char = fc.oneof(
    fc.constantFrom('"', "\\", "\n", "\u001f", "/", "a", "é", "\u0080"),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.array(char, { maxLength: 40 }), (chars) => {
      const text = chars.join("").toWellFormed();
      assertEquals(escaped(text), JSON.stringify(text));
    }),
    { seed: 1, numRuns: 3000 },
  );
});
