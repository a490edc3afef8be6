/** Avro values as text: JSON for what is nested, and the texts of dates, times, durations and decimals. */
import { ByteWriter } from "../../columnar/byte_writer.ts";
import { InvariantError } from "../../runtime/errors.ts";
import { AvroReader } from "../../avro/avro_reader.ts";
import { decimalText, durationText, instantText, timeText, unscaledValue, uuidText } from "./logical_text.ts";
import * as ops from "../../avro/op.ts";
import type { Op } from "../../avro/op.ts";

/** Longer decimals are no numbers that anybody meant. */
const MAX_DECIMAL_BYTE_LENGTH = 4096;
/** Text may be this many times as long as the record that it comes from (names are in the schema, not in the record) ... */
const MAX_TEXT_EXPANSION = 1024;
/** ... and this many bytes more. */
const MIN_TEXT_LIMIT = 4096;

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a;
const LEFT_BRACE = 0x7b, RIGHT_BRACE = 0x7d, LEFT_BRACKET = 0x5b, RIGHT_BRACKET = 0x5d;

export class AvroTextWriter extends AvroReader {
  /** What the methods here write to; whoever calls them empties it. */
  protected readonly out: ByteWriter = new ByteWriter();

  /** Reads a value and writes it as JSON text. */
  protected writeJson(op: Op): void {
    switch (op.code) {
      case ops.NULL:
        return this.out.text("null");
      case ops.BOOLEAN:
        return this.out.text(this.readBoolean() ? "true" : "false");
      case ops.FLOAT:
        return this.#writeNumber(this.readFloat());
      case ops.DOUBLE:
        return this.#writeNumber(this.readDouble());
      case ops.WHOLE:
      case ops.DECIMAL:
      case ops.FIXED_DECIMAL:
        return this.writeText(op);
      case ops.STRING: {
        const length = this.readLength("a string");
        const from = this.take(length, "a string");
        this.checkText(from, from + length);
        if (!this.isPlain) return this.out.jsonString(this.bytes, from, from + length);
        this.out.byte(QUOTE);
        this.out.copy(this.bytes, from, from + length);
        return this.out.byte(QUOTE);
      }
      case ops.ENUM: {
        const symbol = this.readSymbol(op);
        return this.out.jsonString(symbol, 0, symbol.length);
      }
      case ops.RECORD:
        return this.#writeRecord(op);
      case ops.ARRAY:
        return this.#writeItems(op, LEFT_BRACKET, RIGHT_BRACKET);
      case ops.MAP:
        return this.#writeItems(op, LEFT_BRACE, RIGHT_BRACE);
      case ops.OPTIONAL:
        if (this.isPresent(op)) return this.writeJson(op.inner!);
        return this.out.text("null");
      case ops.UNION:
        return this.#inside(() => this.writeJson(this.readBranch(op)));
      case ops.CONSTANT:
        return this.withConstant(op, () => this.writeJson(op.inner!));
      case ops.INCOMPATIBLE:
        return this.reject("malformed-avro", op.name);
      default:
        this.out.byte(QUOTE);
        this.writeText(op);
        return this.out.byte(QUOTE);
    }
  }

  /** Reads a number, or a value that is text in JSON, and writes it without quotes. */
  protected writeText(op: Op): void {
    const out = this.out;
    switch (op.code) {
      case ops.WHOLE:
        this.readWords();
        return out.text(this.high === this.low >> 31 ? String(this.low) : String(this.wordsToBigint()));
      case ops.BYTES: {
        const length = this.readLength("bytes");
        const from = this.take(length, "bytes");
        return out.base64(this.bytes, from, from + length);
      }
      case ops.FIXED: {
        const from = this.take(op.size, "a fixed");
        return out.base64(this.bytes, from, from + op.size);
      }
      case ops.DATE:
        return out.text(instantText(BigInt(this.readInt()) * 86_400n, 0).slice(0, -"T00:00:00".length));
      case ops.TIMESTAMP_MILLIS:
      case ops.TIMESTAMP_MICROS:
      case ops.TIMESTAMP_TEXT:
        this.readWords();
        return out.text(`${instantText(this.wordsToBigint(), op.scale)}Z`);
      case ops.LOCAL_TIMESTAMP:
        this.readWords();
        return out.text(instantText(this.wordsToBigint(), op.scale));
      case ops.TIME:
        this.readWords();
        return out.text(timeText(this.wordsToBigint(), op.scale));
      case ops.DECIMAL:
        return this.#writeDecimal(this.readLength("a decimal"), op.scale);
      case ops.FIXED_DECIMAL:
        return this.#writeDecimal(op.size, op.scale);
      case ops.FIXED_UUID: {
        const from = this.take(op.size, "a uuid");
        return out.text(uuidText(this.bytes, from));
      }
      case ops.DURATION:
        return out.text(durationText(this.view, this.take(op.size, "a duration")));
      default:
        throw new InvariantError(`code ${op.code} has no text of its own`);
    }
  }

  protected readBoolean(): boolean {
    const byte = this.bytes[this.at];
    if (this.at >= this.end || byte > 1) return this.fail("a boolean, a byte of 0 or 1");
    this.at++;
    return byte === 1;
  }

  protected readFloat(): number {
    return this.view.getFloat32(this.take(4, "a float"), true);
  }

  protected readDouble(): number {
    return this.view.getFloat64(this.take(8, "a double"), true);
  }

  protected readSymbol(op: Op): Uint8Array {
    const start = this.at;
    const index = this.readInt();
    if (index < 0 || index >= op.symbols.length) {
      return this.fail(`the index of one of ${op.symbols.length} symbols`, start);
    }
    return op.symbols[index] ??
      this.reject("malformed-avro", "an enum has a symbol that the reader's schema doesn't have, and no default");
  }

  /** Whether a value follows where there may be a null. */
  protected isPresent(op: Op): boolean {
    const byte = this.bytes[this.at];
    if (this.at >= this.end || (byte !== op.valueByte && byte !== op.nullByte)) {
      return this.fail("the index of a union's branch, 0 or 1");
    }
    this.at++;
    return byte === op.valueByte;
  }

  protected readBranch(op: Op): Op {
    const start = this.at;
    const index = this.readInt();
    if (index < 0 || index >= op.branches.length) {
      return this.fail(`the index of one of a union's ${op.branches.length} branches`, start);
    }
    return op.branches[index];
  }

  /** Reads from the bytes of a constant instead of the record's. */
  protected withConstant<T>(op: Op, read: () => T): T {
    const { bytes, view, start, at, end } = this;
    this.setBytes(op.bytes!);
    this.start = this.at = 0;
    this.end = op.bytes!.length;
    try {
      return read();
    } finally {
      this.bytes = bytes;
      this.view = view;
      this.start = start;
      this.at = at;
      this.end = end;
    }
  }

  /** Passes over a value, checked as far as its own length needs it. */
  protected skip(op: Op): void {
    switch (op.code) {
      case ops.NULL:
      case ops.CONSTANT:
        return;
      case ops.BOOLEAN:
        this.readBoolean();
        return;
      case ops.WHOLE:
      case ops.DATE:
      case ops.TIME:
      case ops.TIMESTAMP_MILLIS:
      case ops.TIMESTAMP_MICROS:
      case ops.TIMESTAMP_TEXT:
      case ops.LOCAL_TIMESTAMP:
      case ops.ENUM:
        return this.readWords();
      case ops.FLOAT:
        this.take(4, "a float");
        return;
      case ops.DOUBLE:
        this.take(8, "a double");
        return;
      case ops.STRING:
      case ops.BYTES:
      case ops.DECIMAL:
        this.take(this.readLength("a value"), "a value");
        return;
      case ops.FIXED:
      case ops.FIXED_DECIMAL:
      case ops.FIXED_UUID:
      case ops.DURATION:
        this.take(op.size, "a fixed");
        return;
      case ops.OPTIONAL:
        if (this.isPresent(op)) this.skip(op.inner!);
        return;
      case ops.UNION:
        return this.#inside(() => this.skip(this.readBranch(op)));
      case ops.RECORD:
        return this.#inside(() => {
          for (const step of op.steps) this.skip(step.op);
        });
      case ops.ARRAY:
      case ops.MAP:
        return this.#inside(() => this.#skipItems(op));
      default:
        return this.reject("malformed-avro", op.name);
    }
  }

  #skipItems(op: Op): void {
    const isMap = op.code === ops.MAP;
    const minByteLength = op.inner!.minByteLength + (isMap ? 1 : 0);
    for (let count; (count = this.readBlockCount(minByteLength)) > 0;) {
      for (; count > 0; count--) {
        if (isMap) this.take(this.readLength("a key"), "a key");
        this.skip(op.inner!);
      }
    }
  }

  #inside(read: () => void): void {
    this.enter();
    read();
    this.depth--;
  }

  #writeRecord(op: Op): void {
    this.enter();
    const out = this.out;
    out.byte(LEFT_BRACE);
    let isFirst = true;
    for (const step of op.steps) {
      if (step.target < 0) {
        this.skip(step.op);
        continue;
      }
      if (!isFirst) out.byte(COMMA);
      isFirst = false;
      out.copy(step.key, 0, step.key.length);
      this.writeJson(step.op);
      this.#checkTextLength();
    }
    out.byte(RIGHT_BRACE);
    this.depth--;
  }

  #writeItems(op: Op, open: number, close: number): void {
    this.enter();
    const out = this.out;
    const isMap = op.code === ops.MAP;
    const minByteLength = op.inner!.minByteLength + (isMap ? 1 : 0);
    out.byte(open);
    let isFirst = true;
    for (let count; (count = this.readBlockCount(minByteLength)) > 0;) {
      for (; count > 0; count--) {
        if (!isFirst) out.byte(COMMA);
        isFirst = false;
        if (isMap) this.#writeKey();
        this.writeJson(op.inner!);
        this.#checkTextLength();
      }
    }
    out.byte(close);
    this.depth--;
  }

  #writeKey(): void {
    const length = this.readLength("a key");
    const from = this.take(length, "a key");
    this.checkText(from, from + length);
    this.out.jsonString(this.bytes, from, from + length);
    this.out.byte(COLON);
  }

  #writeNumber(value: number): void {
    if (Number.isFinite(value)) this.out.text(Object.is(value, -0) ? "-0" : String(value));
    else this.out.text(`"${value}"`);
  }

  #writeDecimal(length: number, scale: number): void {
    if (length > MAX_DECIMAL_BYTE_LENGTH) {
      return this.reject("too-large", `a decimal has more than ${MAX_DECIMAL_BYTE_LENGTH} bytes`);
    }
    const from = this.take(length, "a decimal");
    this.out.text(decimalText(unscaledValue(this.bytes, from, from + length), scale));
  }

  #checkTextLength(): void {
    const most = MIN_TEXT_LIMIT + MAX_TEXT_EXPANSION * (this.end - this.start);
    if (this.out.length > most) {
      this.reject("too-large", `the text of a value is more than ${MAX_TEXT_EXPANSION} times as long as the record`);
    }
  }
}
