/**
 * The grammar of java.util.Properties.load, as Java 17 reads it, with the line of each key.
 *
 *     natural line   ends at LF, CR, CR LF or the end of the text
 *     blank          only space, tab, form feed: skipped
 *     comment        first other character is # or !: skipped, never continued
 *     logical line   natural lines that end in an odd number of \ go on in the next one, whose leading blanks are dropped
 *     key            up to the first = : or blank that has no \ before it
 *     value          after blanks, at most one = or :, and blanks again
 *     escapes        \t \n \r \f, backslash u and four hex digits; any other character stands for itself
 *
 * One difference, on purpose: Java makes an empty key of a lone \ at the end of the text; here it is nothing.
 */

/** One assignment of the file, escapes resolved, blanks at the value's end kept (as Java keeps them). */
export interface PropertyEntry {
  readonly key: string;
  readonly value: string;
  /** Escapes of the value that mean nothing: "\\w" of C:\work, where Java and we drop the backslash. */
  readonly lostEscapes?: readonly string[];
  /** 1 for the first line; where the key starts when the value goes on over several lines. */
  readonly line: number;
}

/** A line that is no assignment. */
export interface PropertyProblem {
  readonly line: number;
  readonly message: string;
}

/** What a file holds, in its order. The same key may come twice: the last one counts. */
export interface Properties {
  readonly entries: readonly PropertyEntry[];
  readonly problems: readonly PropertyProblem[];
}

interface LogicalLine {
  readonly text: string;
  readonly line: number;
}

const BLANKS = /^[ \t\f]+/;
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|([^]))/g;
const CONTROL: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/** Reads a properties text (see the module's grammar). Malformed escapes are problems; the other lines are read all the same. */
export function parseProperties(text: string): Properties {
  const entries: PropertyEntry[] = [];
  const problems: PropertyProblem[] = [];
  for (const { text: line, line: lineNumber } of logicalLines(text)) {
    const { key, value } = splitLine(line);
    const malformed = findMalformedEscape(line);
    if (malformed === undefined) {
      const lostEscapes = lostIn(value);
      entries.push({
        key: unescape(key),
        value: unescape(value),
        ...(lostEscapes.length > 0 && { lostEscapes }),
        line: lineNumber,
      });
    } else {
      const message = `malformed escape "${malformed}": write \\u and four hex digits, or \\\\ for a backslash`;
      problems.push({ line: lineNumber, message });
    }
  }
  return { entries, problems };
}

function logicalLines(text: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  let pending = "";
  let start = 0;
  for (const [index, natural] of text.split(/\r\n|\r|\n/).entries()) {
    const line = natural.replace(BLANKS, "");
    if (pending === "") {
      if (line === "" || line[0] === "#" || line[0] === "!") continue;
      start = index + 1;
    }
    const continued = endsInBackslash(line);
    pending += continued ? line.slice(0, -1) : line;
    if (continued) continue;
    lines.push({ text: pending, line: start });
    pending = "";
  }
  if (pending !== "") lines.push({ text: pending, line: start });
  return lines;
}

/** True when the last backslash is not itself escaped. */
function endsInBackslash(line: string): boolean {
  let count = 0;
  while (line[line.length - 1 - count] === "\\") count++;
  return count % 2 === 1;
}

function splitLine(line: string): { key: string; value: string } {
  let end = 0;
  while (end < line.length && !" \t\f=:".includes(line[end])) end += line[end] === "\\" ? 2 : 1;
  const rest = line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
  return { key: line.slice(0, end), value: rest };
}

function findMalformedEscape(line: string): string | undefined {
  for (const match of line.matchAll(ESCAPE)) {
    if (match[2] === "u") return line.slice(match.index, match.index + 6);
  }
  return undefined;
}

/** Those of characters that need one somewhere, as Java writes them itself, are none. */
function lostIn(value: string): string[] {
  return [...value.matchAll(ESCAPE)].filter(([, hex, character]) =>
    hex === undefined && !Object.hasOwn(CONTROL, character) && !"\\:=#! \t\f\"'$".includes(character)
  ).map(([escape]) => escape);
}

function unescape(text: string): string {
  return text.replace(ESCAPE, (_, hex: string | undefined, character: string) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
    return Object.hasOwn(CONTROL, character) ? CONTROL[character] : character;
  });
}
