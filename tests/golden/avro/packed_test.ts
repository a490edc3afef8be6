/** Data that libbzip2 and liblzma packed: what comes out must be what went in, whatever is damaged never something else. */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { decompressBzip2 } from "../../../src/codecs/bzip2.ts";
import { ContainerError, unpackBlock } from "../../../src/avro/container.ts";
import { decompressXz } from "../../../src/codecs/xz.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";

const BYTE_LENGTH = 185118;
const SHA_256 = "faf1a923838f0e9a216fa20e0225709ed1b2dd8ee3f3dbc8da864d87746c9d2a";
const read = (name: string) => Deno.readFileSync(new URL(name, import.meta.url));
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const UNPACK = { bzip2: decompressBzip2, xz: decompressXz };

for (const [codec, file] of [["bzip2", "packed.bz2"], ["xz", "packed.xz"]] as const) {
  Deno.test(`${codec} gives what was packed, and no more than allowed`, () => {
    const packed = read(file);
    const contents = UNPACK[codec](packed, BYTE_LENGTH);
    assertEquals([contents.length, sha256(contents)], [BYTE_LENGTH, SHA_256]);
    assertThrows(() => UNPACK[codec](packed, 60_000), RangeError, "more than 60000 bytes");
  });

  Deno.test(`damaged ${codec} is an error`, () => {
    const packed = read(file), random = new SeededRandom(1);
    for (let i = 0; i < 40; i++) {
      const damaged = packed.slice(0, i % 4 === 0 ? Math.floor(random.next() * packed.length) : packed.length);
      if (damaged.length > 0) {
        damaged[Math.floor(random.next() * damaged.length)] ^= 1 + Math.floor(random.next() * 255);
      }
      try {
        assert(sha256(unpackBlock(damaged, codec)) === SHA_256, `damage ${i} went unseen`);
      } catch (error) {
        assert(error instanceof ContainerError, String(error));
      }
    }
  });
}
