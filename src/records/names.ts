/** Most UTF-16 units of a collection's name, as in the original; of a project's too. */
export const MAX_NAME_LENGTH = 100;
/** Most UTF-16 units of a field's name: names stay in memory for every column. */
export const MAX_FIELD_NAME_LENGTH = 1024;

// deno-lint-ignore no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * What is wrong with the name of a project or collection ("is empty"), or null when nothing is. Names become parts of
 * object keys; what else is special there is escaped when keys are made.
 */
export function nameProblem(name: string): string | null {
  if (name === "") return "is empty";
  if (name.length > MAX_NAME_LENGTH) return `has more than ${MAX_NAME_LENGTH} characters`;
  if (name === "." || name === "..") return `is "${name}"`;
  if (CONTROL.test(name)) return "has a control character";
  if (!name.isWellFormed()) return "has half of a surrogate pair";
  return null;
}

const EXTENSION = /\.(?:gz|gzip|zst|zstd|ndjson|jsonl|json|avro|log|txt)$/i;

/**
 * The collection of records that name none: the last part of a topic's, stream's or file's name, without the extensions
 * of data files ("in/events.ndjson.gz" -> "events"; a topic "shop.clicks" keeps its dot).
 */
export function collectionOfSource(parent: string): string {
  let name = parent.slice(parent.lastIndexOf("/") + 1);
  while (EXTENSION.test(name) && name.lastIndexOf(".") > 0) name = name.slice(0, name.lastIndexOf("."));
  return name;
}
