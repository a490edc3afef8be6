/** Values that are texts, and hold what their writer surely meant for somebody else: a comment, quotes, a shell's variable. */
import type { Given } from "./given.ts";

/** What is doubtful in a value. */
export interface Doubt {
  /** What is wrong, and what to write; never the value itself. */
  readonly message: string;
  /** False when the value may well be meant as it is, even where it names something. */
  readonly certain: boolean;
}

const SHELL_VARIABLE = /(^|[/:@=,])\$([A-Za-z_][A-Za-z0-9_]*)(?=$|[/:@.,-])/;
/** Another program's placeholders: ${env:X}, ${file:/a:b}, ${X:-default}, ${X}. Ours are in capitals, and replaced by now. */
const PLACEHOLDER = /(\$?)\$\{([A-Za-z_][^}]*)\}/g;

/** What is doubtful in a given text, as it was written. `shown`: whether the message may repeat parts of it. */
export function doubtsOf({ text, layer, lostEscapes = [] }: Given, { shown }: { shown: boolean }): Doubt[] {
  const doubts: Doubt[] = [];
  const doubt = (message: string, certain = true) => void doubts.push({ message, certain });
  const comment = /\s(#|\/\/)(?=\s|$)|\s#\S/.exec(text);
  if (comment !== null) {
    doubt(
      `what stands behind ${
        comment[0].trim()[0] === "#" ? "#" : "//"
      } is part of the value: a comment has a line of its own`,
    );
  }
  if (/^(["']).*\1$/.test(text)) {
    doubt(`the quotes are part of the value: write ${shown ? text.slice(1, -1) : "it without them"}`);
  }
  // From elsewhere a secret may be any text.
  for (const message of placeholders(text, layer)) doubt(message, layer === "file" || shown);
  const variable = SHELL_VARIABLE.exec(text);
  if (variable !== null && (shown || variable[0] === text)) {
    const name = shown ? variable[2] : "NAME";
    doubt(`$${name} is not replaced: write ${layer === "file" ? `\${ENV:${name}}` : "the value"}`);
  }
  if (text.startsWith("~/")) doubt("~ is not replaced: write the whole path");
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f]/.test(text)) {
    doubt("it holds a control character: \\t, \\n, \\r and \\f stand for those; write \\\\ for a backslash");
  }
  for (const escape of new Set(lostEscapes)) {
    doubt(
      `${shown ? escape : "an escape"} means ${
        shown ? escape.slice(1) : "the character"
      } alone: write \\\\ for a backslash`,
      /\w$/.test(escape),
    );
  }
  return doubts;
}

function placeholders(text: string, layer: Given["layer"]): string[] {
  return [...text.matchAll(PLACEHOLDER)].flatMap(([all, escape, inside]) => {
    const ours = /^(ENV|FILE):/.test(inside);
    if (escape !== "" || (ours && layer === "file")) return [];
    if (layer !== "file") return [`${all} is not replaced here, only in the file: write the value`];
    const file = /^file:([^:]+)/.exec(inside)?.[1];
    const name = /^(?:env[:.]|secret:)?([A-Za-z_][A-Za-z0-9_]*)/.exec(inside)?.[1];
    const fix = file !== undefined ? `\${FILE:${file}}` : `\${ENV:${name ?? "NAME"}}`;
    return [`${all} is not replaced: write ${fix}, or $${all} for the text itself`];
  });
}
