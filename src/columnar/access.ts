/**
 * Typed values of a block's rows, for targets that take pages. Check `isNull` first: a null row has no value. The
 * numeric ones allocate nothing.
 */
import { type Block, isNull, type MapBlock, type ScalarBlock, type VarcharBlock } from "./block.ts";
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
      return block.values[row];
    case "BIGINT":
      return Number(block.values[row]);
    default:
      return wrongType(block, "number");
  }
}

/** The whole number in a row of an INTEGER, BIGINT, DATE (days) or TIMESTAMP (epoch ms or µs, by its form) block. */
export function getLong(block: Block, row: number): bigint {
  switch (block.type) {
    case "BIGINT":
      return block.values[row];
    case "INTEGER":
    case "DATE":
    case "TIMESTAMP":
      return BigInt(block.values[row]);
    default:
      return wrongType(block, "64-bit integer");
  }
}

/** The number in a row of an INTEGER block, the days since 1970-01-01 of a DATE block. */
export function getInteger(block: Block, row: number): number {
  return block.type === "INTEGER" || block.type === "DATE" ? block.values[row] : wrongType(block, "32-bit integer");
}

/** The truth value in a row of a BOOLEAN block. */
export function getBoolean(block: Block, row: number): boolean {
  return block.type === "BOOLEAN" ? block.values[row] === 1 : wrongType(block, "boolean");
}

function text(block: VarcharBlock, row: number): string {
  return decoder.decode(block.bytes.subarray(block.offsets[row], block.offsets[row + 1]));
}

/** The text in a row of a VARCHAR block, the JSON text of a JSON block, the text that a DATE or TIMESTAMP was read from. */
export function getString(block: Block, row: number): string {
  switch (block.type) {
    case "VARCHAR":
    case "JSON":
      return text(block, row);
    case "DATE":
      return decoder.decode(scratch.subarray(0, writeDate(scratch, 0, block.values[row])));
    case "TIMESTAMP": {
      if (block.form === "EPOCH_MS") return String(block.values[row]);
      return decoder.decode(scratch.subarray(0, writeIsoTimestamp(scratch, 0, block.values[row], block.form)));
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
      return block.values[row] === 1;
    case "INTEGER":
    case "DOUBLE":
      return block.values[row];
    case "BIGINT": {
      const value = block.values[row];
      return Number.isSafeInteger(Number(value)) ? Number(value) : value;
    }
    case "TIMESTAMP":
      return block.form === "EPOCH_MS" ? block.values[row] : getString(block, row);
    case "DATE":
    case "VARCHAR":
      return getString(block, row);
    case "JSON":
      return JSON.parse(text(block, row));
    default:
      return "elements" in block
        ? elementsOf(block.elements, block.offsets[row], block.offsets[row + 1])
        : entriesOf(block, row);
  }
}

function elementsOf(elements: ScalarBlock, start: number, end: number): JsonValue[] {
  const values: JsonValue[] = [];
  for (let i = start; i < end; i++) values.push(getValue(elements, i));
  return values;
}

function entriesOf(block: MapBlock, row: number): { [name: string]: JsonValue } {
  const object: { [name: string]: JsonValue } = {};
  for (let i = block.offsets[row]; i < block.offsets[row + 1]; i++) {
    const value = getValue(block.values, i);
    // "__proto__" is a name like any other in JSON.
    Object.defineProperty(object, text(block.keys, i), { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}
