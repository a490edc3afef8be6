import { assertEquals } from "@std/assert";
import { parseProperties } from "../../../src/config/properties.ts";

/** One line a case; RecordProperties.java writes it. */
const RECORDED = new URL("./properties_cases.ndjson", import.meta.url);

interface Recorded {
  readonly text: string;
  readonly entries?: string[][];
  readonly error?: string;
}

/** Where Java makes an empty key out of nothing; see the parser's header. */
function withoutPhantomKey(text: string, entries: string[][]): string[][] {
  const last = entries.at(-1);
  const endsInLoneBackslash = /(^|[\n\r])[ \t\f]*\\[\n\r]?$/.test(text);
  return endsInLoneBackslash && last?.[0] === "" && last[1] === "" ? entries.slice(0, -1) : entries;
}

Deno.test("parseProperties() reads what java.util.Properties reads", () => {
  const failures: unknown[] = [];
  const recorded = Deno.readTextFileSync(RECORDED).trim().split("\n").map((line): Recorded => JSON.parse(line));
  for (const { text, entries, error } of recorded) {
    const parsed = parseProperties(text);
    const actual = parsed.problems.length > 0 ? "error" : parsed.entries.map(({ key, value }) => [key, value]);
    const expected = error !== undefined ? "error" : withoutPhantomKey(text, entries!);
    if (JSON.stringify(actual) !== JSON.stringify(expected)) failures.push({ text, actual, expected });
  }
  assertEquals(failures, []);
});

Deno.test("parseProperties() knows the line of each key", () => {
  const text = "# comment\n\na=1\r\nb=\\\r\n  2,\\\r\n  3\rc=4\n\n\\\n\n d=5";
  const lines = parseProperties(text).entries.map(({ key, value, line }) => `${line}: ${key}=${value}`);
  assertEquals(lines, ["3: a=1", "4: b=2,3", "7: c=4", "11: d=5"]);
});

Deno.test("parseProperties() reports malformed escapes by line and reads the rest", () => {
  const { entries, problems } = parseProperties("a=1\nb=x\\u12\nc=\\uzzzz\nd=4");
  assertEquals(entries.map(({ key }) => key), ["a", "d"]);
  assertEquals(problems, [
    { line: 2, message: 'malformed escape "\\u12": write \\u and four hex digits, or \\\\ for a backslash' },
    { line: 3, message: 'malformed escape "\\uzzzz": write \\u and four hex digits, or \\\\ for a backslash' },
  ]);
});
