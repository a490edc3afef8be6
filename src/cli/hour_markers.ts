import type { Config } from "../registry.ts";
import { sourceContextOf } from "../assemble.ts";
import { redactUrls } from "../config/secrets.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { withTimeLimit } from "../runtime/time_limit.ts";
import { type Position, type SplitId, splitParent } from "../records/position.ts";
import type { ReadableObjectTarget } from "../target/target.ts";
import type { Findings } from "../verify/findings.ts";
import {
  askedPositions,
  completeHours,
  type Completeness,
  endOfHours,
  type SourceEnds,
  writeMarkers,
} from "../verify/hour_markers.ts";
import type { HourMarkersReport } from "../verify/report.ts";

/** A source that has not said by then where it ends is taken for unreachable. */
const ENDS_LIMIT_MS = 120_000;

export interface MarkerSurroundings {
  readonly target: ReadableObjectTarget;
  readonly findings: Findings;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Asks the source where it ends, and writes the markers of hours that are complete. */
export async function markHours(
  config: Config,
  known: Omit<Completeness, "ends">,
  { target, findings, runtime, signal }: MarkerSurroundings,
): Promise<HourMarkersReport> {
  let ends: SourceEnds;
  try {
    ends = await askEnds(config, askedPositions(known), runtime, signal);
  } catch (error) {
    const message = `where the source ends isn't known, so no hour is marked: ${redactUrls((error as Error).message)}`;
    findings.add({ kind: "ends-unknown", message });
    return { written: 0, parents: [] };
  }
  const complete = completeHours({ ...known, ends });
  let written = 0;
  if (complete.some(({ hours }) => hours.length > 0)) {
    await target.open(signal);
    written = await writeMarkers(complete, target, runtime, signal);
  }
  const parents = complete.map((hours) => {
    return { parent: hours.parent, completeUntil: endOfHours(hours), heldBackBy: hours.heldBackBy };
  });
  return { written, parents };
}

/** @throws when it can't be known. */
async function askEnds(
  config: Config,
  positions: ReadonlyMap<SplitId, Position>,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<SourceEnds> {
  const { name, component } = config.source;
  if (component.ranges === undefined) throw new Error(`stream.source=${name} can't be asked`);
  const askedMs = runtime.clock.now();
  const source = component.ranges(config.source.config, sourceContextOf(config, runtime));
  try {
    const limit = { what: "find out where the source ends", limitMs: ENDS_LIMIT_MS, clock: runtime.clock, signal };
    const ask = (resume: ReadonlyMap<SplitId, Position>) => {
      const request = { from: null, to: null, resume, historical: false };
      return withTimeLimit(limit, (signal) => source.plan(request, signal));
    };
    const everything = await ask(new Map());
    const { splits, missing } = await ask(positions);
    // Then a split without anything to read may be one whose records are gone.
    if (missing.length > 0) throw new Error(missing[0]);
    return {
      askedMs,
      parents: new Set(everything.splits.map(({ split }) => splitParent(split))),
      unread: new Set(splits.map(({ split }) => split)),
    };
  } finally {
    await source.close();
  }
}
