/** Config and flags -> a bounded job, run or only described; what came of it -> an exit code. */
import { join } from "node:path";
import { assemble, placeOf } from "../assemble.ts";
import { steadyBufferByteLength, threadsOf } from "../loop/limits.ts";
import type { Config } from "../registry.ts";
import { type Job, type JobEnd, logFailedJob, NOT_BEGUN, runJob } from "../replay/job.ts";
import { JobFile, type JobPlan } from "../replay/job_file.ts";
import { type JobRequest, type Planning, planOf } from "../replay/job_plan.ts";
import { unitByteLengthOf } from "../replay/options.ts";
import { MisuseError } from "../runtime/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RangeSource } from "../source/range_source.ts";
import { prefixedTarget } from "../target/prefixed_target.ts";
import { collect, openProcess, type Process } from "./collect.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { formatPlan } from "./format_plan.ts";
import { holdBack } from "./held_back.ts";
import { rejectedOf } from "./progress.ts";
import { type Host, print } from "./host.ts";

/** A replay or a redrive, as the command line and the config ask for it. */
export interface AskedJob extends Pick<Planning, "settings" | "plan">, Pick<Job, "finished"> {
  readonly request: JobRequest;
  /** Whether it is only said what a run would do. */
  readonly dryRun: boolean;
  /** Whether nothing is said when all goes well. */
  readonly quiet: boolean;
  /** Whether records that can't be decoded make an exit code. */
  readonly strict: boolean;
  /** The config of a run: this one's, or an unfinished one's that differs in these. */
  configOf(plan: Pick<JobPlan, "historical">): Config;
  ranges(config: Config, runtime: Runtime): RangeSource;
}

const EXIT_CODES: Readonly<Record<JobEnd, ExitCode>> = {
  done: EXIT.done,
  incomplete: EXIT.incomplete,
  stopped: EXIT.stopped,
  locked: EXIT.locked,
  failed: EXIT.failed,
  misused: EXIT.usage,
  closed: EXIT.outputClosed,
};

/** Runs the job to its end, or says what a run would do. `run`: another way to do it. */
export async function runAskedJob(asked: AskedJob, host: Host, run = runAloud): Promise<ExitCode> {
  const held = asked.quiet ? holdBack(host) : null;
  const { code, rejected } = await run(asked, held?.host ?? host);
  if (code !== EXIT.done || rejected) held?.release();
  return asked.strict && rejected && code === EXIT.done ? EXIT.rejected : code;
}

/** What came of it, and whether records could not be decoded. */
export interface Told {
  readonly code: ExitCode;
  readonly rejected: boolean;
}

async function runAloud(asked: AskedJob, host: Host): Promise<Told> {
  const { request } = asked;
  const process = openProcess(asked.configOf(request).process, host, (error) => {
    logFailedJob(asked, process.runtime(), error);
  });
  let rejected = false;
  const job = jobOf(asked, process, () => rejected = true);
  if (!asked.dryRun) return { code: EXIT_CODES[await runJob(job, process)], rejected };
  try {
    return { code: await describe(job, asked.configOf(request), process), rejected };
  } catch (error) {
    const { log } = process.runtime();
    if (process.stop.aborted && error === process.stop.reason) return { code: EXIT.stopped, rejected };
    log.error(NOT_BEGUN, { job: request.name }, error);
    return { code: error instanceof MisuseError ? EXIT.usage : EXIT.failed, rejected };
  }
}

function jobOf(asked: AskedJob, process: Process, onRejected: () => void): Job {
  const { request, settings, plan, finished, configOf } = asked;
  const { host, output } = process;
  const { replay, objects, ...config } = configOf(request);
  return {
    ...{ request, settings, plan, finished },
    directory: replay.directory,
    reports: objects.manifest,
    unitByteLength: unitByteLengthOf(replay, steadyBufferByteLength(config, host.machine)),
    ranges: (plan, runtime) => asked.ranges(configOf(plan), runtime),
    target(plan, runtime) {
      const { component, config } = configOf(plan).target;
      const target = component.create(config, { runtime, stdout: output });
      return target.kind === "objects" && plan.prefix !== "" ? prefixedTarget(target, plan.prefix) : target;
    },
    async collect(plan, { source, target, runtime, unitWritten }) {
      const assembled = assemble(configOf(plan), { runtime, machine: host.machine, stdout: output }, {
        ...{ source, target, unitWritten },
      });
      const { weightUnit, splits } = plan.range;
      runtime.log.info("replaying", {
        job: request.name,
        splits: splits.length,
        [weightUnit]: splits.reduce((sum, split) => sum + split.weight, 0),
        workers: assembled.facts.workers,
      });
      const end = await collect(assembled, { process, runtime, share: () => source.share });
      if (rejectedOf(runtime.metrics) > 0) onRejected();
      return end;
    },
    // Its counts are of processes before this one, too.
    reported({ totals }) {
      if (totals.deadLetters + (totals.dropped["dead-letter"] ?? 0) > 0) onRejected();
    },
  };
}

/** Says what a run would do. Leaves nothing behind. */
async function describe(job: Job, config: Config, { host, runtime, stop }: Process): Promise<ExitCode> {
  const { request, directory } = job;
  const known = await Deno.stat(join(directory, request.name)).then(() => true, () => false);
  const file = known ? await JobFile.open(directory, request.name) : null;
  await file?.release(); // it was read: a run that cron starts meanwhile must not be refused
  if (known && file === null) runtime().log.warn("another run of the same job is under way", { job: request.name });
  const ranges = job.ranges(request, runtime());
  try {
    const plan = await planOf(job, { job: file, ranges }, stop);
    const { workers } = threadsOf(config.pipeline, host.machine);
    const target = placeOf(config).name, template = config.encode.keyTemplate.text;
    const unfinished = request.discard ? null : file?.plan ?? null;
    await print(host, formatPlan({ job: request.name, unfinished, plan, workers, target, template }));
    return plan.range.missing.length > 0 ? EXIT.incomplete : EXIT.done;
  } finally {
    await ranges.close();
  }
}
