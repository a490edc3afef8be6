/**
 * JSON without loss: what decoding is measured against. Values keep what JSON.parse bends: digits of numbers, the sign of
 * zero, repeated names.
 */
import { type Block, type ScalarBlock, type VarcharBlock } from "../../../src/columnar/block.ts";

/** A number as sign, digits without zeros at either end, and exponent: equal texts mean equal numbers. */
export interface ExactNumber {
  readonly number: string;
}
export type Exact = null | boolean | string | ExactNumber | Exact[] | { readonly entries: [string, Exact][] };

export function exactNumber(text: string): ExactNumber {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const all = (whole + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  if (digits === "") return { number: `${sign}0` };
  return {
    number: `${sign}${digits}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(all.length - digits.length)}`,
  };
}

/** Parses valid JSON; JSON.parse is the judge of what is valid. */
export function parseExact(text: string): Exact {
  JSON.parse(text);
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[[\]{}:,]|true|false|null/gs)!;
  let at = 0;
  const value = (): Exact => {
    const token = tokens[at++];
    if (token === "[") return list("]", value);
    if (token === "{") {
      const entries = list("}", (): [string, Exact] => {
        const name: string = JSON.parse(tokens[at]);
        at += 2;
        return [name, value()];
      });
      return { entries };
    }
    if (token[0] === '"') return JSON.parse(token);
    if (token === "true" || token === "false") return token === "true";
    return token === "null" ? null : exactNumber(token);
  };
  const list = <T>(close: string, item: () => T): T[] => {
    const items: T[] = [];
    if (tokens[at] === close) {
      at++;
      return items;
    }
    do items.push(item()); while (tokens[at++] === ",");
    return items;
  };
  return value();
}

/** What a table keeps of a record's fields: the first of each name, without nulls. */
export function fieldsKept(entries: readonly [string, Exact][]): Map<string, Exact> {
  const seen = new Set<string>();
  const kept = new Map<string, Exact>();
  for (const [name, value] of entries) {
    if (!seen.has(name) && value !== null) kept.set(name, value);
    seen.add(name);
  }
  return kept;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function text({ bytes, offsets }: VarcharBlock, row: number): string {
  return decoder.decode(bytes.subarray(offsets[row], offsets[row + 1]));
}

function isoText(value: number, form: string): string {
  const ms = form === "ISO_US" ? Math.floor(value / 1000) : value;
  const iso = new Date(ms).toISOString();
  if (form === "ISO_MS") return iso;
  if (form === "ISO_S") return iso.replace(/\.000Z$/, "Z");
  return iso.replace("Z", `${String(value - ms * 1000).padStart(3, "0")}Z`);
}

/** The exact value of a block's row, by code of its own. */
export function exactValue(block: Block, row: number): Exact {
  const index = block.rows === null ? row : block.rows.subarray(0, block.valueCount).indexOf(row);
  if (index < 0) return null;
  switch (block.type) {
    case "BOOLEAN":
      return block.values[index] === 1;
    case "INTEGER":
    case "BIGINT":
      return exactNumber(String(block.values[index]));
    case "DOUBLE":
      return exactNumber(Object.is(block.values[index], -0) ? "-0" : String(block.values[index]));
    case "DATE":
      return new Date(block.values[index] * 86_400_000).toISOString().slice(0, 10);
    case "TIMESTAMP":
      if (block.form === "EPOCH_MS") return exactNumber(String(block.values[index]));
      return isoText(block.values[index], block.form);
    case "VARCHAR":
      return text(block, index);
    case "JSON": {
      const json = text(block, index);
      if (/[\r\n]/.test(json)) throw new Error("a JSON block's text has a line break");
      return parseExact(json);
    }
    default:
      return "elements" in block ? exactElements(block.elements, block.offsets, index) : {
        entries: exactElements(block.values, block.offsets, index).map((value, i) => [
          text(block.keys, block.offsets[index] + i),
          value,
        ]),
      };
  }
}

function exactElements(elements: ScalarBlock, offsets: Uint32Array, index: number): Exact[] {
  return Array.from(
    { length: offsets[index + 1] - offsets[index] },
    (_, i) => exactValue(elements, offsets[index] + i),
  );
}
