import { assertEquals } from "@std/assert";
import { terminalText } from "../../../src/help/terminal_text.ts";

const plain = (markdown: string, columns = 40) => terminalText(markdown, { columns, colors: false });

Deno.test("terminalText() wraps paragraphs below their headings, and leaves code as it is", () => {
  assertEquals(
    plain(`# Title
Some *words* that are **more** than a line has room for, &lt;and> \`a.key\`.

<!-- not for readers -->
## Next

\`\`\`sh
a command --with many --flags that must not be broken
\`\`\`
`),
    `Title

  Some words that are more than a line
  has room for, <and> a.key.

Next

    a command --with many --flags that must not be broken
`,
  );
});

Deno.test("terminalText() hangs lists, also those inside of lists", () => {
  assertEquals(
    plain(
      "- one that is longer than forty columns are\n  - inner\n- two\n\n1. first\n2. second\n\n- loose\n\n- items\n",
    ),
    `  - one that is longer than forty
    columns are
    - inner
  - two

  1. first
  2. second

  - loose

  - items
`,
  );
});

Deno.test("terminalText() says how to ask for the page that a link leads to", () => {
  assertEquals(
    plain("See [Kafka](kafka.md#rights), [below](#there), [a file](../target/s3.ts), [Deno](https://x.test).", 120),
    "  See Kafka (collector help kafka), below, a file, Deno <https://x.test>.\n",
  );
});

Deno.test("terminalText() quotes signs that would be lost in the text", () => {
  assertEquals(plain("A `.`, a `\\\\.` and `a.b`."), '  A ".", a "\\\\." and a.b.\n');
});

const TABLE = `| key | default | meaning |
|---|---|---|
| \`a\\|b\` | 1 | short |
| c |  | long enough to need some more lines than just the one |
`;

Deno.test("terminalText() fits tables to the width: as they are, wrapped, or cell by cell", () => {
  assertEquals(
    plain("| a | bb |\n|---|---|\n| 1 | 2 |\n| 333 | 4 |\n"),
    "  a    bb\n  ---  --\n  1    2\n  333  4\n",
  );
  assertEquals(
    plain(TABLE, 64),
    `  key  default  meaning
  ---  -------  ------------------------------------------------
  a|b  1        short

  c             long enough to need some more lines than just
                the one
`,
  );
  assertEquals(
    plain(TABLE),
    `  a|b
    default  1
    meaning  short

  c
    meaning  long enough to need some
             more lines than just the
             one
`,
  );
});

Deno.test("terminalText() has the names of two columns first where they don't fit side by side", () => {
  assertEquals(
    plain("| it says | what to do |\n|---|---|\n| too little memory is left for it | allow it more than that |\n"),
    "  it says\n    what to do\n\n  too little memory is left for it\n    allow it more than that\n",
  );
});

Deno.test("terminalText() gives each word its attributes, so that no line leaves them open", () => {
  assertEquals(
    terminalText("# T\n\n**two words** `x`", { columns: 40, colors: true }),
    "\x1b[4m\x1b[1mT\x1b[22m\x1b[24m\n\n  \x1b[1mtwo\x1b[22m \x1b[1mwords\x1b[22m \x1b[36mx\x1b[39m\n",
  );
});
