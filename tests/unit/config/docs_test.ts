import { assertEquals, assertMatch } from "@std/assert";
import { escapeValue, exampleProperties, keysPage } from "../../../src/config/docs.ts";
import { parseProperties } from "../../../src/config/properties.ts";
import { testRegistry } from "./test_registry.ts";

Deno.test("exampleProperties() writes every key with its meaning, defaults as comments", () => {
  const example = exampleProperties(testRegistry, { "stream.source": "tape", "tape.reel": "C:\\r" });
  const chapter = example.slice(example.indexOf("# Source: tape"), example.indexOf("# Source: drum"));
  const rule = `# ${"-".repeat(114)}`;
  assertEquals(
    chapter,
    `# Source: tape
# Reads tapes.
${rule}

# For the test.
# Required with stream.source=tape.
tape.reel=C:\\\\r

# For the test.
# One of slow, fast.
#tape.speed=slow

# For the test.
# Never printed.
#tape.password=

# For the test.
#tape.file=

# For the test.
# Whole number, at most 9999. Never printed.
#tape.pin=

# For the test.
# Whole number.
#tape.from=0

# For the test.
# Whole number. Deprecated: use tape.length.
#tape.to=9

${rule}
`,
  );
  assertEquals(example.split("\n").filter((line) => line.length > 116), []);
  assertEquals(parseProperties(example).entries.map(({ key, value }) => `${key}=${value}`), [
    "stream.source=tape",
    "tape.reel=C:\\r",
  ]);
});

Deno.test("keysPage() has a table for each group", () => {
  const page = keysPage(testRegistry);
  assertMatch(page, /^# All keys\n\n.+\n\n<!-- .+ -->\n\n## Source and target\n/);
  const flow = page.slice(page.indexOf("## Flow"));
  assertEquals(
    flow,
    `## Flow

How much, and when.

| key | default | meaning |
|---|---|---|
| \`flow.max-age\` | \`15s\` | For the test. *Duration, at least 1ms.* |
| \`flow.size\` |  | For the test. *Size. When not set: no limit.* |
| \`flow.fast\` | \`false\` | For the test. *True or false.* |
| \`flow.tags\` | \`a,b\` | For the test. *Comma-separated list.* |
`,
  );
});

Deno.test("escapeValue() writes what a properties file gives back", () => {
  for (
    const value of ["", "plain", "C:\\new", " a b ", "line\nbreak\r\ttab", "é😀", "#=:!", "\\u0041", "${ENV:X}", "\\"]
  ) {
    assertEquals(parseProperties(`key=${escapeValue(value)}`).entries[0].value, value);
  }
});
