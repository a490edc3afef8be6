/** Bounded jobs: replays and redrives. Lock, go on or plan, run the loop over the ranges, report. */
import { assemble } from "../assemble.ts";
import type { Config } from "../registry.ts";
import { JobFile, type JobPlan } from "../replay/job_file.ts";
import { RateLimit } from "../replay/rate_limit.ts";
import { ReplaySource } from "../replay/replay_source.ts";
import { type ReplayReport, reportObject, reportOf } from "../replay/report.ts";
import type { LogFields } from "../runtime/log.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RangeSource } from "../source/range_source.ts";
import { prefixedTarget } from "../target/prefixed_target.ts";
import type { ObjectTarget, Target } from "../target/target.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { edgesText } from "./format_plan.ts";
import { holdBack } from "./held_back.ts";
import type { Host } from "./host.ts";
import { describe, type JobKind, type JobRequest, type JobSurroundings, planOf, runtimeOf } from "./job_plan.ts";
import { checkJobSettings } from "./job_settings.ts";
import { RowOutput } from "./row_output.ts";
import { collect, openProcessLog } from "./run.ts";
import { stopOnSignals } from "./shutdown.ts";
import { Terminal } from "./terminal.ts";

/** How often a waiting run looks whether the job is free. */
const LOCK_POLL_MS = 1000;

const FAILED = "failed; the same command goes on from what is stored, or begins anew with --discard";

/** Runs the job to its end. */
export async function runJob(kind: JobKind, host: Host): Promise<ExitCode> {
  if (!kind.request.quiet) return await runAloud(kind, host);
  const held = holdBack(host);
  const code = await runAloud(kind, held.host);
  if (code !== EXIT.done) held.release();
  return code;
}

async function runAloud(kind: JobKind, host: Host): Promise<ExitCode> {
  const { request } = kind;
  const { process, replay } = kind.configOf(request);
  const terminal = new Terminal(host.stderr);
  const log = openProcessLog(process, terminal, host);
  host.onUncaught((error) => {
    log.error(FAILED, { job: request.name }, error);
    host.exit(EXIT.failed);
  });
  const surroundings = { host, terminal, log, stop: stopOnSignals(host, log) };
  let job: JobFile | null = null;
  try {
    if (request.dryRun) return await describe(kind, replay.directory, surroundings);
    job = await takeJob(replay.directory, request, surroundings);
    if (job === null) return surroundings.stop.aborted ? EXIT.stopped : EXIT.locked;
    try {
      return await runUnfinishedAndNew(kind, job, surroundings);
    } finally {
      await job.release();
    }
  } catch (error) {
    if (surroundings.stop.aborted && error === surroundings.stop.reason) return EXIT.stopped;
    const begun = (job?.plan ?? null) !== null;
    log.error(begun ? FAILED : "failed; nothing was begun", { job: request.name }, error);
    return EXIT.failed;
  }
}

/** Null when another run has the job, or the wish to stop came while this one waited for it. */
async function takeJob(
  directory: string,
  { name, wait }: JobRequest,
  { host, log, stop }: JobSurroundings,
): Promise<JobFile | null> {
  for (let told = false;; told = true) {
    const job = await JobFile.open(directory, name);
    if (job !== null) return job;
    if (!wait) {
      log.error("another run of the same job is under way: wait for it, or write --wait", { job: name });
      return null;
    }
    if (!told) log.info("another run of the same job is under way: waiting for it to end", { job: name });
    try {
      await host.clock.sleep(LOCK_POLL_MS, stop);
    } catch {
      return null;
    }
  }
}

async function runUnfinishedAndNew(kind: JobKind, job: JobFile, surroundings: JobSurroundings): Promise<ExitCode> {
  const { log } = surroundings;
  let missed = false;
  if (job.plan !== null && kind.request.discard) {
    log.warn("gave up the run that wasn't finished; what it stored stays", { job: job.name, ...rangeFields(job.plan) });
    await job.discard();
  }
  if (job.plan !== null) {
    const { from, to, historical, prefix } = job.plan;
    checkJobSettings(job.plan.settings, kind.settings);
    log.info("going on with the run that wasn't finished", { job: job.name, ...rangeFields(job.plan) });
    const code = await run(kind, job, null, surroundings);
    if (code !== EXIT.done && code !== EXIT.incomplete) return code;
    const { request } = kind;
    const same = request.fixed && from === request.fromText && to === request.toText &&
      historical === request.historical && prefix === request.prefix;
    if (same) return code;
    missed = code === EXIT.incomplete;
  }
  const config = kind.configOf(kind.request);
  const runtime = runtimeOf(surroundings);
  const ranges = kind.ranges(config, runtime);
  try {
    await job.start(await planOf(kind, { job, ranges, config }, surroundings));
  } catch (error) {
    await ranges.close();
    throw error;
  }
  const code = await run(kind, job, ranges, surroundings);
  return code === EXIT.done && missed ? EXIT.incomplete : code;
}

/** For the log: as asked for. */
function rangeFields(plan: JobPlan): LogFields {
  const { from, to } = edgesText(plan);
  return { from, to };
}

/** Runs the job's plan to its end. `planned`: the source that made the plan; null to make one anew. */
async function run(
  kind: JobKind,
  job: JobFile,
  planned: RangeSource | null,
  surroundings: JobSurroundings,
): Promise<ExitCode> {
  const { log, host, terminal } = surroundings;
  const plan = job.plan!;
  const config = kind.configOf(plan);
  const runtime = runtimeOf(surroundings);
  const ranges = planned ?? kind.ranges(config, runtime);
  const output = new RowOutput(host.stdout, terminal);
  const target = targetOf(config, plan, { runtime, output });
  for (const sentence of plan.range.missing) log.warn("a part of the range is missing", { missing: sentence });
  const source = new ReplaySource({
    ranges,
    splits: plan.range.splits,
    // As planned, also when there is less memory now: units cut elsewhere would have other names.
    unitByteLength: plan.unitByteLength,
    progress: job.progress,
    rate: kind.request.rate === null ? null : new RateLimit(kind.request.rate, runtime.clock),
    save: async (progress, signal) => {
      await job.save(progress);
      if (plan.incremental) await ranges.publish?.(job.name, progress.positions, signal);
    },
  });
  const assembled = assemble(config, { runtime, machine: host.machine, stdout: output }, {
    source,
    target,
    unitWritten: (manifest) => job.note(manifest),
  });
  const { weightUnit, splits } = plan.range;
  const weight = splits.reduce((sum, split) => sum + split.weight, 0);
  log.info("replaying", {
    job: job.name,
    splits: splits.length,
    [weightUnit]: weight,
    workers: assembled.facts.workers,
  });
  const share = () => source.share;
  const code = await collect(assembled, { ...surroundings, output, runtime, process: config.process, share });
  // What could not be written before shutdown.timeout is no failure of the job: nothing of it counts as done.
  const stopped = surroundings.stop.aborted && code === EXIT.failed;
  if (code === EXIT.failed && !stopped) log.info(FAILED, { job: job.name });
  if (code !== EXIT.done && !stopped) return code;
  if (stopped || !source.done) {
    log.info("stopped before the end; the same command goes on from here", { job: job.name });
    return EXIT.stopped;
  }
  return await finish(kind, job, { config, runtime, surroundings, missing: source.missing() });
}

function targetOf(
  config: Config,
  { prefix }: JobPlan,
  { runtime, output }: { runtime: Runtime; output: RowOutput },
): Target {
  const target = config.target.component.create(config.target.config, { runtime, stdout: output });
  return target.kind === "objects" && prefix !== "" ? prefixedTarget(target, prefix) : target;
}

/** Everything is durable: says so in the target, then forgets the plan. */
async function finish(
  kind: JobKind,
  job: JobFile,
  { config, runtime, missing, surroundings: { host, terminal, log, stop } }: {
    config: Config;
    missing: readonly string[];
    runtime: Runtime;
    surroundings: JobSurroundings;
  },
): Promise<ExitCode> {
  const report = reportOf(job.name, job.plan!, { units: await job.units(), ends: job.progress.positions, missing });
  const target = targetOf(config, job.plan!, { runtime, output: new RowOutput(host.stdout, terminal) });
  if (target.kind === "objects" && config.objects.manifest) {
    const key = await storeReport(report, target, { runtime, signal: stop });
    log.info("report stored", { key });
  }
  await kind.finished?.(job.plan!, { runtime, signal: stop });
  await job.finish(new Map(report.ranges.map(({ split, next }) => [split, next])));
  return report.missing.length > 0 ? EXIT.incomplete : EXIT.done;
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
