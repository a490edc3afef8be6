import { assertEquals } from "@std/assert";
import { decodeConfigText } from "../../../src/config/text.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const bytes = (...parts: (string | number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => typeof part === "string" ? [...encode(part)] : part));

Deno.test("decodeConfigText() reads UTF-8 and drops a byte order mark", () => {
  assertEquals(decodeConfigText(encode("a=é日😀\r\n")), { text: "a=é日😀\r\n" });
  assertEquals(decodeConfigText(bytes([0xef, 0xbb, 0xbf], "a=b")), { text: "a=b" });
  assertEquals(decodeConfigText(new Uint8Array()), { text: "" });
});

Deno.test("decodeConfigText() names the first line that is not UTF-8", () => {
  const message = "the line is not UTF-8 (Latin-1, perhaps): save the file as UTF-8, or write \\u00e9 for é";
  const cases: readonly (readonly [Uint8Array, number])[] = [
    [bytes([0xe9]), 1],
    [bytes("a=1\nb=caf", [0xe9], "\nc=", [0xe9]), 2],
    [bytes("a=1\r\n\r\nb=", [0xe9], "\r\n"), 3],
    [bytes("a=1\rb=2\rc=", [0xe9]), 3],
    [bytes("a=é\nb=", [0xc3]), 2],
    [bytes("a=", [0xed, 0xa0, 0x80]), 1],
    [bytes("a=", [0xc0, 0x80]), 1],
  ];
  for (const [input, line] of cases) assertEquals(decodeConfigText(input), { problem: { line, message } });
});

Deno.test("decodeConfigText() recognizes UTF-16", () => {
  const expected = { problem: { line: 1, message: "the file is UTF-16: save it as UTF-8" } };
  assertEquals(decodeConfigText(bytes([0xff, 0xfe, 0x61, 0])), expected);
  assertEquals(decodeConfigText(bytes([0xfe, 0xff, 0, 0x61])), expected);
});
