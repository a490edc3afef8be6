import { nearest } from "./suggest.ts";
import { formatByteSize, formatDurationMs, parseByteSize, parseDurationMs } from "./units.ts";

/**
 * What one key of the properties file is: its one description, from which come parsing, validation, the example config,
 * the help page of all keys, `check`'s output and the hiding of secrets.
 */
export interface Option<T> {
  /** The key, as in the file. */
  readonly key: string;
  /** For people: "duration", "size", "true or false", "one of a, b". */
  readonly typeName: string;
  /** For people: "at least 1s", "1 to 1024"; undefined when there are no bounds worth a word. */
  readonly bounds: string | undefined;
  /** Meaning, in full sentences. Starts with a capital, ends with a full stop. */
  readonly doc: string;
  /** The value when the key isn't set. */
  readonly defaultValue: T;
  /** How the default is written in the file; undefined when there is none. */
  readonly defaultText: string | undefined;
  /** For people: what happens when the key isn't set and has no default ("no limit", "the SDK's own"). */
  readonly whenUnset: string | undefined;
  /** True when the key must be set (by whoever uses this component). */
  readonly required: boolean;
  /** Never printed. */
  readonly secret: boolean;
  /** Whether a doubtful text (quotes, a comment behind it, a placeholder) is refused, since it names a place or a secret. */
  readonly exact: boolean;
  /** Set when the key should no longer be used: what to use instead. */
  readonly deprecated: string | undefined;
  /** The allowed values of an enumeration, in their own letter case. */
  readonly values: readonly string[] | undefined;
  /** Reads the value (already trimmed, not empty). @throws RangeError with what is wrong and what to write. */
  parse(text: string): T;
}

/** The options of a component: a field of its config each. */
export type OptionSpecs<Config> = { readonly [Field in keyof Config]: Option<Config[Field]> };

/** The typed config that a set of options yields. */
export type ConfigOf<Specs> = { readonly [Field in keyof Specs]: Specs[Field] extends Option<infer T> ? T : never };

const TEXT = "text";
const TEXTS = "comma-separated list";

/** Whether anything may be written there. */
export function isFreeText({ typeName }: Pick<Option<unknown>, "typeName">): boolean {
  return typeName === TEXT || typeName === TEXTS;
}

interface Common {
  readonly doc: string;
  readonly whenUnset?: string;
  readonly secret?: boolean;
  readonly exact?: boolean;
  readonly deprecated?: string;
}
/** No default: the value is undefined when the key isn't set. */
type Optional = Common & { readonly default?: undefined; readonly required?: false };
type Required = Common & { readonly required: true; readonly default?: undefined };
type WithDefault<D> = Common & { readonly default: D; readonly required?: false };

type Settings<D> = Optional | Required | WithDefault<D>;
/** T where there is always a value, T | undefined otherwise. */
type Value<T, S> = S extends { required: true } ? T
  : S extends { default: infer D } ? (D extends undefined ? T | undefined : T)
  : T | undefined;

interface Kind<T> {
  readonly typeName: string;
  readonly bounds?: string;
  readonly values?: readonly string[];
  parse(text: string): T;
}

function build<T, S extends Settings<string>>(key: string, kind: Kind<T>, settings: S): Option<Value<T, S>> {
  const defaultText = settings.default;
  const defaultValue = defaultText === undefined ? undefined : kind.parse(defaultText);
  return {
    key,
    typeName: kind.typeName,
    bounds: kind.bounds,
    doc: settings.doc,
    defaultValue: defaultValue as Value<T, S>,
    defaultText,
    whenUnset: settings.whenUnset,
    required: settings.required ?? false,
    secret: settings.secret ?? false,
    exact: settings.exact ?? settings.secret ?? false,
    deprecated: settings.deprecated,
    values: kind.values,
    parse: kind.parse as (text: string) => Value<T, S>,
  };
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

function describeBounds({ min = 0, max = Infinity }: Range, format: (value: number) => string): string | undefined {
  if (min > 0 && max < Infinity) return `${format(min)} to ${format(max)}`;
  if (max < Infinity) return `at most ${format(max)}`;
  return min > 0 ? `at least ${format(min)}` : undefined;
}

/** A kind of number, as it is read and written, within a range. */
function bounded(
  typeName: string,
  read: (text: string) => number,
  { format, range }: { format: (value: number) => string; range: Range },
): Kind<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  return {
    typeName,
    bounds: describeBounds(range, format),
    parse(text) {
      const value = read(text);
      if (value < min) throw new RangeError(`must be at least ${format(min)}`);
      if (value > max) throw new RangeError(`must be at most ${format(max)}`);
      return value;
    },
  };
}

function parsePlainNumber(text: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) throw new RangeError("not a number");
  return Number(text);
}

function parseWholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new RangeError("not a whole number");
  return value;
}

interface Check {
  /** Looks at the text, or at each item of a list. @throws RangeError with what is wrong and what to write. */
  readonly check?: (text: string) => unknown;
}

function problemOf(item: string, { check }: Check): string | undefined {
  try {
    check?.(item);
    return undefined;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

function parseOneOf<V extends string>(text: string, values: readonly V[]): V {
  const found = values.find((value) => value.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  const meant = nearest(text.replaceAll(/['"]/g, ""), values);
  throw new RangeError(`must be one of ${values.join(", ")}${meant === undefined ? "" : `; did you mean ${meant}?`}`);
}

/** Items between commas; those inside braces, one or two deep, belong to a glob: "a/{b,c}.json, d" has two items. */
function splitList(text: string): string[] {
  const items = text.match(/(?:\{(?:[^{}]|\{[^{}]*\})*\}|[^,])+/g) ?? [];
  return items.map((item) => item.trim()).filter((item) => item !== "");
}

/**
 * The kinds of options. `default` is written as it would be in the file, so that the example shows it as a user would
 * write it. An option without a default is undefined when its key isn't set; `whenUnset` says what happens then.
 */
export const option = {
  string<S extends Settings<string> & Check>(key: string, settings: S): Option<Value<string, S>> {
    const parse = (text: string) => {
      settings.check?.(text);
      return text;
    };
    return build(key, { typeName: TEXT, parse }, settings);
  },

  boolean<S extends Settings<"true" | "false">>(key: string, settings: S): Option<Value<boolean, S>> {
    const parse = (text: string) => {
      const lower = text.toLowerCase();
      if (lower !== "true" && lower !== "false") throw new RangeError("must be true or false");
      return lower === "true";
    };
    return build(key, { typeName: "true or false", parse }, settings);
  },

  integer<S extends Settings<string> & Range>(key: string, settings: S): Option<Value<number, S>> {
    return build(
      key,
      bounded("whole number", parseWholeNumber, { format: String, range: settings }),
      settings,
    );
  },

  /** A whole number, or the word "auto" for what fits this machine; the doc says what that is. */
  integerOrAuto<S extends Settings<string> & Range>(key: string, settings: S): Option<Value<number | "auto", S>> {
    const { parse: parseInteger, bounds } = bounded("", parseWholeNumber, {
      format: String,
      range: settings,
    });
    const parse = (text: string) => text.toLowerCase() === "auto" ? "auto" as const : parseInteger(text);
    return build(key, { typeName: "whole number or auto", bounds, parse }, settings);
  },

  number<S extends Settings<string> & Range>(key: string, settings: S): Option<Value<number, S>> {
    return build(key, bounded("number", parsePlainNumber, { format: String, range: settings }), settings);
  },

  /** ms. `min` and `max` too. */
  duration<S extends Settings<string> & Range>(key: string, settings: S): Option<Value<number, S>> {
    return build(
      key,
      bounded("duration", parseDurationMs, { format: formatDurationMs, range: settings }),
      settings,
    );
  },

  /** Bytes. `min` and `max` too. */
  size<S extends Settings<string> & Range>(key: string, settings: S): Option<Value<number, S>> {
    return build(key, bounded("size", parseByteSize, { format: formatByteSize, range: settings }), settings);
  },

  /** One of `values`, in any letter case; the value comes out as it is written in `values`. */
  enumeration<const V extends readonly string[], S extends Settings<V[number]>>(
    key: string,
    values: V,
    settings: S,
  ): Option<Value<V[number], S>> {
    const parse = (text: string): V[number] => parseOneOf(text, values);
    return build(key, { typeName: `one of ${values.join(", ")}`, values, parse }, settings);
  },

  /**
   * Comma-separated (commas inside braces don't count); blanks around the items are dropped, empty items too. A required
   * one has at least one item.
   */
  list<S extends Settings<string> & Check>(key: string, settings: S): Option<Value<readonly string[], S>> {
    const parse = (text: string) => {
      const items = splitList(text);
      if (settings.required && items.length === 0) throw new RangeError("has no items between its commas");
      const wrong = items.map((item) => problemOf(item, settings)).filter((message) => message !== undefined);
      if (wrong.length > 0) throw new RangeError(wrong.join("; "));
      return items;
    };
    return build(key, { typeName: TEXTS, parse }, settings);
  },

  /** A list whose items are each one of `values`, in any letter case; they come out as written in `values`. */
  listOf<const V extends readonly string[], S extends Settings<string>>(
    key: string,
    values: V,
    settings: S,
  ): Option<Value<readonly V[number][], S>> {
    const parse = (text: string): V[number][] => splitList(text).map((item) => parseOneOf<V[number]>(item, values));
    return build(key, { typeName: `comma-separated list of ${values.join(", ")}`, values, parse }, settings);
  },
};
