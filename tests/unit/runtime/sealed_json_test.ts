import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseSealed, sealed } from "../../../src/runtime/sealed_json.ts";

const FIELDS = ["version", "position"];
const TEXT = '{"version":1,"position":"1042"}\n';

Deno.test("parseSealed() gives back what was sealed, without the checksum", () => {
  assertEquals(parseSealed(sealed(TEXT), FIELDS), { version: 1, position: "1042" });
  assertEquals(sealed("{ }"), '{ ,"crc32":"' + sealed("{ }").slice(12, 20) + '"}');
});

Deno.test("parseSealed() believes a text of before, and none that has fields of its own", () => {
  assertEquals(parseSealed(TEXT, FIELDS), { version: 1, position: "1042" });
  assertThrows(() => parseSealed('{"version":1,"crc3":"00000000"}', FIELDS), TypeError, "damaged");
  assertThrows(() => parseSealed(sealed(TEXT).replace('"crc32":"', '"crc32": "'), FIELDS), TypeError, "take out");
  assertThrows(() => parseSealed("[]", FIELDS), TypeError, "object");
});

Deno.test("parseSealed() refuses a text in which bytes were changed, left out or doubled, wherever", () => {
  const bytes = new TextEncoder().encode(sealed(TEXT)), last = bytes.length - 2;
  const refused = (damaged: Uint8Array) =>
    assertThrows(() => parseSealed(new TextDecoder().decode(damaged), FIELDS), Error);
  fc.assert(fc.property(fc.nat(last), fc.integer({ min: 1, max: 127 }), (at, mask) => {
    refused(bytes.map((byte, i) => i === at ? byte ^ mask : byte));
  }));
  fc.assert(fc.property(fc.nat(last), fc.integer({ min: 1, max: 10 }), (at, count) => {
    const end = Math.min(at + count, last + 1);
    refused(new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(end)]));
    if (bytes[at] !== bytes[at + 1]) refused(new Uint8Array([...bytes.subarray(0, end), ...bytes.subarray(at)]));
  }));
});
