/** Avro object container files, byte by byte (Avro 1.12, "Object Container Files"). */

const SYNC = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const utf8 = new TextEncoder();

function long(value: number): number[] {
  const bytes: number[] = [];
  let rest = value * 2; // zigzag; nothing here is negative
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push(rest % 0x80 | 0x80);
  return [...bytes, rest];
}

function text(value: string): number[] {
  const bytes = utf8.encode(value);
  return [...long(bytes.length), ...bytes];
}

/** A file of records {"text": ..}, not packed: one block for each list of texts. */
export function avroContainer(blocks: readonly (readonly string[])[]): Uint8Array<ArrayBuffer> {
  const schema = { type: "record", name: "event", fields: [{ name: "text", type: "string" }] };
  const header = [0x4f, 0x62, 0x6a, 1, ...long(1), ...text("avro.schema"), ...text(JSON.stringify(schema)), 0, ...SYNC];
  const bytes = blocks.flatMap((texts) => {
    const contents = texts.flatMap(text);
    return [...long(texts.length), ...long(contents.length), ...contents, ...SYNC];
  });
  return Uint8Array.from([...header, ...bytes]);
}
