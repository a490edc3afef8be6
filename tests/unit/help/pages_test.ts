/** README.md, src/README.md and the help pages hang together. */
import { assert, assertEquals } from "@std/assert";
import type { Tokens } from "marked";
import { PAGES, summaryOf } from "../../../src/help/pages.ts";
import { codeSpans, type Document, DOCUMENTS, PAGE_DOCUMENTS, ROOT, tokensOf } from "./documents.ts";

const MAX_README_BYTES = 12 * 1024;
/** What a line of `collector help` has room for beside the longest topic, with 80 columns. */
const MAX_SUMMARY = 61;
const MIN_REPEATED = 50;

/** As the repository's web pages make them of headings. */
function anchorsOf(document: Document): Set<string> {
  const headings = tokensOf<Tokens.Heading>(document, "heading");
  return new Set(
    headings.map(({ text }) => text.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")),
  );
}

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url) !== undefined;
  } catch {
    return false;
  }
}

Deno.test("each help page is a topic, begins with a title and a line about it, and fits any terminal", () => {
  const files = [...Deno.readDirSync(new URL("src/help", ROOT))].map(({ name }) => name);
  const topics = files.filter((name) => name.endsWith(".md")).map((name) => name.slice(0, -".md".length));
  assertEquals(Object.keys(PAGES).toSorted(), topics.toSorted());
  for (const [topic, page] of Object.entries(PAGES)) {
    assert(/^# [^\n]+\n\n[A-Za-z][^\n`]+\.\n\n/.test(page), `${topic} begins in another way`);
    assert(summaryOf(page).length <= MAX_SUMMARY, `${topic}: a shorter line, please`);
    // deno-lint-ignore no-control-regex
    assertEquals(page.match(/[^\x0a\x20-\x7e]/), null, `${topic}: a terminal may not have this character`);
  }
});

Deno.test("README.md stays short and leads to each page", async () => {
  const { size } = await Deno.stat(new URL("README.md", ROOT));
  assert(size <= MAX_README_BYTES, `${size} bytes: write it into a page of src/help`);
  const links = tokensOf<Tokens.Link>(DOCUMENTS[0], "link").map(({ href }) => href);
  assertEquals(PAGE_DOCUMENTS.map(({ path }) => path).filter((path) => !links.includes(path)), []);
});

Deno.test("links in the docs lead somewhere", () => {
  const dead = DOCUMENTS.flatMap((document) => {
    return tokensOf<Tokens.Link>(document, "link").map(({ href }) => href).filter((href) => {
      if (/^https?:/.test(href)) return false;
      const [path, anchor] = href.split("#");
      const url = new URL(path, new URL(document.path, ROOT));
      if (!exists(url)) return true;
      const there = path === "" ? document : DOCUMENTS.find(({ path }) => new URL(path, ROOT).href === url.href);
      return anchor !== undefined && !(there !== undefined && anchorsOf(there).has(anchor));
    }).map((href) => `${document.path}: ${href}`);
  });
  assertEquals(dead, []);
});

Deno.test("files that the docs name are there", () => {
  const paths = codeSpans().filter(({ text }) => /^(src|tests)\/[\w./-]+$/.test(text));
  assertEquals(paths.filter(({ text }) => !exists(new URL(text, ROOT))), []);
});

Deno.test("nothing in the docs is said twice", () => {
  const seen = new Map<string, string>();
  const twice = DOCUMENTS.flatMap((document) => {
    const texts = tokensOf<Tokens.Paragraph>(document, "paragraph").map(({ text }) => text);
    const items = tokensOf<Tokens.ListItem>(document, "list_item").map(({ text }) => text);
    const cells = tokensOf<Tokens.Table>(document, "table").flatMap(({ rows }) => rows.flat().map(({ text }) => text));
    const sentences = [...texts, ...items, ...cells].flatMap((text) =>
      text.replaceAll("\n", " ").split(/(?<=[.:;])\s/)
    );
    return sentences.filter((sentence) => sentence.length >= MIN_REPEATED).flatMap((sentence) => {
      const where = seen.get(sentence);
      seen.set(sentence, document.path);
      return where === undefined ? [] : [`${where}, ${document.path}: ${sentence}`];
    });
  });
  assertEquals(twice, []);
});
