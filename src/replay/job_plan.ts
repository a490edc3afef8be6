/** What a bounded job is asked to do, and the range that comes of it. */
import { comparePositions } from "../records/position.ts";
import type { RangePlan, RangeRequest } from "../records/range.ts";
import type { RangeSource } from "../source/range_source.ts";
import { type JobFile, type JobPlan, rangeId } from "./job_file.ts";
import type { JobSettings } from "./job_settings.ts";
import type { Rate } from "./rate_limit.ts";

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
  /** Whether a run that isn't finished is given up. */
  readonly discard: boolean;
  readonly rate: Rate | null;
}

/** What a plan is made of, beside the ranges themselves. */
export interface Planning {
  readonly request: JobRequest;
  /** Of this run's config. */
  readonly settings: JobSettings;
  readonly unitByteLength: number;
  plan(ranges: RangeSource, earlier: Pick<RangeRequest, "resume" | "known">, signal: AbortSignal): Promise<RangePlan>;
}

/** Finds out what the range is now. `job`: as it was left; null when there is none. */
export async function planOf(
  { request, settings, unitByteLength, plan }: Planning,
  { job, ranges }: { job: JobFile | null; ranges: RangeSource },
  signal: AbortSignal,
): Promise<JobPlan> {
  const { name, prefix, historical, fromText, toText, resumes, incremental } = request;
  const resume = new Map(resumes ? job?.last.positions : []);
  if (resumes) {
    // Another machine may have gone on in between; or this one may have ended before others could see how far it was.
    for (const [split, position] of await ranges.published?.(name, signal) ?? []) {
      const own = resume.get(split);
      if (own === undefined || comparePositions(own, position) < 0) resume.set(split, position);
    }
  }
  const range = await plan(ranges, { resume, known: job?.last.details }, signal);
  return {
    ...{ id: rangeId(range), from: fromText, to: toText, prefix, historical, incremental },
    ...{ settings, unitByteLength, range },
  };
}

/** What was asked for. */
export function edgesText({ from, to, incremental }: JobPlan): { readonly from: string; readonly to: string } {
  return { from: from ?? (incremental ? "the last run's end, if any," : "the beginning"), to: to ?? "the end" };
}
