/**
 * Environment variables in the config, in two ways: as overrides (COLLECTOR_KAFKA_TOPIC=events sets kafka.topic) and
 * inside the values of the file (`${ENV:NAME}`, `${ENV:NAME:default}`).
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

const REFERENCE = /(\$?)\$\{ENV:([^}:]*)(?::([^}]*))?(\}?)/g;

/**
 * Replaces `${ENV:NAME}` by the variable's value, `${ENV:NAME:default}` by the default when the variable is missing or
 * empty. `$${ENV:NAME}` stands for the text itself. What the variable holds is not looked into again.
 */
export function interpolate(value: string, environment: Environment): Interpolated {
  const problems: string[] = [];
  const text = value.replace(
    REFERENCE,
    (all, escape: string, name: string, fallback: string | undefined, end: string) => {
      if (escape !== "") return all.slice(1);
      if (end === "") problems.push(`"\${ENV:${name}" has no closing }`);
      else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) problems.push(`"${name}" is no name of an environment variable`);
      else {
        const found = environment[name];
        if (found !== undefined && (found !== "" || fallback === undefined)) return found;
        if (fallback !== undefined) return fallback;
        problems.push(`environment variable ${name} is not set: set it, or write \${ENV:${name}:default}`);
      }
      return "";
    },
  );
  return { text, problems };
}
