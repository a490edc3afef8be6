import { assertEquals } from "@std/assert";
import { decode } from "./harness.ts";

const fatal = new TextDecoder("utf-8", { fatal: true });

function isUtf8(bytes: Uint8Array): boolean {
  try {
    fatal.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Decodes each text inside a value and inside a name, and compares with TextDecoder. */
function checkAll(texts: readonly (readonly number[])[]): void {
  const wrap = (before: string, text: readonly number[], after: string) =>
    Uint8Array.of(...new TextEncoder().encode(before), ...text, ...new TextEncoder().encode(after));
  for (const [before, after] of [['{"v":"', 'x"}'], ['{"', '":1}'], ['{"v":[{"k":"', '"}]}'], ['{"v":1,"v":"', '"}']]) {
    const docs = texts.map((text) => wrap(before, text, after));
    const { pages, deadLetters } = decode(docs, { jsonLayout: "PLAIN", maxColumns: 100_000 });
    const rejected = new Set(deadLetters.map(({ position }) => Number(position)));
    docs.forEach((doc, i) => assertEquals(rejected.has(i), !isUtf8(doc), `${before}${texts[i]}`));
    assertEquals(pages[0].positionCount + deadLetters.length, docs.length);
    assertEquals([...new Set(deadLetters.map(({ code }) => code))], deadLetters.length > 0 ? ["invalid-utf8"] : []);
  }
}

Deno.test("strings of two bytes beyond ASCII are UTF-8 exactly when TextDecoder says so", () => {
  const texts: number[][] = [];
  for (let a = 0x80; a <= 0xff; a++) {
    for (const b of [0x20, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]) texts.push([a, b]);
  }
  checkAll(texts);
});

Deno.test("strings of three and four bytes beyond ASCII are UTF-8 exactly when TextDecoder says so", () => {
  const seconds = [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0], rests = [0x7f, 0x80, 0xbf, 0xc0];
  const texts: number[][] = [];
  for (let a = 0xe0; a <= 0xf5; a++) {
    for (const b of seconds) {
      for (const c of rests) {
        if (a < 0xf0) texts.push([a, b, c]);
        else for (const d of rests) texts.push([a, b, c, d]);
      }
    }
  }
  checkAll(texts);
});

Deno.test("a character that the record's end cuts off is not completed by the next record", () => {
  const cut = Uint8Array.of(...new TextEncoder().encode('{"a":"'), 0xe2, 0x82);
  const { deadLetters, pages } = decode([cut, Uint8Array.of(0xac, 0x22, 0x7d), "{}"], { jsonLayout: "PLAIN" });
  assertEquals(deadLetters.map(({ code }) => code), ["malformed-json", "malformed-json"]);
  assertEquals(pages[0].positionCount, 1);
});

Deno.test("a record is never completed by the one after it", () => {
  const cases = [['{"a":1', "}"], ['{"a":"x', '"}'], ['{"a":[1,2', "]}"], ['{"a":', "1}"], ["{", "}"], [
    '{"a":tru',
    "e}",
  ]];
  for (const jsonLayout of ["PLAIN", "AUTO"] as const) {
    for (const halves of cases) {
      const { deadLetters, pages } = decode([...halves, '{"z":1}'], { jsonLayout });
      assertEquals(deadLetters.map(({ position }) => position), ["0", "1"], `${halves}`);
      assertEquals(deadLetters[0].code, "malformed-json");
      assertEquals(pages[0].columns.map(({ name }) => name), ["z"]);
    }
  }
});
