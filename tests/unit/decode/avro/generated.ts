/** Random schemas with values, and what rows must say of them. */
import { Buffer } from "node:buffer";
import type { SeededRandom } from "../../../../src/runtime/random.ts";

type Json = unknown;

const PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
const TEXTS = [
  "",
  "a",
  "plain text of some length",
  "grün",
  "\u{1f600}",
  'quote " and \\',
  "\n\u0001",
  "x".repeat(200),
];
const DOUBLES = [0, -0, 1, 0.1, -2.5e-7, 1e21, 5e-324, 1.7976931348623157e308, NaN, Infinity, -Infinity];

/** Makes schemas and values from a seed. */
export class Generator {
  readonly #random: SeededRandom;
  #names = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** A record of up to 6 fields. */
  record(depth = 0): Json {
    const fields = Array.from({ length: 1 + this.below(6) }, (_, i) => ({ name: `f${i}`, type: this.type(depth + 1) }));
    return { type: "record", name: `R${this.#names++}`, fields };
  }

  type(depth: number): Json {
    const kind = this.below(depth > 3 ? 10 : 16);
    if (kind < 8) return PRIMITIVES[kind];
    if (kind === 8) return { type: "enum", name: `E${this.#names++}`, symbols: ["A", "B", "C"] };
    if (kind === 9) return { type: "fixed", name: `F${this.#names++}`, size: this.below(5) };
    if (kind === 10) return { type: "array", items: this.type(depth + 1) };
    if (kind === 11) return { type: "map", values: this.type(depth + 1) };
    if (kind === 12) return this.record(depth);
    if (kind < 15) {
      const inner = this.#branch(depth, new Set(["null"]));
      return this.below(2) === 0 ? ["null", inner] : [inner, "null"];
    }
    const used = new Set<string>();
    return Array.from({ length: 2 + this.below(3) }, () => this.#branch(depth, used));
  }

  /** No union, and none that another branch is. */
  #branch(depth: number, used: Set<string>): Json {
    for (;;) {
      const type = this.type(depth + 1);
      if (Array.isArray(type)) continue;
      const name = branchName(type);
      if (used.has(name)) continue;
      used.add(name);
      return type;
    }
  }

  value(type: Json): Json {
    if (Array.isArray(type)) {
      const branch = this.#pick(type);
      return branch === "null" ? null : { [branchName(branch)]: this.value(branch) };
    }
    const { type: name, ...rest } = (typeof type === "string" ? { type } : type) as Record<string, Json>;
    switch (name) {
      case "null":
        return null;
      case "boolean":
        return this.below(2) === 0;
      case "int":
        return this.#pick([0, -1, 1, 63, -64, 64, -65, 2 ** 31 - 1, -(2 ** 31), this.below(1e6)]);
      case "long":
        return this.#pick([0, -1, 2 ** 31, -(2 ** 31) - 1, 2 ** 52, -(2 ** 52), this.below(1e15)]);
      case "float":
        return Math.fround(this.#pick([...DOUBLES.slice(0, 5), NaN, Infinity]));
      case "double":
        return this.#pick([...DOUBLES, this.#random.next()]);
      case "string":
        return this.#pick(TEXTS);
      case "bytes":
        return this.#bytes(this.below(10));
      case "fixed":
        return this.#bytes(rest.size as number);
      case "enum":
        return this.#pick(rest.symbols as string[]);
      case "array":
        return Array.from({ length: this.below(4) }, () => this.value(rest.items));
      case "map":
        return Object.fromEntries(TEXTS.slice(0, this.below(5)).map((key) => [key, this.value(rest.values)]));
      default:
        return Object.fromEntries(
          (rest.fields as { name: string; type: Json }[]).map((field) => [field.name, this.value(field.type)]),
        );
    }
  }

  #bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.below(256)));
  }
}

function branchName(type: Json): string {
  if (typeof type === "string") return type;
  const { type: kind, name } = type as { type: string; name?: string };
  return name ?? kind;
}

/** The value as JSON text, by the rules of the collector: no union is named, bytes are base64. */
export function expectedText(type: Json, value: Json): string {
  if (Array.isArray(type)) {
    if (value === null) return "null";
    const [[name, inner]] = Object.entries(value as object);
    return expectedText(type.find((branch) => branchName(branch) === name), inner);
  }
  const { type: name, ...rest } = (typeof type === "string" ? { type } : type) as Record<string, Json>;
  switch (name) {
    case "float":
    case "double":
      if (Object.is(value, -0)) return "-0";
      return Number.isFinite(value) ? String(value) : `"${value}"`;
    case "bytes":
    case "fixed":
      return JSON.stringify((value as Buffer).toString("base64"));
    case "array":
      return `[${(value as Json[]).map((item) => expectedText(rest.items, item)).join(",")}]`;
    case "map":
      return `{${
        Object.entries(value as object).map(([key, item]) =>
          `${JSON.stringify(key)}:${expectedText(rest.values, item)}`
        )
          .join(",")
      }}`;
    case "record":
      return `{${
        (rest.fields as { name: string; type: Json }[]).map((field) =>
          `${JSON.stringify(field.name)}:${expectedText(field.type, (value as Record<string, Json>)[field.name])}`
        ).join(",")
      }}`;
    default:
      return JSON.stringify(value);
  }
}
