import { assertEquals, assertThrows } from "@std/assert";
import { WireReader, WireWriter } from "../../../../src/source/kafka/protocol/wire.ts";

Deno.test("WireWriter writes what WireReader reads, however often it grows", () => {
  for (const initial of [1, 2, 3, 5, 8, 13, 256]) {
    const writer = new WireWriter(initial);
    for (let i = 0; i < 100; i++) {
      writer.int8(1 - i).int16(i * 300).int32(1 - i * 70_000).int64(BigInt(i) << 40n).string(`text ${i} ü`).string(null)
        .boolean(i % 2 === 0).byteString(Uint8Array.of(i)).byteString(null).array(
          [i, i + 1],
          (n) => void writer.int32(n),
        );
    }
    const reader = new WireReader(writer.bytes);
    for (let i = 0; i < 100; i++) {
      assertEquals([reader.int8(), reader.int16(), reader.int32(), reader.int64()], [
        1 - i,
        i * 300,
        1 - i * 70_000,
        BigInt(i) << 40n,
      ]);
      assertEquals([reader.string(), reader.nullableString(), reader.boolean()], [`text ${i} ü`, null, i % 2 === 0]);
      assertEquals([[...reader.byteString()], [...reader.byteString()]], [[i], []]);
      assertEquals(reader.array(() => reader.int32()), [i, i + 1]);
    }
    assertEquals(reader.remaining, 0);
  }
});

Deno.test("WireReader throws a RangeError at every place where an answer may be cut off", () => {
  const writer = new WireWriter();
  writer.int16(1).string("name").array([1, 2], (n) => void writer.int64(BigInt(n))).byteString(Uint8Array.of(1, 2, 3));
  const read = (reader: WireReader) => {
    reader.int16();
    reader.string();
    reader.array(() => reader.int64());
    reader.byteString();
  };
  read(new WireReader(writer.bytes));
  for (let length = 0; length < writer.bytes.length; length++) {
    assertThrows(() => read(new WireReader(writer.bytes.subarray(0, length))), RangeError);
  }
});

Deno.test("WireReader makes no room for an array longer than the answer", () => {
  const reader = new WireReader(new WireWriter().int32(0x7fffffff).bytes);
  assertThrows(() => reader.array(() => reader.int8()), RangeError, "Array of 2147483647 in 0 bytes");
});
