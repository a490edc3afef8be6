/** Text for a screen: wrapped lines, hanging indents, columns. */

/** How wide the text may be, in columns, and whether it may have colours and other attributes. */
export interface TextStyle {
  readonly columns: number;
  readonly colors: boolean;
}

/** Between the columns of a table. */
export const GAP = "  ";
// deno-lint-ignore no-control-regex
const CODES = /\x1b\[\d+m/g;

/** Blocks as lines, a blank one between them. */
export function spaced(blocks: readonly (readonly string[])[]): string[] {
  return blocks.filter((lines) => lines.length > 0).flatMap((lines, i) => i === 0 ? lines : ["", ...lines]);
}

/** `first` in front of the first line, and as many spaces in front of the others. */
export function hanging(first: string, lines: readonly string[]): string[] {
  const rest = " ".repeat(first.length);
  return lines.map((line, i) => line === "" ? "" : `${i === 0 ? first : rest}${line}`);
}

/** Columns that the text takes: codes of attributes take none. */
export function columnsOf(text: string): number {
  return text.replace(CODES, "").length;
}

/** Lines of at most `columns`, broken at spaces only: a word that is longer has a line of its own. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && columnsOf(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Cells of a row, each of some lines, beside each other; `widths` in columns. */
export function beside(cells: readonly (readonly string[])[], widths: readonly number[]): string[] {
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, y) => {
    const texts = cells.map((lines, x) => {
      const text = lines[y] ?? "";
      return text + " ".repeat(Math.max(0, widths[x] - columnsOf(text)));
    });
    return texts.join(GAP).trimEnd();
  });
}
