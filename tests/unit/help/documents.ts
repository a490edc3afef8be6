/** README.md, src/README.md and the help pages, taken apart. */
import { marked, type Token, type Tokens } from "marked";
import { PAGES } from "../../../src/help/pages.ts";

export const ROOT = new URL("../../../", import.meta.url);

export interface Document {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
  readonly tokens: readonly Token[];
}

function documentOf(path: string, text: string): Document {
  const tokens: Token[] = [];
  marked.walkTokens(marked.lexer(text), (token) => void tokens.push(token));
  return { path, text, tokens };
}

export const PAGE_DOCUMENTS = Object.entries(PAGES).map(([topic, text]) => documentOf(`src/help/${topic}.md`, text));

export const DOCUMENTS = [
  ...["README.md", "src/README.md"].map((path) => documentOf(path, Deno.readTextFileSync(new URL(path, ROOT)))),
  ...PAGE_DOCUMENTS,
];

export function tokensOf<T extends Token>(document: Document, type: T["type"]): T[] {
  return document.tokens.filter((token): token is T => token.type === type);
}

/** The fenced blocks of some languages, each with the path of its document. */
export function blocksOf(...languages: readonly string[]): { readonly path: string; readonly text: string }[] {
  return DOCUMENTS.flatMap((document) =>
    tokensOf<Tokens.Code>(document, "code").filter(({ lang }) => languages.includes(lang ?? ""))
      .map(({ text }) => ({ path: document.path, text }))
  );
}

/** What stands between backticks, each with the path of its document. */
export function codeSpans(): { readonly path: string; readonly text: string }[] {
  return DOCUMENTS.flatMap((document) =>
    tokensOf<Tokens.Codespan>(document, "codespan").map(({ text }) => ({ path: document.path, text }))
  );
}
