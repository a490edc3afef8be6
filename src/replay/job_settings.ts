import type { ListingEntry } from "../config/read.ts";
import { FatalError } from "../runtime/errors.ts";

/**
 * What decides where a run reads, and where and under which names it stores: a run that goes on with others would store rows
 * again under new names, or those of one config as the other's says, where two share a job's name.
 */
const KEYS: readonly string[] = [
  ...["stream.source", "kafka.topic", "kafka.historical-data-topic", "kinesis.stream"],
  ...["target", "target.file.directory", "dead-letter.directory"],
  ...["target.aws.s3-bucket", "target.aws.s3-endpoint", "target.aws.s3-prefix"],
  ...["target.key-template", "target.compression", "target.file-extension", "target.aws.s3-max-data-size"],
];

/** By key, as they were written; keys that aren't set or have no effect are left out. */
export type JobSettings = Readonly<Record<string, string>>;

export function jobSettingsOf({ listing }: { readonly listing: readonly ListingEntry[] }): JobSettings {
  const known = new Set(KEYS);
  return Object.fromEntries(
    listing.flatMap(({ key, text }) => known.has(key) && text !== undefined ? [[key, text]] : []),
  );
}

/** @throws FatalError that says what has changed since the run began, and what to do. */
export function checkJobSettings(before: JobSettings, now: JobSettings): void {
  const show = (text: string | undefined) => text ?? "(not set)";
  const changed = KEYS.filter((key) => before[key] !== now[key]);
  if (changed.length === 0) return;
  const list = changed.map((key) => `${key} was ${show(before[key])} and is ${show(now[key])}`).join("; ");
  throw new FatalError(
    `the config has changed since the run that isn't finished began: ${list}. Put it back to have that run finished, ` +
      "write --discard to give it up, or use another --job name when this is another job",
  );
}
