/** Markdown -> text for a terminal: wrapped, tables fitted to the width, colours where they are wanted. */
import { marked, type Token, type Tokens } from "marked";
import { beside, columnsOf, GAP, hanging, spaced, type TextStyle, wrap } from "./layout.ts";

/** In front of what stands below a heading, and of code once more. */
const INDENT = "  ";
/** Where the widest column of a table has less than this, a row becomes a list of its cells. */
const MIN_CELL_COLUMNS = 40;

/** The codes that begin and end an attribute (ECMA-48, SGR). */
const BOLD = [1, 22], ITALIC = [3, 23], UNDERLINED = [4, 24], CYAN = [36, 39];

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"' };

/** A page as `collector help` shows it: whole lines. Lines of code, and words that are too long, may be wider. */
export function terminalText(markdown: string, { columns, colors }: TextStyle): string {
  const text = new TerminalText(colors);
  const blocks = marked.lexer(markdown).map((token) => {
    if (token.type === "heading") return text.heading(token as Tokens.Heading);
    return hanging(INDENT, text.block(token, columns - INDENT.length));
  });
  return spaced(blocks).map((line) => `${line}\n`).join("");
}

/** Blocks and what is inside of lines, with attributes or without. */
class TerminalText {
  readonly #colors: boolean;

  constructor(colors: boolean) {
    this.#colors = colors;
  }

  heading({ depth, tokens }: Tokens.Heading): string[] {
    const text = this.#styled(this.#inline(tokens), BOLD);
    return [depth === 1 ? this.#styled(text, UNDERLINED) : text];
  }

  /** Lines of at most `columns`, as far as their words and code allow it. */
  block(token: Token, columns: number): string[] {
    switch (token.type) {
      case "paragraph":
      case "text":
        return wrap(this.#inline(token.tokens ?? []), columns);
      case "list":
        return this.#list(token as Tokens.List, columns);
      case "code":
        return hanging(INDENT, (token as Tokens.Code).text.split("\n").map((line) => this.#styled(line, CYAN)));
      case "table":
        return this.#table(token as Tokens.Table, columns);
      default:
        return []; // white space, comments
    }
  }

  #list({ items, ordered, start, loose }: Tokens.List, columns: number): string[] {
    const blocks = items.map(({ tokens }, i) => {
      const mark = ordered ? `${Number(start) + i}. ` : "- ";
      const inside = tokens.map((token) => this.block(token, columns - mark.length));
      return hanging(mark, loose ? spaced(inside) : inside.flat());
    });
    return loose ? spaced(blocks) : blocks.flat();
  }

  /** Side by side when there is room, the widest column wrapped; else each row as a list of its cells. */
  #table({ header, rows }: Tokens.Table, columns: number): string[] {
    const texts = [header, ...rows].map((row) => row.map(({ tokens }) => this.#inline(tokens)));
    const widths = texts[0].map((_, x) => Math.max(...texts.map((row) => columnsOf(row[x]))));
    const widest = widths.indexOf(Math.max(...widths));
    const others = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length - widths[widest]);
    const left = columns - others;
    if (left < Math.min(widths[widest], MIN_CELL_COLUMNS)) return this.#stacked(texts, columns);
    widths[widest] = Math.min(widths[widest], left);
    const [head, ...body] = texts.map((row) => beside(row.map((text, x) => wrap(text, widths[x])), widths));
    const isWrapped = body.some((lines) => lines.length > 1);
    const rule = widths.map((width) => "-".repeat(width)).join(GAP);
    return [...head.map((line) => this.#styled(line, BOLD)), rule, ...isWrapped ? spaced(body) : body.flat()];
  }

  /** The first cell of each row as its title, the others below it with their columns' names; of two columns, names come first. */
  #stacked(texts: readonly (readonly string[])[], columns: number): string[] {
    const [names, ...rows] = texts, isPair = names.length === 2;
    const width = Math.max(...names.slice(1).map(columnsOf));
    return spaced((isPair ? texts : rows).map(([title, ...cells]) => {
      const lines = cells.flatMap((cell, i) => {
        if (cell === "") return [];
        const name = isPair ? "" : names[i + 1].padEnd(width + GAP.length);
        return hanging(INDENT + name, wrap(cell, columns - INDENT.length - name.length));
      });
      return [...wrap(title, columns).map((line) => this.#styled(line, BOLD)), ...lines];
    }));
  }

  #inline(tokens: readonly Token[]): string {
    return tokens.map((token) => this.#span(token)).join("");
  }

  #span(token: Token): string {
    switch (token.type) {
      case "strong":
        return this.#styled(this.#inline(token.tokens ?? []), BOLD);
      case "em":
        return this.#styled(this.#inline(token.tokens ?? []), ITALIC);
      case "codespan":
        return this.#code(token as Tokens.Codespan);
      case "link":
        return this.#link(token as Tokens.Link);
      case "html":
        return "";
      default:
        return (token as Tokens.Text).text.replace(/&(\w+);/g, (entity, name) => ENTITIES[name] ?? entity);
    }
  }

  /** Signs alone are quoted: without a colour nobody would see where they end. */
  #code({ text }: Tokens.Codespan): string {
    return this.#styled(/[A-Za-z0-9]/.test(text) ? text : `"${text}"`, CYAN);
  }

  /** Another page is named as it can be asked for; a place in the repository, or in this page, by its text alone. */
  #link({ href, tokens }: Tokens.Link): string {
    const text = this.#inline(tokens);
    const [, page] = /^(\w+)\.md(?:#|$)/.exec(href) ?? [];
    if (page !== undefined) return `${text} (${this.#styled(`collector help ${page}`, CYAN)})`;
    return /^https?:/.test(href) && href !== text ? `${text} <${href}>` : text;
  }

  /** Each word by itself, so that no attribute goes on over the end of a line. */
  #styled(text: string, [begin, end]: readonly number[]): string {
    return this.#colors ? text.replace(/\S+/g, (word) => `\x1b[${begin}m${word}\x1b[${end}m`) : text;
  }
}
