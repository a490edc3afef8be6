import { Buffer } from "node:buffer";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { assert, assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import { MemoryStream } from "../../../../src/codecs/byte_stream.ts";
import { detectCompression } from "../../../../src/codecs/detect_compression.ts";
import { UnpackedStream } from "../../../../src/codecs/unpacked_stream.ts";

const TEXT = Array.from({ length: 12_000 }, (_, i) => `{"i":${i},"x":"${(i * 7919) % 104729}"}\n`).join("");
const PACK = {
  gzip: (text: string) => gzipSync(text),
  zstd: (text: string) => zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
} as const;
type Compression = keyof typeof PACK;
const COMPRESSIONS = Object.keys(PACK) as Compression[];

/** A stream of bytes that can grow, and says whether it is at its end. */
class GrowingStream extends MemoryStream {
  #parts: Uint8Array[] = [];

  constructor() {
    super(new Uint8Array(0), 0);
  }

  override readonly ended: boolean = false;

  grow(bytes: Uint8Array): void {
    this.#parts.push(bytes);
  }

  override read(into: Uint8Array<ArrayBuffer>): Promise<number> {
    const part = this.#parts.shift() ?? new Uint8Array(0);
    const now = part.subarray(0, into.length);
    if (now.length < part.length) this.#parts.unshift(part.subarray(now.length));
    into.set(now);
    return Promise.resolve(now.length);
  }
}

async function readAll(
  stream: UnpackedStream,
  into = new Uint8Array(10_000),
): Promise<{ text: string; error: unknown }> {
  let text = "";
  try {
    for (let n; (n = await stream.read(into)) > 0;) text += Buffer.from(into.subarray(0, n)).toString("latin1");
    return { text, error: null };
  } catch (error) {
    return { text, error };
  }
}

async function unpack(bytes: Uint8Array, compression: Compression | "bzip2" | "xz") {
  const stream = new UnpackedStream(new MemoryStream(bytes, 0), compression);
  try {
    return await readAll(stream);
  } finally {
    await stream.close();
  }
}

for (const compression of COMPRESSIONS) {
  const pack = PACK[compression];

  Deno.test(`UnpackedStream reads ${compression}, one part and several`, async () => {
    for (const parts of [[""], ["a"], [TEXT], ["a", "", "b"], [TEXT, "x", TEXT], Array(200).fill("some more\n")]) {
      const bytes = Buffer.concat(parts.map(pack));
      assertEquals(detectCompression(bytes), compression);
      assertEquals(await unpack(bytes, compression), { text: parts.join(""), error: null });
    }
  });

  Deno.test(`UnpackedStream gives what is there of truncated ${compression}, then fails`, async () => {
    const whole = pack(TEXT);
    for (const missing of [1, 3, 4, 7, 8, 9, 1000, whole.length >> 1, whole.length - 20]) {
      const { text, error } = await unpack(whole.subarray(0, whole.length - missing), compression);
      assert(error instanceof Error && error.message.includes("is truncated"), `${missing} missing: ${error}`);
      assert(TEXT.startsWith(text));
      if (missing < 8) assertEquals(text.length, TEXT.length);
      else if (missing === whole.length >> 1) assertGreater(text.length, TEXT.length / 4);
    }
    const second = Buffer.concat([pack("first\n"), whole.subarray(0, 15)]);
    assertEquals((await unpack(second, compression)).text.slice(0, 6), "first\n");
    assert((await unpack(second, compression)).error instanceof Error);
  });

  Deno.test(`UnpackedStream finds damage in ${compression}`, async () => {
    const whole = pack(TEXT);
    for (const at of [20, 1000, whole.length >> 1, whole.length - 2]) {
      const damaged = whole.slice();
      damaged[at] ^= 0x55;
      const { error } = await unpack(damaged, compression);
      assert(error instanceof Error && /damaged|truncated/.test(error.message), `damage at ${at}: ${error}`);
    }
    const { text, error } = await unpack(Buffer.concat([whole, Buffer.from("garbage!")]), compression);
    assert(TEXT.startsWith(text));
    assert(error instanceof Error, "garbage behind the data went unnoticed");
  });

  Deno.test(`UnpackedStream skips in ${compression}`, async () => {
    const stream = new UnpackedStream(new MemoryStream(pack(TEXT), 0), compression);
    assertEquals(await stream.skip(100_001), 100_001);
    assertEquals((await readAll(stream)).text, TEXT.slice(100_001));
    assertEquals(await stream.skip(5), 0);
    await stream.close();
  });

  Deno.test(`UnpackedStream unpacks ${compression} no further than it is read`, async () => {
    const packed = pack("\0".repeat(64 << 20));
    const stream = new UnpackedStream(new MemoryStream(packed, 0), compression);
    const into = new Uint8Array(1000);
    assertEquals(await stream.read(into), 1000);
    const before = Deno.memoryUsage().external;
    for (let i = 0; i < 20; i++) {
      await stream.read(into);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assertLessOrEqual(Deno.memoryUsage().external - before, 4 << 20);
    await stream.close();
  });

  Deno.test(`UnpackedStream waits at the end of ${compression} that may still grow`, async () => {
    const packed = pack(TEXT);
    const source = new GrowingStream();
    const stream = new UnpackedStream(source, compression);
    source.grow(packed.subarray(0, 5000));
    const first = await readAll(stream);
    assertEquals(first.error, null);
    assert(first.text.length < TEXT.length && TEXT.startsWith(first.text));
    source.grow(packed.subarray(5000, 20_000));
    source.grow(packed.subarray(20_000));
    source.grow(pack("another part\n"));
    const second = await readAll(stream);
    assertEquals(first.text + second.text, `${TEXT}another part\n`);
    stream.finish();
    assertEquals(await readAll(stream), { text: "", error: null });
    assert(stream.ended);
    await stream.close();
  });

  Deno.test(`UnpackedStream says at a final end that ${compression} is incomplete`, async () => {
    const source = new GrowingStream();
    const stream = new UnpackedStream(source, compression);
    source.grow(pack(TEXT).subarray(0, 5000));
    assertEquals((await readAll(stream)).error, null);
    stream.finish();
    await assertRejects(() => stream.read(new Uint8Array(10)), Error, "is truncated");
    await stream.close();
    await stream.close();
  });
}

for (const [compression, name] of [["bzip2", "packed.bz2"], ["xz", "packed.xz"]] as const) {
  const packed = Deno.readFileSync(new URL(`../../../golden/avro/${name}`, import.meta.url));

  Deno.test(`UnpackedStream reads ${compression} however it comes, one part and several`, async () => {
    const whole = await unpack(packed, compression);
    assertEquals([whole.text.length, whole.error], [185_118, null]);
    assertEquals(await unpack(Buffer.concat([packed, packed]), compression), {
      text: whole.text.repeat(2),
      error: null,
    });
    for (const piece of [1000, 7777]) {
      const source = new GrowingStream();
      const stream = new UnpackedStream(source, compression);
      let text = "";
      for (let at = 0; at < packed.length; at += piece) {
        source.grow(packed.subarray(at, at + piece));
        text += (await readAll(stream)).text;
      }
      assertEquals(text, whole.text); // though the end isn't final
      source.grow(packed.subarray(0, packed.length - 3));
      assertEquals((await readAll(stream)).error, null);
      stream.finish();
      await assertRejects(() => stream.read(new Uint8Array(10)), Error, "is truncated");
      await stream.close();
    }
    const { text, error } = await unpack(Buffer.concat([packed, Buffer.from("something else")]), compression);
    assertEquals([text, (error as Error).message], [
      whole.text,
      `its ${compression} data is damaged: ${compression}: no stream`,
    ]);
  });
}

Deno.test("UnpackedStream reads gzip headers with everything in them, and padding behind members, in pieces", async () => {
  const body = gzipSync("text\n").subarray(10);
  const header = [0x1f, 0x8b, 8, 2 + 4 + 8 + 16, 0, 0, 0, 0, 0, 3, 3, 0, 1, 2, 3, 0x61, 0, 0x62, 0x63, 0, 9, 9];
  const bytes = Buffer.concat([Uint8Array.from(header), body, new Uint8Array(5), gzipSync(TEXT), new Uint8Array(3)]);
  assertEquals(await unpack(bytes, "gzip"), { text: `text\n${TEXT}`, error: null });
  const source = new GrowingStream();
  const stream = new UnpackedStream(source, "gzip");
  let text = "";
  for (let at = 0; at < bytes.length; at++) {
    source.grow(bytes.subarray(at, at + 1));
    if (at < 100 || at % 500 === 0 || at > bytes.length - 50) text += (await readAll(stream)).text;
  }
  stream.finish();
  assertEquals(text + (await readAll(stream)).text, `text\n${TEXT}`);
  await stream.close();
});

Deno.test("UnpackedStream gives all rows before what isn't gzip, and of a wrong checksum's member, too", async () => {
  for (const garbage of ["garbage!", "\x1f", "\x1f\x8b\x07", "{}\n"]) {
    const { text, error } = await unpack(
      Buffer.concat([gzipSync("a\n"), gzipSync(TEXT), Buffer.from(garbage, "latin1")]),
      "gzip",
    );
    assertEquals(text, `a\n${TEXT}`);
    assert(error instanceof Error, garbage);
  }
});

Deno.test("detectCompression() goes by the first bytes, and waits for enough of them", () => {
  const cases: readonly (readonly [number[], ReturnType<typeof detectCompression>])[] = [
    [[], null],
    [[0x1f], null],
    [[0x1f, 0x8b], "gzip"],
    [[0x1f, 0x7b], "none"],
    [[0x28], null],
    [[0x28, 0xb5, 0x2f], null],
    [[0x28, 0xb5, 0x2f, 0xfd], "zstd"],
    [[0x28, 0x22], "none"],
    [[0x5a, 0x2a], null],
    [[0x5a, 0x2a, 0x4d, 0x18], "zstd"],
    [[0x50], null],
    [[0x50, 0x22], "none"],
    [[0x50, 0x4b, 3, 4], "zip"],
    [[0x42, 0x5a, 0x68, 0x39], "bzip2"],
    [[0xfd, 0x37, 0x7a, 0x58], "xz"],
    [[0xff, 0xfe, 0x7b, 0], "UTF-16"],
    [[0xfe, 0xff], "UTF-16"],
    [[0x7b, 0, 0x22], "UTF-16"],
    [[0, 0x7b], "UTF-16"],
    [[0xef, 0xbb, 0xbf, 0x7b], "none"],
    [[0x7b], "none"],
    [[0x7b, 0x22, 0x61], "none"],
  ];
  for (const [bytes, expected] of cases) assertEquals(detectCompression(Uint8Array.from(bytes)), expected);
});
