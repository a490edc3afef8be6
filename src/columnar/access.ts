/**
 * Typed values of a block's rows, for targets that take pages. Check `isNull` first: a null row has no value. The
 * numeric ones allocate nothing. Whoever needs all values of a block goes over its arrays instead, which hold one value
 * after the other and no nulls.
 */
import { type ArrayBlock, type Block, isNull, type MapBlock, valueIndex, type VarcharBlock } from "./block.ts";
import { writeDate, writeIsoTimestamp } from "./calendar.ts";

export { isNull };

const decoder = new TextDecoder();
const scratch = new Uint8Array(32);

/** A value as JSON has it; whole numbers beyond 2^53 are bigint. */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | { [name: string]: JsonValue };

function wrongType(block: Block, wanted: string): never {
  throw new TypeError(`Cannot read a ${wanted} from a block: its type is ${block.type}`);
}

/** The number in a row of an INTEGER, BIGINT (rounded beyond 2^53), DOUBLE, DATE (days) or TIMESTAMP block. */
export function getDouble(block: Block, row: number): number {
  switch (block.type) {
    case "INTEGER":
    case "DOUBLE":
    case "DATE":
    case "TIMESTAMP":
      return block.values[valueIndex(block, row)];
    case "BIGINT":
      return Number(block.values[valueIndex(block, row)]);
    default:
      return wrongType(block, "number");
  }
}

/** The whole number in a row of an INTEGER, BIGINT, DATE (days) or TIMESTAMP (epoch ms or µs, by its form) block. */
export function getLong(block: Block, row: number): bigint {
  switch (block.type) {
    case "BIGINT":
      return block.values[valueIndex(block, row)];
    case "INTEGER":
    case "DATE":
    case "TIMESTAMP":
      return BigInt(block.values[valueIndex(block, row)]);
    default:
      return wrongType(block, "64-bit integer");
  }
}

/** The number in a row of an INTEGER block, the days since 1970-01-01 of a DATE block. */
export function getInteger(block: Block, row: number): number {
  if (block.type !== "INTEGER" && block.type !== "DATE") return wrongType(block, "32-bit integer");
  return block.values[valueIndex(block, row)];
}

/** The truth value in a row of a BOOLEAN block. */
export function getBoolean(block: Block, row: number): boolean {
  return block.type === "BOOLEAN" ? block.values[valueIndex(block, row)] === 1 : wrongType(block, "boolean");
}

function text(block: VarcharBlock, row: number): string {
  const index = valueIndex(block, row);
  return decoder.decode(block.bytes.subarray(block.offsets[index], block.offsets[index + 1]));
}

/** The text in a row of a VARCHAR block, the JSON text of a JSON block, the text that a DATE or TIMESTAMP was read from. */
export function getString(block: Block, row: number): string {
  switch (block.type) {
    case "VARCHAR":
    case "JSON":
      return text(block, row);
    case "DATE":
      return decoder.decode(scratch.subarray(0, writeDate(scratch, 0, getInteger(block, row))));
    case "TIMESTAMP": {
      const value = getDouble(block, row);
      if (block.form === "EPOCH_MS") return String(value);
      return decoder.decode(scratch.subarray(0, writeIsoTimestamp(scratch, 0, value, block.form)));
    }
    default:
      return wrongType(block, "text");
  }
}

/**
 * The value of a row as JavaScript has it: null, boolean, number, string, array or object. Whole numbers of a BIGINT
 * block beyond 2^53 come as bigint, so nothing is rounded. A JSON block's text goes through JSON.parse, which rounds numbers that
 * need more than a double; `getString` has the exact text. Of an object's fields with the same name the last one counts.
 */
export function getValue(block: Block, row: number): JsonValue {
  if (isNull(block, row)) return null;
  switch (block.type) {
    case "BOOLEAN":
      return getBoolean(block, row);
    case "INTEGER":
    case "DOUBLE":
      return getDouble(block, row);
    case "BIGINT": {
      const value = getLong(block, row);
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
    case "TIMESTAMP":
      return block.form === "EPOCH_MS" ? getDouble(block, row) : getString(block, row);
    case "DATE":
    case "VARCHAR":
      return getString(block, row);
    case "JSON":
      return JSON.parse(text(block, row));
    default:
      return "elements" in block ? elementsOf(block, row) : entriesOf(block, row);
  }
}

function elementsOf(block: ArrayBlock, row: number): JsonValue[] {
  const values: JsonValue[] = [];
  const index = valueIndex(block, row);
  for (let i = block.offsets[index]; i < block.offsets[index + 1]; i++) values.push(getValue(block.elements, i));
  return values;
}

function entriesOf(block: MapBlock, row: number): { [name: string]: JsonValue } {
  const object: { [name: string]: JsonValue } = {};
  const index = valueIndex(block, row);
  for (let i = block.offsets[index]; i < block.offsets[index + 1]; i++) {
    const value = getValue(block.values, i);
    // "__proto__" is a name like any other in JSON.
    Object.defineProperty(object, text(block.keys, i), { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}
