/**
 * Replays: ranges of a source, or dead letters, read again as bounded jobs.
 *
 * The life of a bounded job, a replay or a redrive:
 *
 *     lock -> [finish the run that was left unfinished] -> plan -> run the loop over the ranges -> report -> forget
 *
 * A run that was killed or stopped is gone on with by the next one of the same name, as it was planned.
 */
import { MisuseError } from "../runtime/errors.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RangeSource } from "../source/range_source.ts";
import type { Manifest } from "../target/manifest.ts";
import type { ObjectTarget, Target } from "../target/target.ts";
import { JobFile, type JobPlan } from "./job_file.ts";
import { edgesText, type Planning, planOf } from "./job_plan.ts";
import { checkJobSettings } from "./job_settings.ts";
import { RateLimit } from "./rate_limit.ts";
import { ReplaySource } from "./replay_source.ts";
import { type ReplayReport, reportObject, reportOf } from "./report.ts";

/** How often a waiting run looks whether the job is free. */
const LOCK_POLL_MS = 1000;

const FAILED = "failed; the same command goes on from what is stored, or begins anew with --discard";

/** What is said of a job that failed before anything was read. */
export const NOT_BEGUN = "failed; nothing was begun";

/**
 * What came of a run: "incomplete" when all is stored but a part of the range was gone; "locked" when another run has the
 * job; "misused" when the range makes no sense for the source; "closed" when whoever read the rows went away.
 */
export type JobEnd = "done" | "incomplete" | "stopped" | "locked" | "failed" | "misused" | "closed";

/** A run of the loop over a job's ranges. */
export interface JobLoop {
  readonly source: ReplaySource;
  readonly target: Target;
  readonly runtime: Runtime;
  unitWritten(manifest: Manifest): Promise<void>;
}

/** What differs between replays and redrives, and what is made from the config, as the plan needs it, by whoever knows that. */
export interface Job extends Planning {
  /** Where jobs are kept on this machine. */
  readonly directory: string;
  /** Whether a report is stored in the target. */
  readonly reports: boolean;
  ranges(plan: Pick<JobPlan, "historical">, runtime: Runtime): RangeSource;
  target(plan: Pick<JobPlan, "historical" | "prefix">, runtime: Runtime): Target;
  /** Runs the loop until the source ends, the stop signal comes, or something fails, which it says. */
  collect(plan: JobPlan, loop: JobLoop): Promise<"done" | "failed" | "closed">;
  /** Called with the report of a run of which everything is durable. */
  reported?(report: ReplayReport): void;
  /** Called when everything is durable; may come again after a crash. */
  finished?(plan: JobPlan, surroundings: { runtime: Runtime; signal: AbortSignal }): Promise<void>;
}

/** What a run has around it. */
export interface JobSurroundings {
  /** With counts of its own at each call. */
  runtime(): Runtime;
  readonly stop: AbortSignal;
}

/** Runs the job to its end. Never throws: what goes wrong is said in the log. */
export async function runJob(job: Job, surroundings: JobSurroundings): Promise<JobEnd> {
  const { stop } = surroundings, { log } = surroundings.runtime();
  const { name } = job.request;
  let file: JobFile | null = null;
  try {
    file = await takeJob(job, surroundings);
    if (file === null) return stop.aborted ? "stopped" : "locked";
    try {
      return await runUnfinishedAndNew(job, file, surroundings);
    } finally {
      await file.release();
    }
  } catch (error) {
    if (stop.aborted && error === stop.reason) return "stopped";
    const begun = (file?.plan ?? null) !== null;
    log.error(begun ? FAILED : NOT_BEGUN, { job: name }, error);
    return error instanceof MisuseError ? "misused" : "failed";
  }
}

/** For errors that nobody caught. */
export function logFailedJob({ request }: Pick<Job, "request">, { log }: Runtime, error: unknown): void {
  log.error(FAILED, { job: request.name }, error);
}

/** Null when another run has the job, or the wish to stop came while this one waited for it. */
async function takeJob(
  { directory, request: { name, wait } }: Job,
  { runtime, stop }: JobSurroundings,
): Promise<JobFile | null> {
  const { clock, log } = runtime();
  for (let told = false;; told = true) {
    const file = await JobFile.open(directory, name);
    if (file !== null) return file;
    if (!wait) {
      log.error("another run of the same job is under way: wait for it, or write --wait", { job: name });
      return null;
    }
    if (!told) log.info("another run of the same job is under way: waiting for it to end", { job: name });
    try {
      await clock.sleep(LOCK_POLL_MS, stop);
    } catch {
      return null;
    }
  }
}

async function runUnfinishedAndNew(job: Job, file: JobFile, surroundings: JobSurroundings): Promise<JobEnd> {
  const { request } = job;
  const runtime = surroundings.runtime(), { log } = runtime;
  let missed = false;
  if (file.plan !== null && request.discard) {
    log.warn("gave up the run that wasn't finished; what it stored stays", fieldsOf(file.name, file.plan));
    await file.discard();
  }
  if (file.plan !== null) {
    const { from, to, historical, prefix } = file.plan;
    checkJobSettings(file.plan.settings, job.settings);
    log.info("going on with the run that wasn't finished", fieldsOf(file.name, file.plan));
    const end = await runPlanned(job, file, null, surroundings);
    if (end !== "done" && end !== "incomplete") return end;
    const same = request.fixed && from === request.fromText && to === request.toText &&
      historical === request.historical && prefix === request.prefix;
    if (same) return end;
    missed = end === "incomplete";
  }
  const ranges = job.ranges(request, runtime);
  try {
    await file.start(await planOf(job, { job: file, ranges }, surroundings.stop));
  } catch (error) {
    await ranges.close();
    throw error;
  }
  const end = await runPlanned(job, file, ranges, surroundings);
  return end === "done" && missed ? "incomplete" : end;
}

/** For the log: the range as asked for. */
function fieldsOf(name: string, plan: JobPlan) {
  const { from, to } = edgesText(plan);
  return { job: name, from, to };
}

/** Runs the job's plan to its end. `planned`: the source that made the plan; null to make one anew. */
async function runPlanned(
  job: Job,
  file: JobFile,
  planned: RangeSource | null,
  surroundings: JobSurroundings,
): Promise<JobEnd> {
  const { stop } = surroundings;
  const runtime = surroundings.runtime(), { log } = runtime;
  const plan = file.plan!;
  const { rate } = job.request;
  const ranges = planned ?? job.ranges(plan, runtime);
  for (const sentence of plan.range.missing) log.warn("a part of the range is missing", { missing: sentence });
  const source = new ReplaySource({
    ranges,
    splits: plan.range.splits,
    // As planned, also when there is less memory now: units cut elsewhere would have other names.
    unitByteLength: plan.unitByteLength,
    progress: file.progress,
    rate: rate === null ? null : new RateLimit(rate, runtime.clock),
    save: async (progress, signal) => {
      await file.save(progress);
      if (plan.incremental) await ranges.publish?.(file.name, progress.positions, signal);
    },
  });
  const target = job.target(plan, runtime);
  const end = await job.collect(plan, { source, target, runtime, unitWritten: (manifest) => file.note(manifest) });
  // What could not be written before shutdown.timeout is no failure of the job: nothing of it counts as done.
  const stopped = stop.aborted && end === "failed";
  if (end === "failed" && !stopped) log.info(FAILED, { job: file.name });
  if (end !== "done" && !stopped) return end;
  if (stopped || !source.done) {
    log.info("stopped before the end; the same command goes on from here", { job: file.name });
    return "stopped";
  }
  return await finish(job, file, { runtime, signal: stop, missing: source.missing() });
}

/** Everything is durable: says so in the target, then forgets the plan. */
async function finish(
  job: Job,
  file: JobFile,
  { runtime, signal, missing }: { runtime: Runtime; signal: AbortSignal; missing: readonly string[] },
): Promise<JobEnd> {
  const plan = file.plan!;
  const report = reportOf(file.name, plan, { units: await file.units(), ends: file.progress.positions, missing });
  const target = job.target(plan, runtime);
  if (target.kind === "objects" && job.reports) {
    const key = await storeReport(report, target, { runtime, signal });
    runtime.log.info("report stored", { key });
  }
  job.reported?.(report);
  await job.finished?.(plan, { runtime, signal });
  await file.finish(new Map(report.ranges.map(({ split, next }) => [split, next])));
  return report.missing.length > 0 ? "incomplete" : "done";
}

async function storeReport(
  report: ReplayReport,
  target: ObjectTarget,
  { runtime, signal }: { runtime: Runtime; signal: AbortSignal },
): Promise<string> {
  const object = reportObject(report);
  await target.open(signal);
  try {
    const options = { policy: RETRY_UNTIL_STOPPED, runtime, signal };
    await retry("put the replay's report", () => target.put(object, signal), options);
  } finally {
    await target.close();
  }
  return object.key;
}
