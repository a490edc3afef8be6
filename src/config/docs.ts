/** The option specs as an example config and as a page of the help: what users read is what the code does. */

import { variableOfKey } from "./environment.ts";
import type { Option } from "./option.ts";
import { type AnySections, optionsOf, type Registry } from "./section.ts";
import { SELECTION_TITLE, selectionOptions } from "./selection.ts";

/** A heading and the options below it. */
interface Chapter {
  readonly title: string;
  readonly doc: string;
  readonly options: readonly Option<unknown>[];
  /** Who needs the required ones: "stream.source=kafka". */
  readonly neededBy: string;
}

/** Values of the example that aren't defaults, by key. */
export type ExampleValues = Readonly<Record<string, string>>;

const WIDTH = 116;
const RULE = `# ${"-".repeat(WIDTH - 2)}`;

/** All keys in the order in which people read about them; a key that several components share stands in the first one. */
function chaptersOf(registry: Registry<AnySections>): Chapter[] {
  const { sections, sources, targets } = registry;
  const selection = { options: selectionOptions(registry) };
  const seen = new Set<string>();
  const chapter = (title: string, neededBy: string, doc: string, group: { readonly options: object }): Chapter => {
    const options = Object.values(optionsOf(group)).filter(({ key }) => !seen.has(key));
    for (const { key } of options) seen.add(key);
    return { title, doc, options, neededBy };
  };
  const components = (what: string, key: string, of: Readonly<Record<string, { doc: string; options: object }>>) =>
    Object.entries(of).map(([name, group]) => chapter(`${what}: ${name}`, `${key}=${name}`, group.doc, group));
  return [
    chapter(SELECTION_TITLE, "always", "What to read, and where rows go.", selection),
    ...components("Source", "stream.source", sources),
    ...components("Target", "target", targets),
    ...Object.values(sections).map((section) => chapter(section.title, "always", section.doc, section)),
  ];
}

function sentence(text: string): string {
  return `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

/** Type, bounds and what else there is to know, but for the default: "Duration, at least 1s. Required." */
function traits(
  { typeName, bounds, required, secret, whenUnset, deprecated }: Option<unknown>,
  neededBy: string,
): string {
  const parts = typeName === "text" ? [] : [sentence(bounds === undefined ? typeName : `${typeName}, ${bounds}`)];
  if (required) parts.push(neededBy === "always" ? "Required." : `Required with ${neededBy}.`);
  if (whenUnset !== undefined) parts.push(sentence(`when not set: ${whenUnset}`));
  if (secret) parts.push("Never printed.");
  if (deprecated !== undefined) parts.push(sentence(`deprecated: ${deprecated}`));
  return parts.join(" ");
}

function comment(text: string): string[] {
  const lines = ["#"];
  for (const word of text.split(" ")) {
    const longer = `${lines[lines.length - 1]} ${word}`;
    if (longer.length > WIDTH) lines.push(`# ${word}`);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** A value as a properties file has to write it. */
export function escapeValue(value: string): string {
  const escaped = value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll(
    "\t",
    "\\t",
  );
  return escaped.replace(/^ /, "\\ ");
}

function introduction(): string[] {
  const dashed = variableOfKey("stream.max-flush-duration");
  return [
    ...comment(
      "The collector's config: every key with its meaning and its default. The file runs as it is: it reads the sample " +
        "events that come with the collector and writes files below ./out.",
    ),
    "#",
    ...comment(
      "The grammar is that of Java's properties files, in UTF-8. A line like #key=value shows a default, a line like " +
        "#key= a key that has none. An empty value means: not set. Letter case doesn't matter where there is a choice " +
        "of values.",
    ),
    "#",
    ...comment(
      "Durations are numbers and units: 30ms, 15s, 5m, 1m30s, 1.5h, 2d. Sizes are in powers of 1024: 512B, 64kB, 256MB, " +
        "1GB, 10MiB.",
    ),
    "#",
    ...comment(
      "${ENV:NAME} in a value stands for an environment variable, ${ENV:NAME:default} is the default when there is no " +
        "such variable. ${FILE:/run/secrets/name} is what that file holds, without its line end; a name without a slash is a " +
        "file in systemd's $CREDENTIALS_DIRECTORY. $${ENV:NAME} is the text ${ENV:NAME} itself.",
    ),
    "#",
    "# A value may come from several places; the first that has one counts:",
    "#",
    "#   1. the command line:   --set kafka.topic=events",
    `#   2. the environment:    ${variableOfKey("kafka.topic")}=events (a dot is one underscore, a dash is two:`,
    `#                          ${dashed}=5s)`,
    `#   3. its older names:    ${variableOfKey("kafka.topic", "RAKAM_")}=events`,
    "#   4. this file",
    "#   5. the default",
  ];
}

/** The text of config.example.properties. */
export function exampleProperties(registry: Registry<AnySections>, values: ExampleValues): string {
  const lines = introduction();
  for (const { title, doc, options, neededBy } of chaptersOf(registry)) {
    lines.push("", RULE, `# ${title}`, ...comment(doc), RULE);
    for (const option of options) {
      const { key } = option;
      lines.push(
        "",
        ...comment(option.doc),
        ...[traits(option, neededBy)].filter((text) => text !== "").flatMap(comment),
      );
      const assigned = Object.hasOwn(values, key);
      lines.push(`${assigned ? "" : "#"}${key}=${escapeValue(assigned ? values[key] : option.defaultText ?? "")}`);
    }
  }
  return lines.join("\n") + "\n";
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
}

const KEYS_HEAD = `# All keys

Every key with its default and its meaning.

<!-- Made from the option specs: deno task docs -->
`;

/** The text of the help page keys.md: a heading and a table for each group of keys. */
export function keysPage(registry: Registry<AnySections>): string {
  const blocks = chaptersOf(registry).filter(({ options }) => options.length > 0).map((chapter) => {
    const rows = chapter.options.map((option) => {
      const shown = option.defaultText === undefined ? "" : `\`${cell(option.defaultText)}\``;
      const notes = traits(option, chapter.neededBy);
      return `| \`${option.key}\` | ${shown} | ${cell(notes === "" ? option.doc : `${option.doc} *${notes}*`)} |`;
    });
    const head = ["| key | default | meaning |", "|---|---|---|"];
    return [`\n## ${chapter.title}`, "", chapter.doc, "", ...head, ...rows, ""].join("\n");
  });
  return KEYS_HEAD + blocks.join("");
}
