import { assertEquals } from "@std/assert";
import { ByteWriter } from "../../../src/columnar/byte_writer.ts";

function written(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter();
  write(out);
  return new TextDecoder().decode(out.bytes.subarray(0, out.length));
}

Deno.test("base64 is padded as in RFC 4648", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * 7) & 255);
  for (let length = 0; length < 70; length++) {
    const expected = bytes.subarray(5, 5 + length).toBase64();
    assertEquals(written((out) => out.base64(bytes, 5, 5 + length)), expected);
  }
});

Deno.test("a JSON string escapes what it must", () => {
  let all = "";
  for (let code = 0; code < 0x100; code++) all += String.fromCharCode(code);
  all += "é€😀";
  const bytes = new TextEncoder().encode(all);
  const text = written((out) => out.jsonString(bytes, 0, bytes.length));
  assertEquals(JSON.parse(text), all);
  assertEquals(text.includes("\n"), false);
});

Deno.test("text grows the buffer", () => {
  assertEquals(
    written((out) => {
      for (let i = 0; i < 1000; i++) out.text("é");
      out.byte(0x21);
    }),
    `${"é".repeat(1000)}!`,
  );
});
