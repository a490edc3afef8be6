import { assertEquals, assertThrows } from "@std/assert";
import { SeededRandom } from "../../../../src/runtime/random.ts";
import { FrameAssembler } from "../../../../src/source/kafka/network/frame_assembler.ts";
import { patternBytes } from "../../../support/stored_object.ts";

function framed(content: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + content.length);
  new DataView(frame.buffer).setInt32(0, content.length);
  frame.set(content, 4);
  return frame;
}

Deno.test("FrameAssembler gives each frame whole and alone in its buffer, however the bytes come", () => {
  const random = new SeededRandom(3);
  for (let round = 0; round < 200; round++) {
    const expected = Array.from(
      { length: 1 + Math.floor(random.next() * 6) },
      (_, i) => framed(patternBytes(Math.floor(random.next() * 20), i)),
    );
    const stream = new Uint8Array(expected.flatMap((frame) => [...frame]));
    const frames: Uint8Array[] = [];
    const assembler = new FrameAssembler((frame) => frames.push(frame));
    for (let at = 0; at < stream.length;) {
      const end = Math.min(stream.length, at + Math.floor(random.next() * 12));
      const chunk = stream.slice(at, end);
      assembler.push(chunk);
      chunk.fill(0xff); // whoever sent it uses it again
      at = end;
    }
    assertEquals(frames, expected);
    for (const frame of frames) assertEquals(frame.buffer.byteLength, frame.length);
  }
});

Deno.test("FrameAssembler refuses lengths that no broker sends", () => {
  for (const bytes of [new TextEncoder().encode("HTTP/1.1 400 Bad Request"), Uint8Array.of(255, 255, 255, 255)]) {
    const assembler = new FrameAssembler(() => {
      throw new Error("there is no frame");
    });
    assertThrows(() => assembler.push(bytes), RangeError, "this is no Kafka broker's");
  }
});
