/** Which topics `kafka.topic` means: a name, a comma list of names, or a regular expression that whole names match. */

/** What a topic's name may be made of (org.apache.kafka.common.internals.Topic). */
const NAME = /^[A-Za-z0-9._-]{1,249}$/;

export type TopicSelection =
  | { readonly kind: "names"; readonly names: readonly string[] }
  | {
    readonly kind: "pattern";
    readonly pattern: RegExp;
    /** Meant whether it matches or not. */
    readonly also?: string;
    /** Not meant whether it matches or not. */
    readonly except?: string;
  };

/** Escapes of Java's patterns that mean a plain letter here, without a word. */
const JAVA_ONLY = /[AGHNPRXZhpz]/;

/** A pattern as Java has it, as far as the two differ and deployments use it: `(?i)` at the beginning, `\Q...\E`. */
function compile(text: string): RegExp {
  const [, insensitive, rest] = /^(\(\?i\))?(.*)$/s.exec(text)!;
  const source = rest.replaceAll(/\\Q(.*?)(?:\\E|$)/gs, (_, literal: string) => literal.replaceAll(/\W/g, "\\$&"));
  const unknown = [...source.matchAll(/\\(.)/gs)].find(([, letter]) => JAVA_ONLY.test(letter));
  if (unknown !== undefined) throw new RangeError(`JavaScript's regular expressions have no ${unknown[0]}`);
  const outside = source.replaceAll(/\\./gs, "").replaceAll(/\[[^\]]*\]|\{[^}]*\}/g, "");
  if (/[,\s]/.test(outside)) {
    throw new RangeError("no topic's name has a comma or a blank: write | between patterns, commas between names only");
  }
  return new RegExp(`^(?:${source})$`, insensitive === undefined ? "" : "i");
}

/**
 * Text whose every item is a legal name is a list of names: a dot is a dot then, as everyone means it. All else is a
 * pattern, as in Java (`Pattern.matches` on the whole name).
 *
 * @throws RangeError when it is neither.
 */
export function parseTopics(text: string): TopicSelection {
  const items = text.split(",").map((item) => item.trim()).filter((item) => item !== "");
  if (items.length > 0 && items.every((item) => NAME.test(item))) return { kind: "names", names: [...new Set(items)] };
  try {
    return { kind: "pattern", pattern: compile(text) };
  } catch (cause) {
    throw new RangeError(`neither topic names nor a regular expression: ${(cause as Error).message}`, { cause });
  }
}

/** @throws RangeError when the text isn't the name of one topic. */
export function checkTopicName(text: string): void {
  if (!NAME.test(text)) throw new RangeError("must be the name of one topic: letters, digits, dots, _ and -");
}

/** Those of `topics` (what the cluster has) that are meant; names are meant whether the cluster has them or not. */
export function selectTopics(selection: TopicSelection, topics: readonly string[]): string[] {
  if (selection.kind === "names") return [...selection.names];
  const { pattern, also, except } = selection;
  return topics.filter((topic) => topic === also || pattern.test(topic) && topic !== except).sort();
}
