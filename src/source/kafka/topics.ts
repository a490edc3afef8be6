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
    return { kind: "pattern", pattern: new RegExp(`^(?:${text})$`) };
  } catch (cause) {
    throw new RangeError(`neither topic names nor a regular expression: ${(cause as Error).message}`, { cause });
  }
}

/** Those of `topics` (what the cluster has) that are meant; names are meant whether the cluster has them or not. */
export function selectTopics(selection: TopicSelection, topics: readonly string[]): string[] {
  if (selection.kind === "names") return [...selection.names];
  const { pattern, also, except } = selection;
  return topics.filter((topic) => topic === also || pattern.test(topic) && topic !== except).sort();
}
