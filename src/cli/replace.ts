/** `replay --replace`: units of the target's manifests, written again in place. */
import { assemble, placeOf } from "../assemble.ts";
import { ReplaceSource, type StoredUnit } from "../replay/replace_source.ts";
import { unitName } from "../pipeline/unit.ts";
import { comparePositions, splitPart } from "../records/position.ts";
import type { RangePlan } from "../records/range.ts";
import type { Config } from "../registry.ts";
import { FatalError, MisuseError } from "../runtime/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { prefixedTarget } from "../target/prefixed_target.ts";
import { isReadable, type ReadableObjectTarget } from "../target/target.ts";
import { isRedriven } from "../verify/coverage.ts";
import { type AuditedManifest, ManifestError } from "../verify/parse_manifest.ts";
import { readManifests } from "../verify/read_manifests.ts";
import { collect, openProcess } from "./collect.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { formatCount } from "../runtime/format.ts";
import { type Host, print } from "./host.ts";
import { rejectedOf } from "./progress.ts";
import type { AskedJob, Told } from "./run_job.ts";

/** Units that `--dry-run` names; of more, only how many there are. */
const MAX_NAMED = 20;

/** Finds the units that cover the range, and writes them again, or says which these are. */
export async function replaceUnits(asked: AskedJob, host: Host): Promise<Told> {
  const { request } = asked;
  const config = asked.configOf(request);
  const process = openProcess(config.process, host, (error) => {
    process.runtime().log.error("failed; the same command begins anew", {}, error);
  });
  const runtime = process.runtime(), { log } = runtime, { stop } = process;
  const ranges = asked.ranges(config, runtime);
  const told = (code: ExitCode): Told => ({ code, rejected: rejectedOf(runtime.metrics) > 0 });
  try {
    const target = targetOf(config, request.prefix, runtime);
    const wanted = await asked.plan(ranges, { resume: new Map() }, stop);
    const whole = await ranges.plan({ from: null, to: null, resume: new Map(), historical: false }, stop);
    const units = await unitsOf(wanted, target, { runtime, signal: stop });
    if (asked.dryRun) {
      await print(host, describe(units, config));
      return told(EXIT.done);
    }
    log.info("replacing", { units: units.length, target: placeOf(config).name, prefix: request.prefix });
    const known = new Map(whole.splits.map((planned) => [planned.split, planned]));
    const source = new ReplaceSource({ units, known, ranges: () => asked.ranges(config, runtime) });
    const assembled = assemble(config, { runtime, machine: host.machine, stdout: process.output }, {
      source,
      target: targetOf(config, request.prefix, runtime),
    });
    const end = await collect(assembled, { process, runtime });
    if (end !== "done") return told(end === "closed" ? EXIT.outputClosed : EXIT.failed);
    return told(stop.aborted ? EXIT.stopped : EXIT.done);
  } catch (error) {
    if (stop.aborted && error === stop.reason) return told(EXIT.stopped);
    log.error("failed; nothing was replaced", {}, error);
    return told(error instanceof MisuseError ? EXIT.usage : EXIT.failed);
  } finally {
    await ranges.close();
  }
}

function targetOf(config: Config, prefix: string, runtime: Runtime): ReadableObjectTarget {
  const target = config.target.component.create(config.target.config, { runtime });
  if (!isReadable(target) || !config.objects.manifest) {
    throw new MisuseError(`--replace needs the manifests of what is there, and target=${config.target.name} has none`);
  }
  return prefix === "" ? target : prefixedTarget(target, prefix);
}

/** Those of which any range overlaps the plan, in the order of their manifests. */
async function unitsOf(
  { splits }: RangePlan,
  target: ReadableObjectTarget,
  { runtime, signal }: { runtime: Runtime; signal: AbortSignal },
): Promise<StoredUnit[]> {
  const wanted = new Map(splits.map((planned) => [planned.split, planned]));
  const overlaps = ({ split, start, next }: StoredUnit["ranges"][number]) => {
    const planned = wanted.get(split);
    if (planned === undefined || comparePositions(next, planned.start) <= 0) return false;
    return planned.end === null || comparePositions(start, planned.end) < 0;
  };
  const units: StoredUnit[] = [];
  for await (const { key, manifest } of readManifests(target, runtime, signal)) {
    if (manifest instanceof ManifestError) throw new FatalError(`${key} can't be used: ${manifest.message}`);
    if (!manifest.ranges.some(overlaps) || manifest.ranges.some(({ split }) => isRedriven(split))) continue;
    units.push(unitOf(key, manifest));
  }
  return units;
}

/** @throws FatalError when it would be written under another name now. */
function unitOf(key: string, { ranges }: AuditedManifest): StoredUnit {
  const name = splitPart(key).replace(/\.json$/, "");
  const stretches = ranges.map(({ split, start, next, log }) => {
    return { split, epoch: 0n, start, next, ...(log !== "" && { log }) };
  });
  if (unitName(stretches) !== name) {
    throw new FatalError(`${key}: this version would write the unit under another name, beside the one that is there`);
  }
  return { name, ranges: stretches };
}

function describe(units: readonly StoredUnit[], config: Config): string {
  const lines = units.slice(0, MAX_NAMED).map(({ name, ranges }) => {
    return `         ${name}: ${ranges.map(({ split, start, next }) => `${split} ${start} to ${next}`).join(", ")}\n`;
  });
  if (units.length > MAX_NAMED) lines.push(`         and ${formatCount(units.length - MAX_NAMED)} more\n`);
  return `replaces ${formatCount(units.length)} units in ${placeOf(config).name}\n${lines.join("")}`;
}
