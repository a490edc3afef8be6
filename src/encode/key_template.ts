/**
 * Keys of objects: `{project}/{table}/dt={date}/hour={hour}` and the like.
 *
 * The names in them come from records, so nobody may be trusted: a name stays within its segment, can't pass for
 * another name, and can't make a segment that readers skip (`_...`, `.hidden`) or that we use ourselves (`_manifests`).
 * Two groups of rows never get the same key, or one object would replace the other: so a template that could do that is
 * refused (two names in one segment, an hour without its day).
 */
import { createHash } from "node:crypto";
import type { ObjectGroup } from "./piece.ts";

/** The span of event time that shares a key; null when keys say nothing about time. */
export type TimeUnit = "year" | "month" | "day" | "hour";

/** A template, understood. */
export interface KeyTemplate {
  /** As it was written. */
  readonly text: string;
  /** Whether it holds {project}; without it rows of all projects go to the same objects. */
  readonly needsProject: boolean;
  /** Whether it holds {table}; without it all tables of a project go to the same objects. */
  readonly needsTable: boolean;
  readonly timeUnit: TimeUnit | null;
  /**
   * The part of the key that the group decides, without a slash at either end. Safe: no empty, "." or ".." segments, none
   * beginning with "." or "_"; ASCII; each segment at most MAX_SEGMENT_BYTES, all at most MAX_PREFIX_BYTES long.
   */
  render(group: ObjectGroup): string;
}

/** Each segment must be a file name, too. */
export const MAX_SEGMENT_BYTES = 240;
/** With a unit's name (120), part and extension a key stays below 900 bytes; S3 allows 1,024. */
export const MAX_PREFIX_BYTES = 720;
/** An escaped name; longer ones are cut and told apart by a hash. */
export const MAX_NAME_BYTES = 160;

const UNITS: readonly TimeUnit[] = ["year", "month", "day", "hour"];

type Placeholder = "project" | "table" | "date" | TimeUnit;

/** By placeholder: the most bytes it renders to, and for times the units that it tells. */
const PLACEHOLDERS: Readonly<Record<Placeholder, { byteLength: number; units: readonly TimeUnit[] }>> = {
  project: { byteLength: MAX_NAME_BYTES, units: [] },
  table: { byteLength: MAX_NAME_BYTES, units: [] },
  date: { byteLength: 10, units: ["year", "month", "day"] },
  hour: { byteLength: 2, units: ["hour"] },
  year: { byteLength: 4, units: ["year"] },
  month: { byteLength: 2, units: ["month"] },
  day: { byteLength: 2, units: ["day"] },
};
const KNOWN = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`).join(", ");

type Part = { readonly literal: string } | { readonly placeholder: Placeholder };

/**
 * Reads a template.
 *
 * @throws RangeError with what is wrong and what to write.
 */
export function parseKeyTemplate(text: string): KeyTemplate {
  const segments = text.split("/").map((segment) => parseSegment(segment, text));
  const used = new Set(segments.flat().flatMap((part) => "placeholder" in part ? [part.placeholder] : []));
  const timeUnit = checkTimes(used);
  checkLength(segments);
  return {
    text,
    needsProject: used.has("project"),
    needsTable: used.has("table"),
    timeUnit,
    render: (group) =>
      segments.map((parts) =>
        parts.map((part) => "literal" in part ? part.literal : renderPlaceholder(part.placeholder, group)).join("")
      ).join("/"),
  };
}

function parseSegment(segment: string, template: string): Part[] {
  if (segment === "") {
    throw new RangeError(
      template === ""
        ? "is empty: write {project}, or a folder's name"
        : "has an empty segment: no slash at the start or end, and no two in a row",
    );
  }
  const parts: Part[] = [];
  for (const [piece, name] of segment.matchAll(/\{([^{}]*)\}|[^{}]+|[{}]/g)) {
    parts.push(name === undefined ? { literal: literal(piece) } : { placeholder: placeholder(name) });
  }
  const [first] = parts;
  if ("literal" in first && /^[_.]/.test(first.literal)) {
    throw new RangeError(`"${segment}" begins with "${first.literal[0]}": readers skip such names`);
  }
  const names = parts.filter((part) => "placeholder" in part && PLACEHOLDERS[part.placeholder].units.length === 0);
  if (names.length > 1) {
    throw new RangeError(`"${segment}" holds two names, which can't be told apart then: put a slash between them`);
  }
  return parts;
}

function literal(text: string): string {
  if (text === "{" || text === "}") throw new RangeError(`has a "${text}" without its partner; known are ${KNOWN}`);
  const problem = literalProblem(text);
  if (problem !== null) throw new RangeError(problem);
  return text;
}

/** What of a text that somebody chose doesn't suit a key; null when all of it does. */
export function literalProblem(text: string): string | null {
  const bad = /[^A-Za-z0-9_.=+,@:-]/u.exec(text);
  return bad === null ? null : `may not hold ${JSON.stringify(bad[0])}: use letters, digits and _ . = + , @ : -`;
}

function placeholder(name: string): Placeholder {
  if (!Object.hasOwn(PLACEHOLDERS, name)) throw new RangeError(`unknown placeholder {${name}}: known are ${KNOWN}`);
  return name as Placeholder;
}

/** The finest unit, whose coarser ones must all be told, too: else hour 5 of two days would be one key. */
function checkTimes(used: ReadonlySet<Placeholder>): TimeUnit | null {
  const told = new Set([...used].flatMap((name) => PLACEHOLDERS[name].units));
  const finest = UNITS.findLast((unit) => told.has(unit));
  if (finest === undefined) return null;
  const missing = UNITS.slice(0, UNITS.indexOf(finest)).filter((unit) => !told.has(unit));
  if (missing.length === 0) return finest;
  const needed = finest === "hour" ? "{date}" : missing.map((unit) => `{${unit}}`).join(" and ");
  throw new RangeError(`{${finest}} needs ${needed} as well: different times would share a key`);
}

function checkLength(segments: readonly Part[][]): void {
  const lengths = segments.map((parts) =>
    parts.reduce(
      (sum, part) => sum + ("literal" in part ? part.literal.length : PLACEHOLDERS[part.placeholder].byteLength),
      0,
    )
  );
  if (Math.max(...lengths) > MAX_SEGMENT_BYTES) {
    throw new RangeError(`has a segment that may become longer than ${MAX_SEGMENT_BYTES} bytes: shorten it`);
  }
  if (lengths.reduce((sum, length) => sum + length + 1, 0) > MAX_PREFIX_BYTES) {
    throw new RangeError(`may become longer than ${MAX_PREFIX_BYTES} bytes: shorten it`);
  }
}

function renderPlaceholder(name: Placeholder, group: ObjectGroup): string {
  if (name === "project") return escapeName(group.project);
  if (name === "table") return escapeName(group.collection ?? "");
  const iso = new Date(group.timeMs ?? 0).toISOString();
  switch (name) {
    case "date":
      return iso.slice(0, 10);
    case "year":
      return iso.slice(0, 4);
    case "month":
      return iso.slice(5, 7);
    case "day":
      return iso.slice(8, 10);
    case "hour":
      return iso.slice(11, 13);
  }
}

/** Stands for what no escaped name holds: the empty name, and the cut of a long one. */
const MARK = "~";
const HASH_DIGITS = 32;

/**
 * A name as part of a segment: `[A-Za-z0-9_.-]` stand for themselves, but no `_` or `.` at the start; every other byte of its
 * UTF-8 is %XX. Different names give different results, none of them empty or longer than MAX_NAME_BYTES.
 */
export function escapeName(name: string): string {
  if (name === "") return MARK;
  let escaped = "";
  for (const char of name) {
    if (/[A-Za-z0-9-]/.test(char) || (escaped !== "" && (char === "_" || char === "."))) escaped += char;
    else escaped += escapeChar(char.codePointAt(0)!);
  }
  if (escaped.length <= MAX_NAME_BYTES) return escaped;
  const kept = escaped.slice(0, MAX_NAME_BYTES - MARK.length - HASH_DIGITS).replace(/%.?$/, "");
  return `${kept}${MARK}${createHash("sha256").update(escaped).digest("hex").slice(0, HASH_DIGITS)}`;
}

/** UTF-8, percent-encoded; a lone surrogate as if it were a character, so that no two names become one. */
function escapeChar(code: number): string {
  if (code < 0x80) return hex(code);
  const last = hex(0x80 | (code & 0x3f));
  if (code < 0x800) return hex(0xc0 | (code >> 6)) + last;
  const middle = hex(0x80 | ((code >> 6) & 0x3f)) + last;
  if (code < 0x10000) return hex(0xe0 | (code >> 12)) + middle;
  return hex(0xf0 | (code >> 18)) + hex(0x80 | ((code >> 12) & 0x3f)) + middle;
}

function hex(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Digits of a part's number, so that keys sort as parts do. */
const PART_DIGITS = 4;

/**
 * The key of part `part` (0, 1, ...) of a unit's objects under a prefix: the same for the same unit, whenever and by
 * whomever it is written.
 *
 * @param unitName safe as a file name, at most 120 characters.
 * @param extension with its dot.
 */
export function objectKey(
  { prefix, unitName, part, extension }: {
    readonly prefix: string;
    readonly unitName: string;
    readonly part: number;
    readonly extension: string;
  },
): string {
  return `${prefix}/${unitName}-${String(part).padStart(PART_DIGITS, "0")}${extension}`;
}
