import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Config } from "../registry.ts";
import { placeOf, sourceContextOf } from "../assemble.ts";
import { MAX_JOB_NAME_LENGTH } from "../replay/job_file.ts";
import { parseKeyTemplate } from "../encode/key_template.ts";
import { checkKeyPrefix } from "../target/prefixed_target.ts";
import { type Arguments, type Command, type Flag, UsageError } from "./command.ts";
import type { ExitCode } from "./exit_code.ts";
import type { Host } from "./host.ts";
import type { JobRequest } from "../replay/job_plan.ts";
import { type AskedJob, runAskedJob } from "./run_job.ts";
import { replaceUnits } from "./replace.ts";
import { jobSettingsOf } from "../replay/job_settings.ts";
import { CONFIG_FLAGS, loadConfig } from "./load_config.ts";
import { type AskedRange, parseRate, RANGE_FLAGS, rangeOf } from "./replay_range.ts";

/** The flags of every bounded job. */
export const JOB_FLAGS: readonly Flag[] = [
  { name: "job", value: "NAME", doc: "the job's name; by default made from the config's path and these flags" },
  { name: "wait", doc: "wait when another run of the same job is under way" },
  { name: "dry-run", doc: "say what would be read and written, and do nothing" },
  { name: "discard", doc: "give up a run of the job that wasn't finished, in place of finishing it first" },
  { name: "rate", value: "N|SIZE", doc: "read at most 5000 (records) or 20MB a second" },
  { name: "quiet", doc: "say nothing unless something went wrong" },
  { name: "strict", doc: "exit with 6 when all is done and records could not be decoded" },
];

export const replayCommand: Command = {
  summary: "read a range again, write it and end: for cron and by hand",
  usage: "[CONFIG.properties] --from TIME --to TIME | --last DURATION | --until-now [options]",
  doc:
    `Reads a range of the config's source, fixed when it starts, writes it as the config says, and ends. It runs beside the
live collector: it joins no group, takes no lease and moves no checkpoint.

collector help replay says more: ranges, jobs, cron, reports.`,
  flags: [
    ...RANGE_FLAGS,
    {
      name: "historical",
      doc: "read kafka.historical-data-topic, from where the last run ended, and group rows by day",
    },
    { name: "prefix", value: "PREFIX", doc: "write below this prefix of the target" },
    {
      name: "replace",
      doc: "write again, in place and under the same names, the units whose manifests cover the range, as a repair",
    },
    {
      name: "into-live",
      doc: "write beside the rows of the live collector: those of the same records are there twice then",
    },
    ...JOB_FLAGS,
    ...CONFIG_FLAGS,
  ],
  maxPositionals: 1,
  hearsSignals: true,
  run: replay,
};

async function replay(args: Arguments, host: Host): Promise<ExitCode> {
  const loaded = await loadConfig(args, host);
  const { config } = loaded;
  const { name, component } = config.source;
  if (component.ranges === undefined) {
    throw new UsageError(`stream.source=${name} can't be replayed: nothing of it can be read again`);
  }
  const historical = args.has("historical");
  const range = rangeOf(args, { nowMs: host.clock.now(), whole: component.finite === true, historical });
  const request = requestOf(args, range, historical);
  const isReplacing = args.has("replace");
  if (isReplacing && (historical || range.resumes || args.has("into-live"))) {
    throw new UsageError("--replace goes with a range of its own: leave --historical, --until-now and --into-live out");
  }
  if (!isReplacing) checkPlace(args, config);
  const asked: AskedJob = {
    request,
    settings: jobSettingsOf(loaded),
    ...saysOf(args),
    configOf: (plan) => plan.historical ? byDay(config) : config,
    ranges: (config, runtime) => component.ranges!(config.source.config, sourceContextOf(config, runtime)),
    plan: (ranges, earlier, signal) => {
      return ranges.plan({ from: range.from, to: range.to, ...earlier, historical }, signal);
    },
  };
  return await runAskedJob(asked, host, isReplacing ? replaceUnits : undefined);
}

/**
 * The live collector's objects of the same records have other names, so that a replay beside them doubles its rows. What the
 * historical topic has was put aside by it, and what only passes by is stored nowhere.
 *
 * @throws UsageError
 */
function checkPlace(args: Arguments, config: Config): void {
  const isApart = (args.value("prefix") ?? "") !== "" || args.has("historical") || placeOf(config).trial;
  if (isApart || args.has("into-live") || args.has("dry-run")) return;
  throw new UsageError(
    `without --prefix, a replay writes to ${placeOf(config).name}, where the live collector writes: rows of the same ` +
      "records are there twice then. Write --prefix PREFIX, or --into-live when nothing else writes these records",
  );
}

function requestOf(args: Arguments, range: AskedRange, historical: boolean): JobRequest {
  return {
    name: jobNameOf(args, historical ? "historical" : "replay"),
    prefix: prefixOf(args),
    historical,
    ...range,
    ...waysOf(args),
  };
}

/** What JOB_FLAGS say of words. */
export function saysOf(args: Arguments): Pick<AskedJob, "dryRun" | "quiet" | "strict"> {
  return { dryRun: args.has("dry-run"), quiet: args.has("quiet"), strict: args.has("strict") };
}

/** What JOB_FLAGS say of the work. @throws UsageError */
export function waysOf(args: Arguments): Pick<JobRequest, "wait" | "discard" | "rate"> {
  const rate = args.value("rate");
  return {
    wait: args.has("wait"),
    discard: args.has("discard"),
    rate: rate === undefined ? null : parseRate(rate),
  };
}

/** "" for none. @throws UsageError */
export function prefixOf(args: Arguments): string {
  const prefix = args.value("prefix") ?? "";
  try {
    if (prefix !== "") checkKeyPrefix(prefix);
  } catch (error) {
    throw new UsageError(`--prefix: ${(error as Error).message}`, { cause: error });
  }
  return prefix;
}

const JOB_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** As it was given, or one that the same command line has again. A redrive's is never that of a replay. */
export function jobNameOf(args: Arguments, kind: "replay" | "historical" | "redrive"): string {
  const given = args.value("job");
  if (given !== undefined) {
    if (JOB_NAME.test(given) && given.length <= MAX_JOB_NAME_LENGTH) {
      return kind === "redrive" ? `redrive-${given}` : given;
    }
    throw new UsageError(
      `--job: "${given}" is no name: use letters, digits and . _ - (not first), at most ${MAX_JOB_NAME_LENGTH}`,
    );
  }
  const [positional] = args.positionals;
  const file = positional ?? args.value("config");
  if (file === "-") throw new UsageError("a config on standard input needs --job NAME: it tells jobs apart");
  const flags = ["from", "to", "last", "from-offset", "to-offset", "prefix", "set"].map((flag) => args.values(flag));
  const told = [file === undefined ? "" : resolve(file), flags, args.has("until-now")];
  const hash = createHash("sha256").update(JSON.stringify(told)).digest("hex").slice(0, 8);
  return `${kind}-${hash}`;
}

/** Rows grouped by event day at least. */
function byDay(config: Config): Config {
  const { keyTemplate } = config.encode;
  if (["day", "hour"].includes(keyTemplate.timeUnit ?? "")) return config;
  return { ...config, encode: { ...config.encode, keyTemplate: parseKeyTemplate(`${keyTemplate.text}/dt={date}`) } };
}
