import type { JobPlan } from "../replay/job_file.ts";
import { edgesText } from "../replay/job_plan.ts";
import { formatBytes, formatCount, formatSeconds } from "../runtime/format.ts";

/** Of a list that may be long. */
const MAX_LINES = 20;

export interface PlanToShow {
  readonly job: string;
  /** The run that would be finished first; null when there is none. */
  readonly unfinished: JobPlan | null;
  readonly plan: JobPlan;
  readonly workers: number;
  readonly target: string;
  readonly template: string;
}

/** What a run would read and write, for people. */
export function formatPlan({ job, unfinished, plan, workers, target, template }: PlanToShow): string {
  const { range, prefix, unitByteLength } = plan;
  const weigh = WEIGHTS[range.weightUnit];
  const total = range.splits.reduce((sum, { weight }) => sum + weight, 0);
  const names = range.splits.map(({ split }) => split.length);
  const width = Math.min(60, Math.max(0, ...names.slice(0, MAX_LINES)));
  const lines = [
    `job      ${job}${
      unfinished === null ? "" : `, which has an unfinished run: ${rangeText(unfinished)} comes first`
    }`,
    `reads    ${contentsText(rangeText(plan), range.splits.length, weigh(total))}`,
    ...cut(
      range.splits.map(({ split, start, end, weight }) =>
        `         ${split.padEnd(width)}  ${start} to ${end ?? "its end"}  ${weigh(weight)}`
      ),
    ),
    ...cut(range.missing.map((sentence) => `missing  ${sentence}`)),
    `writes   ${target}, ${[prefix, template].filter((part) => part !== "").join("/")}, new objects after each ${
      formatBytes(unitByteLength)
    } of records, with ${workers} workers`,
    "",
  ];
  return lines.join("\n");
}

function contentsText(range: string, splitCount: number, weight: string): string {
  if (splitCount === 0) return `nothing: there is nothing ${range}`;
  return `${range}: ${formatCount(splitCount)} ${splitCount === 1 ? "split" : "splits"}, ${weight}`;
}

const WEIGHTS: Readonly<Record<JobPlan["range"]["weightUnit"], (weight: number) => string>> = {
  records: (weight) => `${formatCount(weight)} records`,
  bytes: formatBytes,
  ms: formatSeconds,
};

function rangeText(plan: JobPlan): string {
  const { from, to } = edgesText(plan);
  return `from ${from} to ${to}`;
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= MAX_LINES) return [...lines];
  return [...lines.slice(0, MAX_LINES), `         and ${formatCount(lines.length - MAX_LINES)} more`];
}
