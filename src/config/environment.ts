/**
 * Environment variables in the config, in two ways: as overrides (COLLECTOR_KAFKA_TOPIC=events sets kafka.topic) and
 * inside the values of the file (`${ENV:NAME}`, `${ENV:NAME:default}`); beside these, files with secrets (`${FILE:PATH}`), as
 * systemd's credentials, Docker and Kubernetes make them.
 */

/** The process' environment as a plain object; only main.ts reads the real one. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Prefixes of overrides, the weaker one first. RAKAM_ is what deployments of the original collector use. */
export const OVERRIDE_PREFIXES = ["RAKAM_", "COLLECTOR_"] as const;

/** A variable that may set a key. */
export interface Override {
  readonly name: string;
  readonly key: string;
  readonly value: string;
}

/** "KAFKA_GROUP_ID" -> "kafka.group.id", "STREAM_MAX__FLUSH__DURATION" -> "stream.max-flush-duration". */
function keyOfVariable(name: string): string {
  return name.toLowerCase().replaceAll("__", "-").replaceAll("_", ".");
}

/** The variable that sets a key: "kafka.group.id" -> "COLLECTOR_KAFKA_GROUP_ID". */
export function variableOfKey(key: string, prefix: string = "COLLECTOR_"): string {
  return prefix + key.replaceAll("-", "__").replaceAll(".", "_").toUpperCase();
}

/**
 * What others set under our prefix: service managers, images, and Kubernetes, which gives every pod such variables for
 * a service that is called "collector".
 */
const NOT_OURS = /^(HOME|VERSION|CONFIG|OPTS|USER|SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_.*)$/;

/** The variables with this prefix, sorted by name; empty ones count as not given. */
export function overridesOf(environment: Environment, prefix: string): Override[] {
  return Object.keys(environment).sort().flatMap((name) => {
    const rest = name.slice(prefix.length);
    const value = environment[name]?.trim() ?? "";
    if (!name.startsWith(prefix) || value === "" || NOT_OURS.test(rest)) return [];
    return [{ name, key: keyOfVariable(rest), value }];
  });
}

/** A value after its `${ENV:...}` have been replaced. */
export interface Interpolated {
  readonly text: string;
  readonly problems: readonly string[];
}

const REFERENCE = /(\$?)\$\{(?:FILE:([^}]*)|ENV:([^}:]*)(?::([^}]*))?)(\}?)/g;
/** Larger files are surely no values. */
const MAX_FILE_BYTES = 64 * 1024;

/**
 * Replaces `${ENV:NAME}` by the variable's value, `${ENV:NAME:default}` by the default when the variable is missing or empty,
 * and `${FILE:PATH}` by what the file holds, without the line end behind it; a PATH without "/" is a file of systemd's
 * $CREDENTIALS_DIRECTORY. `$${ENV:NAME}` stands for the text itself. What comes in is not looked into again.
 */
export function interpolate(value: string, environment: Environment): Interpolated {
  const problems: string[] = [];
  const text = value.replace(
    REFERENCE,
    (all, escape: string, path: string | undefined, name: string, fallback: string | undefined, end: string) => {
      if (escape !== "") return all.slice(1);
      try {
        if (end === "") {
          throw new RangeError(`"\${${path === undefined ? `ENV:${name}` : `FILE:${path}`}" has no closing }`);
        }
        return path !== undefined ? fileValue(path, environment) : variableValue(name, fallback, environment);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        problems.push(error.message);
        return "";
      }
    },
  );
  return { text, problems };
}

/** @throws RangeError with what is wrong. */
function variableValue(name: string, fallback: string | undefined, environment: Environment): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new RangeError(`"${name}" is no name of an environment variable`);
  const found = environment[name];
  if (found !== undefined && (found !== "" || fallback === undefined)) return found;
  if (fallback !== undefined) return fallback;
  throw new RangeError(`environment variable ${name} is not set: set it, or write \${ENV:${name}:default}`);
}

/** @throws RangeError with what is wrong. */
function fileValue(path: string, { CREDENTIALS_DIRECTORY: credentials }: Environment): string {
  const place = credentials !== undefined && !path.includes("/") ? `${credentials}/${path}` : path;
  let bytes: Uint8Array;
  try {
    if (Deno.statSync(place).size > MAX_FILE_BYTES) throw new RangeError(`${place} is too large for a value`);
    bytes = Deno.readFileSync(place);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw new RangeError(`can't read \${FILE:${path}}: ${(error as Error).message}`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
    if (text !== "") return text;
  } catch {
    throw new RangeError(`${place} is not UTF-8`);
  }
  throw new RangeError(`${place} is empty`);
}
