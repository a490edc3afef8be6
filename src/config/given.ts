/** What the user gave, from all places, before anything is known about the keys' meaning. */

import type { ConfigProblem } from "../runtime/errors.ts";
import { type Environment, OVERRIDE_PREFIXES, overridesOf } from "./environment.ts";
import { parseProperties } from "./properties.ts";
import { decodeConfigText, otherFormat } from "./text.ts";

/** The places that values come from, the strongest last. */
export type Layer = "file" | (typeof OVERRIDE_PREFIXES)[number] | "--set";

/** A value that the user gave. */
export interface Given {
  readonly key: string;
  /** Trimmed, not yet interpolated. */
  readonly text: string;
  readonly layer: Layer;
  /** See PropertyEntry. */
  readonly lostEscapes?: readonly string[];
  /** For people: "collector.properties:12", "environment COLLECTOR_TARGET", "--set". */
  readonly origin: string;
}

/** The config's file as it was read. */
export interface ConfigFile {
  /** As the user named it; it stands in front of every message about it. */
  readonly name: string;
  readonly contents: Uint8Array | string;
}

export interface ConfigInput {
  /** Null when there is no file. */
  readonly file: ConfigFile | null;
  /** The arguments of `--set`, each "key=value". */
  readonly sets: readonly string[];
  readonly environment: Environment;
}

/** All values by place, weakest place first, and what could not be read. */
export interface AllGiven {
  readonly values: readonly Given[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
  /** True when the file is something else altogether: nothing more can be said of it. */
  readonly unreadable?: boolean;
}

/** As java.lang.String.trim, which the original applied to every value: control characters go, a no-break space stays. */
export function trimValue(text: string): string {
  return text.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "");
}

/** Reads the file, then the environment, then `--set`. The same key may come several times: the last one counts. */
export function gatherGiven({ file, sets, environment }: ConfigInput): AllGiven {
  const fromFile = file === null ? { values: [], problems: [], warnings: [] } : readFileValues(file);
  const fromEnvironment = OVERRIDE_PREFIXES.flatMap((prefix) =>
    overridesOf(environment, prefix).map(({ key, name, value }): Given => {
      return { key, text: trimValue(value), layer: prefix, origin: `environment ${name}` };
    })
  );
  const fromSets = readSets(sets);
  return {
    values: [...fromFile.values, ...fromEnvironment, ...fromSets.values],
    problems: [...fromFile.problems, ...fromSets.problems],
    warnings: fromFile.warnings,
    unreadable: fromFile.unreadable,
  };
}

function readFileValues({ name, contents }: ConfigFile): AllGiven {
  const at = (line: number) => `${name}:${line}`;
  const decoded = typeof contents === "string" ? { text: contents.replace(/^\uFEFF/, "") } : decodeConfigText(contents);
  if ("problem" in decoded) {
    const { line, message } = decoded.problem;
    return { values: [], problems: [{ origin: at(line), key: "encoding", message }], warnings: [], unreadable: true };
  }
  const other = otherFormat(decoded.text);
  if (other !== null) {
    const message =
      `this looks like ${other.name}: a config is a properties file, each line key=value (stream.source=kafka)`;
    return {
      values: [],
      problems: [{ origin: at(other.line), key: "syntax", message }],
      warnings: [],
      unreadable: true,
    };
  }
  const { entries, problems } = parseProperties(decoded.text);
  const lines = new Map<string, number>();
  const warnings: ConfigProblem[] = [];
  for (const { key, line } of entries) {
    const earlier = lines.get(key);
    if (earlier !== undefined) {
      warnings.push({
        origin: at(line),
        key,
        message: `set again: this value counts, the one in line ${earlier} doesn't`,
      });
    }
    lines.set(key, line);
  }
  return {
    values: entries.map(({ key, value, line, lostEscapes }) => ({
      ...{ key, text: trimValue(value), layer: "file", origin: at(line) },
      ...(lostEscapes && { lostEscapes }),
    })),
    problems: problems.map(({ line, message }) => ({ origin: at(line), key: "syntax", message })),
    warnings,
  };
}

function readSets(sets: readonly string[]): { values: Given[]; problems: ConfigProblem[] } {
  const values: Given[] = [];
  const problems: ConfigProblem[] = [];
  for (const [index, set] of sets.entries()) {
    const equals = set.indexOf("=");
    const key = trimValue(set.slice(0, equals));
    if (equals < 0 || key === "") {
      // What stands there may be a secret, so it isn't repeated.
      problems.push({ origin: "--set", key: `argument ${index + 1}`, message: "write --set key=value" });
    } else {
      values.push({ key, text: trimValue(set.slice(equals + 1)), layer: "--set", origin: "--set" });
    }
  }
  return { values, problems };
}
