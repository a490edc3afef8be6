import { join } from "node:path";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { resolveConfig } from "../../../src/config/resolve.ts";
import { ConfigError, type ConfigProblem } from "../../../src/runtime/errors.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { testRegistry } from "./test_registry.ts";

interface Input {
  readonly sets?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const MINIMAL = "stream.source=tape\ntarget=paper\ntape.reel=r1\n";

function resolve(text: string | Uint8Array | null, { sets = [], environment = {} }: Input = {}) {
  const file = text === null ? null : { name: "c.properties", contents: text };
  return resolveConfig({ registry: testRegistry, file, sets, environment });
}

/** Message lines of the ConfigError. */
function problemsOf(text: string | Uint8Array | null, input: Input = {}): string[] {
  return assertThrows(() => resolve(text, input), ConfigError).message.split("\n");
}

function lines(problems: readonly ConfigProblem[]): string[] {
  return problems.map(({ origin, key, message }) => `${origin}: ${key}: ${message}`);
}

Deno.test("resolveConfig() gives typed values and defaults", () => {
  const { config, warnings, notes } = resolve(`${MINIMAL}flow.size=1kB\ntape.speed=FAST\nflow.tags=x\n`);
  assertEquals(config.flow, { ageMs: 15_000, byteLength: 1024, fast: false, tags: ["x"] });
  assertEquals(config.source.name, "tape");
  assertEquals(config.source.config, {
    reel: "r1",
    speed: "fast",
    password: undefined,
    file: undefined,
    pin: undefined,
    from: 0,
    to: 9,
  });
  assertEquals(config.target.name, "paper");
  assertEquals(config.target.config, { url: undefined, level: "auto" });
  assertEquals(warnings, []);
  assertEquals(notes, []);
  const ageMs: number = config.flow.ageMs;
  const byteLength: number | undefined = config.flow.byteLength;
  assertEquals([ageMs, byteLength], [15_000, 1024]);
});

Deno.test("resolveConfig() warns of secrets after --set, wherever they stand", () => {
  const sets = ["tape.password=abc", "paper.url=https://me:abc@host/", "tape.speed=fast"];
  const { warnings } = resolve(MINIMAL, { sets, environment: { COLLECTOR_TAPE_PIN: "1" } });
  const because = "everyone on this machine can read it in the list of processes";
  assertEquals(lines(warnings), [
    `--set: tape.password: ${because}: set COLLECTOR_TAPE_PASSWORD, or write it into the config file`,
    `--set: paper.url: ${because}: set COLLECTOR_PAPER_URL, or write it into the config file`,
  ]);
});

Deno.test("resolveConfig() prefers --set to COLLECTOR_ to RAKAM_ to the file to the default", () => {
  const everywhere = {
    text: `${MINIMAL}flow.max-age=1s`,
    sets: ["flow.max-age=5s", "flow.max-age=4s"],
    environment: { RAKAM_FLOW_MAX__AGE: "2s", COLLECTOR_FLOW_MAX__AGE: "3s" },
  };
  const { text, sets, environment } = everywhere;
  const { RAKAM_FLOW_MAX__AGE } = environment;
  assertEquals(resolve(text, { sets, environment }).config.flow.ageMs, 4000);
  assertEquals(resolve(text, { environment }).config.flow.ageMs, 3000);
  assertEquals(resolve(text, { environment: { RAKAM_FLOW_MAX__AGE } }).config.flow.ageMs, 2000);
  assertEquals(resolve(text).config.flow.ageMs, 1000);
  assertEquals(resolve(MINIMAL).config.flow.ageMs, 15_000);
});

Deno.test("resolveConfig() needs no file", () => {
  const environment = { COLLECTOR_STREAM_SOURCE: "drum", RAKAM_TARGET: "Paper", RAKAM_DRUM_NAME: "d" };
  assertEquals(resolve(null, { environment }).config.source.config, { name: "d", length: undefined });
  assertEquals(problemsOf(null), [
    "stream.source: not set, but the collector needs it: one of tape, drum",
    "target: not set, but the collector needs it: one of paper",
  ]);
});

Deno.test("resolveConfig() takes empty values for not set; an empty variable for not given", () => {
  const text = `${MINIMAL}flow.max-age=\nflow.size=1kB\nflow.fast = \u0001 \n`;
  const { config } = resolve(text, {
    sets: ["flow.size="],
    environment: { COLLECTOR_FLOW_SIZE: "", RAKAM_FLOW_FAST: "" },
  });
  assertEquals(config.flow, { ageMs: 15_000, byteLength: undefined, fast: false, tags: ["a", "b"] });
  assertEquals(resolve(text, { environment: { COLLECTOR_FLOW_SIZE: "" } }).config.flow.byteLength, 1024);
  assertEquals(problemsOf("stream.source=tape\ntarget=paper\ntape.reel=\n"), [
    "c.properties:3: tape.reel: not set, but stream.source=tape needs it",
  ]);
});

Deno.test("resolveConfig() puts variables into the file's values, and only there", () => {
  const text =
    `${MINIMAL}flow.size=\${ENV:SIZE}\nflow.max-age=\${ENV:AGE:7s}\npaper.url=$\${ENV:SIZE}\nflow.tags=\${ENV:NONE:}`;
  const { config } = resolve(text, { environment: { SIZE: " 2kB\n" } });
  assertEquals(config.flow, { ageMs: 7000, byteLength: 2048, fast: false, tags: ["a", "b"] });
  assertEquals(config.target.config, { url: "${ENV:SIZE}", level: "auto" });
  const literal = resolve(MINIMAL, {
    sets: ["paper.url=${ENV:X}"],
    environment: { COLLECTOR_TAPE_PASSWORD: "a${ENV:Y}" },
  });
  assertEquals(literal.config.target.config, { url: "${ENV:X}", level: "auto" });
  assertEquals((literal.config.source.config as { password: string }).password, "a${ENV:Y}");
});

Deno.test("resolveConfig() looks up no variable for a value that doesn't count", () => {
  const text = `${MINIMAL}drum.name=\${ENV:DRUM}\nflow.size=\${ENV:SIZE}\n`;
  assertEquals(resolve(text, { sets: ["flow.size=1B"] }).config.flow.byteLength, 1);
});

Deno.test("resolveConfig() reports everything at once, in the order of the file", () => {
  const text = `# the config
stream.source = tape
target = papre
tape.sped = fast
tape.speed = 'fsat'
flow.max-age = 15
flow.size = \${ENV:SIZE}
flow.fast = \\u00
no.such = thing
tape.password = p
tape.from = one
`;
  assertEquals(problemsOf(text, { sets: ["tape.to=-1", "whatever"], environment: { COLLECTOR_TAPE_REEEL: "r" } }), [
    'c.properties:3: target: must be one of paper; did you mean paper? (got "papre")',
    "c.properties:4: tape.sped: unknown key; did you mean tape.speed?",
    "c.properties:5: tape.speed: must be one of slow, fast; did you mean fast? (got \"'fsat'\")",
    'c.properties:6: flow.max-age: not a duration: write a number and a unit, as in 15s (got "15")',
    "c.properties:7: flow.size: environment variable SIZE is not set: set it, or write ${ENV:SIZE:default}",
    'c.properties:8: syntax: malformed escape "\\u00": write \\u and four hex digits, or \\\\ for a backslash',
    "c.properties:9: no.such: unknown key",
    'c.properties:11: tape.from: not a whole number (got "one")',
    "environment COLLECTOR_TAPE_REEEL: tape.reeel: unknown key; did you mean COLLECTOR_TAPE_REEL?",
    "--set: argument 2: write --set key=value",
    '--set: tape.to: must be at least 0 (got "-1")',
    "tape.reel: not set, but stream.source=tape needs it",
  ]);
});

Deno.test("resolveConfig() reports a file that is not UTF-8 by its line", () => {
  const latin1 = Uint8Array.from(`${MINIMAL}# caf\u00e9`, (char) => char.charCodeAt(0));
  assertEquals(
    problemsOf(latin1)[0],
    "c.properties:4: encoding: " +
      "the line is not UTF-8 (Latin-1, perhaps): save the file as UTF-8, or write \\u00e9 for é",
  );
  assertEquals(resolve(`\uFEFF${MINIMAL}`).config.source.name, "tape");
});

Deno.test("resolveConfig() never prints a secret", () => {
  assertEquals(problemsOf(`${MINIMAL}tape.pin=31415`), ["c.properties:4: tape.pin: must be at most 9999"]);
  const quoted = resolve(`${MINIMAL}tape.pin='3141'`);
  assertEquals(lines(quoted.warnings), [
    "c.properties:4: tape.pin: quotes are not part of the value: write the value without them",
  ]);
  assertEquals(JSON.stringify(quoted.listing).includes("3141"), false);
  const secret = `${MINIMAL}tape.password=hunter2\npaper.level=http://user:hunter2@host/\n`;
  for (const line of problemsOf(secret)) assertEquals(line.includes("hunter2"), false, line);
  assertEquals(problemsOf(secret), ['c.properties:5: paper.level: not a whole number (got "http://***@host/")']);
  const { listing } = resolve(`${MINIMAL}tape.password=hunter2\npaper.url=http://user:hunter2@host/\n`);
  assertEquals(JSON.stringify(listing).includes("hunter2"), false);
});

Deno.test("resolveConfig() cuts long values short in messages", () => {
  const [line] = problemsOf(`${MINIMAL}flow.size=${"9".repeat(500)}`);
  assertEquals(line.endsWith(`(got "${"9".repeat(77)}...")`), true, line);
});

Deno.test("resolveConfig() warns of a key that is set twice, and takes the last value", () => {
  const { config, warnings } = resolve(`${MINIMAL}flow.max-age=bad\nflow.size=1B\nflow.max-age=2s\nflow.max-age=3s`);
  assertEquals(config.flow.ageMs, 3000);
  assertEquals(lines(warnings), [
    "c.properties:6: flow.max-age: set again: this value counts, the one in line 4 doesn't",
    "c.properties:7: flow.max-age: set again: this value counts, the one in line 6 doesn't",
  ]);
});

Deno.test("resolveConfig() understands quotes around what is no text, with a warning", () => {
  const { config, warnings, listing } = resolve(
    `stream.source='tape'\ntarget="Paper"\ntape.reel='r'\nflow.max-age="2s"\ntape.speed=' fast '\n`,
  );
  assertEquals(config.flow.ageMs, 2000);
  assertEquals(config.source.config, {
    reel: "'r'",
    speed: "fast",
    password: undefined,
    file: undefined,
    pin: undefined,
    from: 0,
    to: 9,
  });
  assertEquals(lines(warnings), [
    "c.properties:1: stream.source: quotes are not part of the value: write stream.source=tape",
    "c.properties:2: target: quotes are not part of the value: write target=Paper",
    "c.properties:3: tape.reel: the quotes are part of the value: write r",
    "c.properties:4: flow.max-age: quotes are not part of the value: write flow.max-age=2s",
    "c.properties:5: tape.speed: quotes are not part of the value: write tape.speed=fast",
  ]);
  assertEquals(listing.find(({ key }) => key === "flow.max-age")?.text, "2s");
});

Deno.test("resolveConfig() warns of deprecated keys and of the original's other keys", () => {
  const text =
    `${MINIMAL}tape.to=5\nmetadata.store.jdbc.url=jdbc:x\nlog-active=true\nraptor.node.id=1\nlicense.project=p\n`;
  assertEquals(lines(resolve(text, { environment: { RAKAM_LOG__IDENTIFIER: "i" } }).warnings), [
    "c.properties:4: tape.to: deprecated: use tape.length",
    "c.properties:5: metadata.store.jdbc.url: ignored: no metadata database is used; tables and columns are found out " +
    "from the records themselves",
    "c.properties:6: log-active: ignored: logs go to standard error, see log.level and log.format",
    "c.properties:7: raptor.node.id: ignored: there is no raptor target; rows go to the target that the target key names",
    "c.properties:8: license.project: ignored: no license is asked for",
    "environment RAKAM_LOG__IDENTIFIER: log-identifier: ignored: logs go to standard error, see log.level and log.format",
  ]);
});

Deno.test("resolveConfig() takes keys of components that are not selected, even with values it would refuse", () => {
  const { notes, warnings, listing } = resolve(`${MINIMAL}drum.name=\ndrum.length=long\n`, { sets: ["drum.name=d"] });
  assertEquals(notes, ["no effect with stream.source=tape and target=paper: drum.length, drum.name"]);
  assertEquals(warnings, []);
  assertEquals(listing.some(({ key }) => key === "drum.name"), false);
});

Deno.test("resolveConfig() has values looked at together once each is right", () => {
  const text = `${MINIMAL}tape.from=7\nflow.fast=true\n`;
  assertEquals(problemsOf(text, { environment: { RAKAM_TAPE_TO: "5" } }), [
    "c.properties:4: tape.from: must not be beyond tape.to (5)",
    "c.properties:5: flow.fast: needs flow.size",
  ]);
  assertEquals(problemsOf(`${text}flow.tags=x\nflow.size=bad`, { sets: ["tape.to=x"] }), [
    'c.properties:7: flow.size: not a size: write a number and a unit, as in 64MB (got "bad")',
    '--set: tape.to: not a whole number (got "x")',
  ]);
});

Deno.test("resolveConfig() warns of unknown variables, and refuses those of its own prefix that are nearly right", () => {
  const environment = { RAKAM_FLOW_SIEZ: "1B", RAKAM_OTHER: "x", COLLECTOR_GREETING: "hi" };
  assertEquals(lines(resolve(MINIMAL, { environment }).warnings), [
    "environment RAKAM_FLOW_SIEZ: flow.siez: unknown key, ignored; did you mean RAKAM_FLOW_SIZE?",
    "environment RAKAM_OTHER: other: unknown key, ignored",
    "environment COLLECTOR_GREETING: greeting: unknown key, ignored",
  ]);
  assertEquals(problemsOf(MINIMAL, { environment: { COLLECTOR_FLOW_MAX_AGE: "1s" } }), [
    "environment COLLECTOR_FLOW_MAX_AGE: flow.max.age: unknown key; did you mean COLLECTOR_FLOW_MAX__AGE?",
  ]);
});

Deno.test("resolveConfig() lists what is in effect, where it came from, secrets hidden", () => {
  const { listing } = resolve(`${MINIMAL}tape.password=p\nflow.size=2kB\npaper.url=http://u:p@h`, {
    sets: ["flow.fast=false"],
    environment: { RAKAM_TAPE_SPEED: "FAST" },
  });
  assertEquals(listing.map(({ key, text, origin }) => `${key}=${text} (${origin})`), [
    "stream.source=tape (c.properties:1)",
    "target=paper (c.properties:2)",
    "tape.reel=r1 (c.properties:3)",
    "tape.speed=FAST (environment RAKAM_TAPE_SPEED)",
    "tape.password=*** (c.properties:4)",
    "tape.file=undefined (default)",
    "tape.pin=undefined (default)",
    "tape.from=0 (default)",
    "tape.to=9 (default)",
    "paper.url=http://***@h (c.properties:6)",
    "paper.level=auto (default)",
    "flow.max-age=15s (default)",
    "flow.size=2kB (c.properties:5)",
    "flow.fast=false (--set)",
    "flow.tags=a,b (default)",
  ]);
});

const ERASE = "\\\\ for a backslash";

/** What is written for a text, and what is said of it; "!" for what is refused where a place or a secret is meant. */
const DOUBTS: readonly (readonly [written: string, said: string, secretly?: string])[] = [
  ["shop # my shop", "!what stands behind # is part of the value: a comment has a line of its own"],
  ["shop #mine", "!what stands behind # is part of the value: a comment has a line of its own"],
  ["shop // mine", "!what stands behind // is part of the value: a comment has a line of its own"],
  ['"shop"', "!the quotes are part of the value: write shop", "it without them"],
  ["'a b'", "!the quotes are part of the value: write a b", "it without them"],
  ["${BUCKET}", "!${BUCKET} is not replaced: write ${ENV:BUCKET}, or $${BUCKET} for the text itself"],
  ["a-${env:X}", "!${env:X} is not replaced: write ${ENV:X}, or $${env:X} for the text itself"],
  ["${X:-y}", "!${X:-y} is not replaced: write ${ENV:X}, or $${X:-y} for the text itself"],
  [
    "${file:/etc/a.properties:key}",
    "!${file:/etc/a.properties:key} is not replaced: write ${FILE:/etc/a.properties}, or $${file:/etc/a.properties:key} for " +
    "the text itself",
  ],
  ["$HOME", "!$HOME is not replaced: write ${ENV:HOME}", "$NAME"],
  ["~/in", "!~ is not replaced: write the whole path"],
  ["C:\\tmp", "!it holds a control character: \\t, \\n, \\r and \\f stand for those; write " + ERASE],
  ["C:\\work", `!\\w means w alone: write ${ERASE}`, "an escape means the character alone"],
  ["a\\.b", `\\. means . alone: write ${ERASE}`, "an escape means the character alone"],
  ["a#b", ""],
  ["http://x/y", ""],
  ["pa$$word\\:\\ \\=\\#\\\\", ""],
  ["$${ENV:X}", ""],
];

for (const [written, said, secretly] of DOUBTS) {
  Deno.test(`resolveConfig() says of ${written}: ${said}`, () => {
    const message = said.replace(/^!/, "");
    const refused = said.startsWith("!");
    const { warnings } = resolve(`${MINIMAL}paper.url=${written}`);
    assertEquals(warnings.map(({ message }) => message), message === "" ? [] : [message]);
    for (const [key, part] of [["tape.file", message], ["tape.password", secretly ?? message]]) {
      const text = `${MINIMAL}${key}=${written}`;
      const found = refused ? problemsOf(text) : resolve(text).warnings.map(({ message }) => message);
      assertEquals(found.length, message === "" ? 0 : 1, key);
      if (part !== "") assertStringIncludes(found[0], part);
    }
  });
}

Deno.test("resolveConfig() takes values from files, as systemd, Docker and Kubernetes mount them", () =>
  inScratchDirectory(async (directory) => {
    await Deno.writeTextFile(join(directory, "password"), "a b\\c\n");
    await Deno.writeTextFile(join(directory, "empty"), "\n");
    const environment = { CREDENTIALS_DIRECTORY: directory };
    const password = (value: string) =>
      resolve(`${MINIMAL}tape.password=${value}`, { environment }).config.source.config;
    for (const reference of [`\${FILE:${directory}/password}`, "${FILE:password}"]) {
      assertEquals((password(reference) as { password: string }).password, "a b\\c");
    }
    for (const name of ["missing", "empty", "."]) {
      assertThrows(() => password(`\${FILE:${directory}/${name}}`), ConfigError, `c.properties:4: tape.password: `);
    }
  }));

Deno.test("resolveConfig() says nothing of keys when the file is something else altogether", () => {
  const utf16 = new Uint8Array([0xff, 0xfe, 0x61, 0]);
  for (
    const [text, line, said] of [
      [utf16, 1, "encoding: the file is UTF-16"],
      ["# mine\nstream:\n  source: kafka\n", 2, "syntax: this looks like YAML"],
      ["---\ntarget: s3\n", 1, "syntax: this looks like YAML"],
      ["input:\n  - a\n", 1, "syntax: this looks like YAML"],
      ['{\n  "target": "s3"\n}\n', 1, "syntax: this looks like JSON"],
      ['\n[sinks.s3]\ntype = "aws_s3"\n', 2, "syntax: this looks like TOML or INI"],
    ] as const
  ) {
    const [problem, ...more] = problemsOf(text);
    assertEquals(more, []);
    assertStringIncludes(problem, `c.properties:${line}: ${said}`);
  }
  assertEquals(problemsOf("stream.source: tape\n  target: paper\ntape.reel:\n").length, 1, "these are properties");
});

Deno.test("resolveConfig() says problems between keys together with the others, as far as they are sure", () => {
  assertEquals(
    problemsOf("target=paper\ntape.speed=x\nstream.source=tape\ntape.from=20\ntape.reel=r\nflow.fast=true\n"),
    [
      'c.properties:2: tape.speed: must be one of slow, fast (got "x")',
      "c.properties:4: tape.from: must not be beyond tape.to (9)",
      "c.properties:6: flow.fast: needs flow.size",
    ],
  );
  assertEquals(problemsOf(`${MINIMAL}tape.from=20\ntape.to=x\nflow.fast=true\nflow.size=x\n`).length, 2);
});

Deno.test("resolveConfig() knows the keys of other programs", () => {
  assertEquals(problemsOf(`${MINIMAL}bootstrap.servers=a\nsinks.archive.batch.max_bytes=1\nmiddleware=1\n`), [
    "c.properties:4: bootstrap.servers: unknown key; here it is kafka.nodes",
    "c.properties:5: sinks.archive.batch.max_bytes: unknown key; here it is middleware.max-flush-size",
    "c.properties:6: middleware: unknown key",
  ]);
});
