/** Bytes of a config file -> text: UTF-8, nothing else, and no guess. */

import type { PropertyProblem } from "./properties.ts";

/**
 * The text of a file, without a byte order mark.
 *
 * @returns the text, or what is wrong and in which line (counted from 1).
 */
export function decodeConfigText(bytes: Uint8Array): { text: string } | { problem: PropertyProblem } {
  const mark = `${bytes[0]},${bytes[1]}`;
  if (mark === "255,254" || mark === "254,255") {
    return { problem: { line: 1, message: "the file is UTF-16: save it as UTF-8" } };
  }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    const message = "the line is not UTF-8 (Latin-1, perhaps): save the file as UTF-8, or write \\u00e9 for é";
    return { problem: { line: firstInvalidLine(bytes), message } };
  }
}

/** No byte of a UTF-8 sequence looks like LF or CR, so each line can be judged by itself. */
function firstInvalidLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  let start = 0;
  for (let i = 0; i <= bytes.length; i++) {
    const isLineEnd = i === bytes.length || bytes[i] === 0x0a || (bytes[i] === 0x0d && bytes[i + 1] !== 0x0a);
    if (!isLineEnd) continue;
    try {
      decoder.decode(bytes.subarray(start, i));
    } catch {
      return line;
    }
    line++;
    start = i + 1;
  }
  return line;
}

/** What lines of other formats look like, which no properties file has. */
const OTHER_FORMATS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ["JSON", /^\s*[{[]\s*("|$)/],
  ["YAML", /^---[ \t]*$/m],
  // A key without a value, then something that is indented: a mapping or a list.
  ["YAML", /^[A-Za-z_][\w.-]*:\s*(#.*)?\n(\s*(#.*)?\n)*[ ]+(-\s|[A-Za-z_"'][^=\n]*:(\s|$))/m],
  ["TOML or INI", /^\[\[?[\w."' -]+\]\]?\s*(#.*)?$/m],
  ["XML", /^\s*<[?!\w]/],
];

/** The format that a text is in, when it is surely no properties file, and the line (from 1) by which one sees it. */
export function otherFormat(text: string): { name: string; line: number } | null {
  const unix = text.replaceAll("\r\n", "\n");
  for (const [name, pattern] of OTHER_FORMATS) {
    const match = pattern.exec(unix);
    if (match !== null) return { name, line: unix.slice(0, match.index + match[0].search(/\S/)).split("\n").length };
  }
  return null;
}
