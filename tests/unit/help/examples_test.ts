/** What README.md and the help pages tell people to write is what the collector understands. */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import denoConfig from "../../../deno.json" with { type: "json" };
import { COMMON_FLAGS, parseInvocation } from "../../../src/cli/arguments.ts";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { legacyKey } from "../../../src/config/legacy.ts";
import { resolveConfig } from "../../../src/config/resolve.ts";
import { optionsOf } from "../../../src/config/section.ts";
import { parseDurationMs } from "../../../src/config/units.ts";
import { selectionOptions } from "../../../src/config/selection.ts";
import { REGISTRY } from "../../../src/registry.ts";
import { filesBelow } from "../../support/scratch.ts";
import { blocksOf, codeSpans, DOCUMENTS, ROOT, tokensOf } from "./documents.ts";
import type { Tokens } from "marked";

/** Languages of fenced blocks; all but the last three are looked at here. */
const LANGUAGES = ["properties", "sh", "cron", "ini", "yaml", "dockerfile", "ts", "sql", "text", "mermaid"];
/** Programs of other people in the examples. */
const TOOLS = ["zcat", "head", "duckdb", "systemctl"];

const OPTIONS = [
  selectionOptions(REGISTRY),
  ...[REGISTRY.sections, REGISTRY.sources, REGISTRY.targets].flatMap((group) => Object.values(group).map(optionsOf)),
].flatMap((options) => Object.values(options));
const KEYS = new Set<string>(OPTIONS.map(({ key }) => key));
const FLAGS = new Set(
  [...COMMON_FLAGS, ...Object.values(COMMANDS).flatMap(({ flags }) => flags)].map(({ name }) => name),
);

const SHUTDOWN_MS = parseDurationMs(OPTIONS.find(({ key }) => key === "shutdown.timeout")!.defaultText!);

/** @throws what is wrong with the words after "collector". */
function parseCollector(words: readonly string[]) {
  const { command, args } = parseInvocation(words, COMMANDS);
  const flags = new Set(command.flags.map(({ name }) => name));
  if (!flags.has("set")) return;
  for (const set of args.values("set")) assert(KEYS.has(set.split("=")[0]), `--set ${set}: no such key`);
}

/** Commands of a line, each as its words: "a 'b c' | d # e" -> [["a", "b c"], ["d"]]. */
function commandsOf(line: string): string[][] {
  const words = line.replace(/(^|\s)#.*/, "").match(/"[^"]*"|'[^']*'|&&|[^\s"'|]+|\|/g) ?? [];
  const commands: string[][] = [[]];
  for (const word of words) {
    if (word === "|" || word === "&&") commands.push([]);
    else commands.at(-1)!.push(word.replace(/^(["'])(.*)\1$/, "$2"));
  }
  return commands.filter((command) => command.length > 0);
}

function checkCommand([program, ...args]: readonly string[]): void {
  if (/(^|\/)collector$/.test(program)) return parseCollector(args);
  if (program === "npx") assertEquals(args.slice(0, 2), ["-y", "deno@2.8.3"]);
  if (program === "npx" || program === "deno") {
    const task = args[args.indexOf("task") + 1];
    assert(args.includes("task") && task in denoConfig.tasks, `no task: ${args.join(" ")}`);
  } else assert(TOOLS.includes(program), `unknown program: ${program}`);
}

/** Runs the check over all, and says where it failed. */
function each<T extends { readonly path: string; readonly text: string }>(all: readonly T[], check: (one: T) => void) {
  assert(all.length > 0, "there are none");
  for (const one of all) {
    try {
      check(one);
    } catch (error) {
      throw new Error(`${one.path}: ${one.text}\n\n${(error as Error).message}`, { cause: error });
    }
  }
}

Deno.test("examples are in languages that are checked", () => {
  for (const document of DOCUMENTS) {
    for (const { lang, text } of tokensOf<Tokens.Code>(document, "code")) {
      assert(LANGUAGES.includes(lang ?? "") || lang === undefined && document.path === "README.md", `${lang}: ${text}`);
    }
  }
});

Deno.test("configs in the docs are whole and right", () => {
  each(blocksOf("properties"), ({ path, text }) => {
    const names = [...text.matchAll(/\$\{ENV:(\w+)/g)].map(([, name]) => [name, "x"]);
    const file = { name: path, contents: text };
    const { warnings, notes } = resolveConfig({
      registry: REGISTRY,
      file,
      sets: [],
      environment: Object.fromEntries(names),
    });
    assertEquals({ warnings, notes }, { warnings: [], notes: [] });
  });
});

Deno.test("commands in the docs can be given", () => {
  const lines = blocksOf("sh", "cron").flatMap(({ path, text }) => {
    return text.replaceAll("\\\n", " ").split("\n").map((line) => ({ path, text: line.trim() }));
  });
  each(lines, ({ text }) => {
    const [, entry] = /^(?:[\d*/]+\s+){5}\w+\s+(.*)/.exec(text) ?? [];
    if (/^[A-Z]+=\S+$/.test(text)) return; // a variable of a crontab
    commandsOf(entry ?? text).forEach(checkCommand);
  });
});

Deno.test("units and manifests in the docs start the collector and leave it the time to stop", () => {
  each(blocksOf("ini", "yaml", "dockerfile"), ({ text }) => {
    for (const [, line] of text.matchAll(/^ExecStart=(.*)/gm)) commandsOf(line).forEach(checkCommand);
    for (const [, list] of text.matchAll(/^\s*args: (\[.*\])$/gm)) parseCollector(JSON.parse(list));
    for (const [, list] of text.matchAll(/^ENTRYPOINT (\[.*\])$/gm)) checkCommand(JSON.parse(list));
    for (const [, seconds] of text.matchAll(/(?:TimeoutStopSec=|terminationGracePeriodSeconds: )(\d+)/g)) {
      assert(Number(seconds) * 1000 > SHUTDOWN_MS, `${seconds} seconds are not more than shutdown.timeout`);
    }
  });
});

Deno.test("keys, flags and commands between backticks are ones that there are", () => {
  const prefixes = new Set([...KEYS].map((key) => key.split(".")[0]));
  each(codeSpans(), ({ text }) => {
    const [, key] = /^([a-z][\w-]*(?:\.[\w*-]+)+)(?:=.*)?$/.exec(text) ?? [];
    if (key !== undefined && prefixes.has(key.split(".")[0]) && !/\.(json|ts|md|properties)$/.test(key)) {
      const known = [...KEYS].some((known) => key.endsWith("*") ? known.startsWith(key.slice(0, -1)) : known === key);
      assert(known || legacyKey(key) !== undefined, "no such key");
    }
    const [, flag] = /^--([a-z-]+)/.exec(text) ?? [];
    if (flag !== undefined) assert(FLAGS.has(flag), "no such flag");
    if (/^(collector|deno|npx) /.test(text)) commandsOf(text).forEach(checkCommand);
  });
});

Deno.test("what troubleshooting says that the collector says, it says", async () => {
  const source = (await Promise.all((await filesBelow(fileURLToPath(new URL("src", ROOT)))).map(readSource))).join(
    "\n",
  );
  const page = DOCUMENTS.find(({ path }) => path.endsWith("/troubleshooting.md"))!;
  const said = tokensOf<Tokens.Table>(page, "table").flatMap(({ rows }) => rows.map(([{ text }]) => text.slice(1, -1)));
  each(said.map((text) => ({ path: page.path, text })), ({ text }) => assert(source.includes(text), "nothing says so"));
});

/** With strings that are put together of several lines in one. */
async function readSource(path: string): Promise<string> {
  if (!path.endsWith(".ts")) return "";
  return (await Deno.readTextFile(path)).replaceAll(/["`] \+\s+["`]/g, "");
}
