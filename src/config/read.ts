/** Given texts -> typed values of one group of options. */

import type { ConfigProblem } from "../runtime/errors.ts";
import { type Environment, interpolate, variableOfKey } from "./environment.ts";
import type { Given } from "./given.ts";
import { doubtsOf } from "./doubtful.ts";
import { isFreeText, type Option } from "./option.ts";
import { redact } from "./secrets.ts";

/** One line of the effective config. */
export interface ListingEntry {
  /** Heading under which the key is described. */
  readonly section: string;
  readonly key: string;
  /** As it was written, secrets hidden; undefined when there is no value. */
  readonly text: string | undefined;
  /** "collector.properties:12", "environment COLLECTOR_TARGET", "--set" or "default". */
  readonly origin: string;
}

/** Where values come from and findings go while a config is read. */
export interface Reading {
  /** The value that counts for each key. */
  readonly given: ReadonlyMap<string, Given>;
  readonly environment: Environment;
  readonly problems: ConfigProblem[];
  readonly warnings: ConfigProblem[];
  readonly listing: ListingEntry[];
}

/** What stands for a value that could not be read; the problem has been noted. */
const INVALID = Symbol("invalid");

/** What came of a group of options. */
export interface ReadOptions {
  /** The typed values, but for those that are wrong or missing. */
  readonly config: Record<string, unknown>;
  /** The fields of the others; they are noted in `reading.problems`. */
  readonly invalid: readonly string[];
}

/**
 * Reads a group of options.
 *
 * @param neededBy says whose required keys these are: "stream.source=kafka".
 */
export function readOptions(
  specs: Readonly<Record<string, Option<unknown>>>,
  { section, neededBy }: { section: string; neededBy: string },
  reading: Reading,
): ReadOptions {
  const config: Record<string, unknown> = {};
  const invalid: string[] = [];
  for (const [field, option] of Object.entries(specs)) {
    const value = readOption(option, { section, neededBy }, reading);
    if (value === INVALID) invalid.push(field);
    else config[field] = value;
  }
  return { config, invalid };
}

function readOption<T>(
  option: Option<T>,
  { section, neededBy }: { section: string; neededBy: string },
  reading: Reading,
): T | typeof INVALID {
  const { key } = option;
  const given = reading.given.get(key);
  const text = given === undefined ? "" : expand(given, reading);
  if (text === undefined) return INVALID;
  const list = (shown: string | undefined, origin: string) => {
    const visible = shown === undefined ? undefined : redact(shown, option.secret);
    reading.listing.push({ section, key, text: visible, origin });
  };
  if (given === undefined || text === "") {
    list(option.defaultText, "default");
    if (!option.required) return option.defaultValue;
    const choice = option.values === undefined ? "" : `: ${option.typeName}`;
    reading.problems.push({ origin: given?.origin, key, message: `not set, but ${neededBy} needs it${choice}` });
    return INVALID;
  }
  if (option.deprecated !== undefined) {
    reading.warnings.push({ origin: given.origin, key, message: `deprecated: ${option.deprecated}` });
  }
  if (given.layer === "--set" && redact(text, option.secret) !== text) {
    const message = `everyone on this machine can read it in the list of processes: set ${variableOfKey(key)}, ` +
      "or write it into the config file";
    reading.warnings.push({ origin: given.origin, key, message });
  }
  const { value, used } = parseGiven(option, text, given, reading);
  list(used, given.origin);
  return value !== INVALID && isFreeText(option) && isDoubtful(option, given, reading) ? INVALID : value;
}

/** Notes what is doubtful in a text. True when it can't be taken as it is. */
function isDoubtful({ secret, exact }: Option<unknown>, given: Given, { problems, warnings }: Reading): boolean {
  const { origin, key } = given;
  const doubts = doubtsOf(given, { shown: !secret });
  for (const { message, certain } of doubts) (exact && certain ? problems : warnings).push({ origin, key, message });
  return exact && doubts.some(({ certain }) => certain);
}

/** The text with its `${ENV:...}` replaced; undefined when one is wrong. */
function expand({ key, text, layer, origin }: Given, reading: Reading): string | undefined {
  if (layer !== "file") return text;
  const { text: expanded, problems } = interpolate(text, reading.environment);
  for (const message of problems) reading.problems.push({ origin, key, message });
  return problems.length > 0 ? undefined : expanded.trim();
}

interface Parsed<T> {
  readonly value: T | typeof INVALID;
  /** The text that the value was read from: without quotes where those were not meant. */
  readonly used: string;
}

function parseGiven<T>(option: Option<T>, text: string, { key, origin }: Given, reading: Reading): Parsed<T> {
  try {
    return { value: option.parse(text), used: text };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const inner = /^(['"])(.*)\1$/.exec(text)?.[2].trim() ?? "";
    const value = inner === "" ? INVALID : tryParse(option, inner);
    if (value !== INVALID) {
      const shown = option.secret ? "the value without them" : `${key}=${inner}`;
      reading.warnings.push({ origin, key, message: `quotes are not part of the value: write ${shown}` });
      return { value, used: inner };
    }
    const got = option.secret ? "" : ` (got "${shorten(redact(text, false))}")`;
    reading.problems.push({ origin, key, message: `${error.message}${got}` });
    return { value: INVALID, used: text };
  }
}

function tryParse<T>(option: Option<T>, text: string): T | typeof INVALID {
  try {
    return option.parse(text);
  } catch (error) {
    if (error instanceof RangeError) return INVALID;
    throw error;
  }
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
