/**
 * Keys that only parts of the original collector used which this one does without. A config that has them still works;
 * each gets a warning that says what happens instead.
 */

/** One key, or all keys below a prefix that ends in a dot. */
interface Legacy {
  readonly pattern: string;
  /** What happens instead. */
  readonly instead: string;
}

const NO_RAPTOR = "ignored: there is no raptor target; rows go to the target that the target key names";
const NO_JVM = "ignored: it was for the original's server framework";
const LOGGING = "ignored: logs go to standard error, see log.level and log.format";
const NO_LICENSE = "ignored: no license is asked for";

const LEGACY: readonly Legacy[] = [
  {
    pattern: "metadata.store.",
    instead: "ignored: no metadata database is used; tables and columns are found out from the records themselves",
  },
  {
    pattern: "metadata.store",
    instead: "ignored: no metadata database is used; tables and columns are found out from the records themselves",
  },
  {
    pattern: "committer.duplicate-handler-rocksdb-directory",
    instead: "ignored: no rows are dropped as duplicates; source.metadata-columns adds columns by which readers can",
  },
  { pattern: "log-active", instead: LOGGING },
  { pattern: "log-identifier", instead: LOGGING },
  { pattern: "company-name", instead: LOGGING },
  { pattern: "log.levels-file", instead: LOGGING },
  { pattern: "log.output-file", instead: LOGGING },
  { pattern: "log.path", instead: LOGGING },
  { pattern: "log.max-history", instead: LOGGING },
  { pattern: "log.max-size", instead: LOGGING },
  { pattern: "log.enable-console", instead: LOGGING },
  { pattern: "license.", instead: NO_LICENSE },
  { pattern: "raptor.", instead: NO_RAPTOR },
  { pattern: "backup.", instead: NO_RAPTOR },
  { pattern: "storage.", instead: NO_RAPTOR },
  { pattern: "metadata.db.", instead: NO_RAPTOR },
  { pattern: "redshift.", instead: "ignored: there is no redshift target; load the files of the s3 target instead" },
  { pattern: "node.", instead: NO_JVM },
  { pattern: "http-server.", instead: NO_JVM },
  { pattern: "jmx.", instead: NO_JVM },
];

/** What happens instead of what the key once did; undefined when the original didn't have the key either. */
export function legacyKey(key: string): string | undefined {
  const matches = ({ pattern }: Legacy) => pattern.endsWith(".") ? key.startsWith(pattern) : key === pattern;
  return LEGACY.find(matches)?.instead;
}
