/** What bounded jobs are asked to do, and the range that comes of it. */
import { join } from "node:path";
import type { Config } from "../registry.ts";
import { steadyBufferByteLength, threadsOf } from "../loop/limits.ts";
import { JobFile, type JobPlan, rangeId } from "../replay/job_file.ts";
import { unitByteLengthOf } from "../replay/options.ts";
import type { Rate } from "../replay/rate_limit.ts";
import type { Logger } from "../runtime/log.ts";
import { Metrics } from "../runtime/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RangePlan, RangeRequest } from "../records/range.ts";
import type { RangeSource } from "../source/range_source.ts";
import { comparePositions } from "../records/position.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { formatPlan } from "./format_plan.ts";
import { type Host, print } from "./host.ts";
import type { JobSettings } from "./job_settings.ts";
import type { Terminal } from "./terminal.ts";

/** What a run is asked to do. */
export interface JobRequest {
  /** Safe as a file name. */
  readonly name: string;
  readonly prefix: string;
  readonly historical: boolean;
  readonly fromText: string | null;
  readonly toText: string | null;
  /** Whether another run of the same command asks for the same range. */
  readonly fixed: boolean;
  /** Whether the job begins where its last run ended. */
  readonly resumes: boolean;
  /** Whether the next run may begin where this one ends, which is noted for others to see. */
  readonly incremental: boolean;
  readonly wait: boolean;
  readonly dryRun: boolean;
  /** Whether a run that isn't finished is given up. */
  readonly discard: boolean;
  /** Whether nothing is said when all goes well. */
  readonly quiet: boolean;
  readonly rate: Rate | null;
}

/** What differs between replays and redrives. */
export interface JobKind {
  readonly request: JobRequest;
  /** Of this run's config. */
  readonly settings: JobSettings;
  /** The config of a run: this one's, or an unfinished one's that differs in these. */
  configOf(plan: Pick<JobPlan, "historical">): Config;
  ranges(config: Config, runtime: Runtime): RangeSource;
  plan(
    ranges: RangeSource,
    earlier: Pick<RangeRequest, "resume" | "known">,
    signal: AbortSignal,
  ): Promise<RangePlan>;
  /** Called when everything is durable; may come again after a crash. */
  finished?(plan: JobPlan, surroundings: { runtime: Runtime; signal: AbortSignal }): Promise<void>;
}

/** What a run has around it. */
export interface JobSurroundings {
  readonly host: Host;
  readonly terminal: Terminal;
  readonly log: Logger;
  readonly stop: AbortSignal;
}

/** With counts of its own. */
export function runtimeOf({ host, log }: JobSurroundings): Runtime {
  return { clock: host.clock, random: host.random, log, metrics: new Metrics() };
}

/** Finds out what the range is now. `job`: as it was left; null when there is none. */
export async function planOf(
  { request, settings, plan }: JobKind,
  { job, ranges, config }: { job: JobFile | null; ranges: RangeSource; config: Config },
  { host, stop }: JobSurroundings,
): Promise<JobPlan> {
  const { name, prefix, historical, fromText, toText, resumes, incremental } = request;
  const resume = new Map(resumes ? job?.last.positions : []);
  if (resumes) {
    // Another machine may have gone on in between; or this one may have ended before others could see how far it was.
    for (const [split, position] of await ranges.published?.(name, stop) ?? []) {
      const own = resume.get(split);
      if (own === undefined || comparePositions(own, position) < 0) resume.set(split, position);
    }
  }
  const range = await plan(ranges, { resume, known: job?.last.details }, stop);
  return {
    id: rangeId(range),
    from: fromText,
    to: toText,
    prefix,
    historical,
    incremental,
    settings,
    unitByteLength: unitByteLengthOf(config.replay, steadyBufferByteLength(config, host.machine)),
    range,
  };
}

/** Says what a run would do. Leaves nothing behind. */
export async function describe(kind: JobKind, directory: string, surroundings: JobSurroundings): Promise<ExitCode> {
  const { host, log } = surroundings;
  const { request } = kind;
  const known = await Deno.stat(join(directory, request.name)).then(() => true, () => false);
  const job = known ? await JobFile.open(directory, request.name) : null;
  await job?.release(); // it was read: a run that cron starts meanwhile must not be refused
  if (known && job === null) log.warn("another run of the same job is under way", { job: request.name });
  const config = kind.configOf(request);
  const ranges = kind.ranges(config, runtimeOf(surroundings));
  try {
    const plan = await planOf(kind, { job, ranges, config }, surroundings);
    const { workers } = threadsOf(config.pipeline, host.machine);
    const target = config.target.name, template = config.encode.keyTemplate.text;
    const unfinished = request.discard ? null : job?.plan ?? null;
    await print(host, formatPlan({ job: request.name, unfinished, plan, workers, target, template }));
    return plan.range.missing.length > 0 ? EXIT.incomplete : EXIT.done;
  } finally {
    await ranges.close();
  }
}
