/**
 * Writers of single values, one class a type, made once a column and page. They write the value alone: nulls and keys are
 * the row's affair.
 */
import {
  type ArrayBlock,
  type BigintBlock,
  type Block,
  type BooleanBlock,
  type DateBlock,
  type DoubleBlock,
  type IntegerBlock,
  isNull,
  type MapBlock,
  type ScalarBlock,
  type TimestampBlock,
  type VarcharBlock,
} from "../columnar/block.ts";
import {
  bigintWords,
  MAX_DOUBLE_BYTES,
  MAX_INTEGER_BYTES,
  writeBigint,
  writeDouble,
  writeSafeInteger,
} from "./numbers.ts";
import { type ByteSource, byteSource, copyRange, fragment, type OutputBuffer, writeFragment } from "./output_buffer.ts";
import { escapedByteLength, MAX_ESCAPED_BYTES, writeEscaped } from "./strings.ts";
import { MAX_DATE_BYTES, MAX_TIMESTAMP_BYTES, writeDate, writeTimestamp } from "./times.ts";

/** Writes the values of one block as JSON. */
export interface ValueWriter {
  /** The most bytes that one value takes besides its own bytes (of strings, elements, entries). */
  readonly fixedByteLength: number;
  /** The most bytes that rows [start, end) take beyond fixedByteLength a row. */
  variableByteLength(start: number, end: number): number;
  /** Writes row `row`, which isn't null. The room is reserved already. @returns the position after it. */
  write(out: OutputBuffer, row: number, position: number): number;
}

/** The writer of a block's values. */
export function valueWriter(block: Block): ValueWriter {
  switch (block.type) {
    case "BOOLEAN":
      return new BooleanWriter(block);
    case "INTEGER":
      return new IntegerWriter(block);
    case "BIGINT":
      return new BigintWriter(block);
    case "DOUBLE":
      return new DoubleWriter(block);
    case "DATE":
      return new DateWriter(block);
    case "TIMESTAMP":
      return new TimestampWriter(block);
    case "VARCHAR":
      return block.plain ? new PlainWriter(block) : new EscapingWriter(block);
    case "JSON":
      return new JsonWriter(block);
  }
  return "keys" in block ? new MapWriter(block) : new ArrayWriter(block);
}

const TRUE = fragment("true"), FALSE = fragment("false"), NULL = fragment("null");
const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a;
const OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d, OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d;

/** What the writers of fixed-width types have in common. */
abstract class FixedWriter implements ValueWriter {
  abstract readonly fixedByteLength: number;
  abstract write(out: OutputBuffer, row: number, position: number): number;
  variableByteLength(): number {
    return 0;
  }
}

class BooleanWriter extends FixedWriter {
  readonly fixedByteLength = 8;
  readonly #values: Uint8Array;
  constructor(block: BooleanBlock) {
    super();
    this.#values = block.values;
  }
  write(out: OutputBuffer, row: number, position: number): number {
    return writeFragment(out, position, this.#values[row] === 0 ? FALSE : TRUE);
  }
}

class IntegerWriter extends FixedWriter {
  readonly fixedByteLength = MAX_INTEGER_BYTES;
  readonly #values: Int32Array;
  constructor(block: IntegerBlock) {
    super();
    this.#values = block.values;
  }
  write(out: OutputBuffer, row: number, position: number): number {
    return writeSafeInteger(out, position, this.#values[row]);
  }
}

class BigintWriter extends FixedWriter {
  readonly fixedByteLength = MAX_INTEGER_BYTES;
  readonly #words: Int32Array;
  constructor(block: BigintBlock) {
    super();
    this.#words = bigintWords(block.values);
  }
  write(out: OutputBuffer, row: number, position: number): number {
    return writeBigint(out, position, this.#words, row);
  }
}

class DoubleWriter extends FixedWriter {
  readonly fixedByteLength = MAX_DOUBLE_BYTES;
  readonly #values: Float64Array;
  constructor(block: DoubleBlock) {
    super();
    this.#values = block.values;
  }
  write(out: OutputBuffer, row: number, position: number): number {
    return writeDouble(out, position, this.#values[row]);
  }
}

class DateWriter extends FixedWriter {
  readonly fixedByteLength = MAX_DATE_BYTES;
  readonly #values: Int32Array;
  constructor(block: DateBlock) {
    super();
    this.#values = block.values;
  }
  write(out: OutputBuffer, row: number, position: number): number {
    return writeDate(out, position, this.#values[row]);
  }
}

class TimestampWriter extends FixedWriter {
  readonly fixedByteLength = MAX_TIMESTAMP_BYTES;
  readonly #block: TimestampBlock;
  constructor(block: TimestampBlock) {
    super();
    this.#block = block;
  }
  write(out: OutputBuffer, row: number, position: number): number {
    return writeTimestamp(out, position, this.#block.values[row], this.#block.form);
  }
}

/** Strings and JSON text: bytes between offsets. */
abstract class BytesWriter implements ValueWriter {
  /** Two quotes. */
  readonly fixedByteLength = 2;
  protected readonly source: ByteSource;
  protected readonly offsets: Uint32Array;
  constructor(block: VarcharBlock) {
    this.source = byteSource(block.bytes);
    this.offsets = block.offsets;
  }
  variableByteLength(start: number, end: number): number {
    return this.offsets[end] - this.offsets[start];
  }
  abstract write(out: OutputBuffer, row: number, position: number): number;
}

class JsonWriter extends BytesWriter {
  write(out: OutputBuffer, row: number, position: number): number {
    return copyRange(out, position, this.source, this.offsets[row], this.offsets[row + 1]);
  }
}

class PlainWriter extends BytesWriter {
  write(out: OutputBuffer, row: number, position: number): number {
    out.bytes[position] = QUOTE;
    position = copyRange(out, position + 1, this.source, this.offsets[row], this.offsets[row + 1]);
    out.bytes[position] = QUOTE;
    return position + 1;
  }
}

/** From this length on the escapes are counted rather than supposed everywhere. */
const COUNT_ESCAPES_ABOVE_BYTES = 65_536;

class EscapingWriter extends BytesWriter {
  override variableByteLength(start: number, end: number): number {
    const from = this.offsets[start], to = this.offsets[end];
    if (to - from > COUNT_ESCAPES_ABOVE_BYTES) return escapedByteLength(this.source.bytes, from, to);
    return (to - from) * MAX_ESCAPED_BYTES;
  }
  write(out: OutputBuffer, row: number, position: number): number {
    out.bytes[position] = QUOTE;
    position = writeEscaped(out, position + 1, this.source, this.offsets[row], this.offsets[row + 1]);
    out.bytes[position] = QUOTE;
    return position + 1;
  }
}

/** Elements of an array or the values of a map; here nulls are written. */
class ElementWriter {
  readonly #block: ScalarBlock;
  readonly #writer: ValueWriter;
  /** Room for "null" too. */
  readonly fixedByteLength: number;
  constructor(block: ScalarBlock) {
    this.#block = block;
    this.#writer = valueWriter(block);
    this.fixedByteLength = Math.max(this.#writer.fixedByteLength, 4);
  }
  byteLength(start: number, end: number): number {
    return this.#writer.variableByteLength(start, end) + (end - start) * (this.fixedByteLength + 1);
  }
  write(out: OutputBuffer, index: number, position: number): number {
    if (isNull(this.#block, index)) return writeFragment(out, position, NULL);
    return this.#writer.write(out, index, position);
  }
}

class ArrayWriter implements ValueWriter {
  /** Two brackets. */
  readonly fixedByteLength = 2;
  readonly #offsets: Uint32Array;
  readonly #elements: ElementWriter;
  constructor(block: ArrayBlock) {
    this.#offsets = block.offsets;
    this.#elements = new ElementWriter(block.elements);
  }
  variableByteLength(start: number, end: number): number {
    return this.#elements.byteLength(this.#offsets[start], this.#offsets[end]);
  }
  write(out: OutputBuffer, row: number, position: number): number {
    const start = this.#offsets[row], end = this.#offsets[row + 1];
    out.bytes[position++] = OPEN_BRACKET;
    for (let i = start; i < end; i++) {
      if (i > start) out.bytes[position++] = COMMA;
      position = this.#elements.write(out, i, position);
    }
    out.bytes[position] = CLOSE_BRACKET;
    return position + 1;
  }
}

class MapWriter implements ValueWriter {
  /** Two braces. */
  readonly fixedByteLength = 2;
  readonly #offsets: Uint32Array;
  readonly #keys: ValueWriter;
  readonly #values: ElementWriter;
  constructor(block: MapBlock) {
    this.#offsets = block.offsets;
    this.#keys = valueWriter(block.keys);
    this.#values = new ElementWriter(block.values);
  }
  variableByteLength(start: number, end: number): number {
    const first = this.#offsets[start], last = this.#offsets[end];
    const keyByteLength = this.#keys.variableByteLength(first, last) +
      (last - first) * (this.#keys.fixedByteLength + 1);
    return keyByteLength + this.#values.byteLength(first, last);
  }
  write(out: OutputBuffer, row: number, position: number): number {
    const start = this.#offsets[row], end = this.#offsets[row + 1];
    out.bytes[position++] = OPEN_BRACE;
    for (let i = start; i < end; i++) {
      if (i > start) out.bytes[position++] = COMMA;
      position = this.#keys.write(out, i, position);
      out.bytes[position++] = COLON;
      position = this.#values.write(out, i, position);
    }
    out.bytes[position] = CLOSE_BRACE;
    return position + 1;
  }
}
