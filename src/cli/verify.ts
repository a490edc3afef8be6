import type { Config } from "../registry.ts";
import { deadLetterDirectoryOf, sourceContextOf } from "../assemble.ts";
import { redactUrls } from "../config/secrets.ts";
import { parseDurationMs } from "../config/units.ts";
import { withTimeLimit } from "../runtime/time_limit.ts";
import { Metrics } from "../runtime/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { fileTarget } from "../target/file.ts";
import { prefixedTarget } from "../target/prefixed_target.ts";
import { isReadable, type ReadableObjectTarget } from "../target/target.ts";
import type { Depth } from "../verify/contents.ts";
import type { Reach } from "../verify/coverage.ts";
import { Findings } from "../verify/findings.ts";
import { Losses } from "../verify/losses.ts";
import { newProgress } from "../verify/progress.ts";
import type { Committed, HourMarkersReport, VerifyReport } from "../verify/report.ts";
import { audit, reportOf } from "../verify/verify.ts";
import { type Arguments, type Command, UsageError } from "./command.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { type Host, print } from "./host.ts";
import { markHours } from "./hour_markers.ts";
import { CONFIG_FLAGS, loadConfig } from "./load_config.ts";
import { openProcessLog } from "./collect.ts";
import { Terminal } from "./terminal.ts";
import { formatReport } from "./verify_report.ts";
import { showProgress } from "./verify_progress.ts";

/** A source that has not said by then what is committed is taken for unreachable. */
const COMMITTED_LIMIT_MS = 60_000;
const DEFAULT_LATENESS = "5m";

export const verifyCommand: Command = {
  summary: "prove that everything that was read is in the target",
  usage: "[CONFIG.properties] [options]",
  doc:
    `Proves from the manifests in the target that everything that was read is there, as far as the source has committed it.
It reads only, beside a running collector.

collector help verify says more: what counts as missing, exit codes, hour markers.`,
  flags: [
    { name: "checksums", doc: "read all objects and compare their SHA-256" },
    { name: "deep", doc: "read all objects, compare their SHA-256, unpack them and count their rows" },
    { name: "prefix", value: "PREFIX", doc: "look at what a replay wrote below this prefix" },
    { name: "strict", doc: "exit with 4 also for records that are there twice and objects that no manifest lists" },
    { name: "skip-committed", doc: "don't ask the source for its committed positions" },
    {
      name: "accept-uncovered",
      doc: "take it for right when a split is committed and in no manifest (idle since it began)",
    },
    { name: "accept-loss", doc: "take it for right when manifests say that records expired or were skipped" },
    { name: "hour-markers", doc: "write _complete/<parent>/dt=.../hour=....json for each hour that is complete" },
    {
      name: "lateness",
      value: "DURATION",
      doc: `for --hour-markers: how far records may stand behind ones that arrived later; ${DEFAULT_LATENESS}`,
    },
    { name: "json", doc: "print the report as one JSON object" },
    { name: "quiet", doc: "print nothing when nothing is wrong" },
    ...CONFIG_FLAGS,
  ],
  maxPositionals: 1,
  run: verify,
};

async function verify(args: Arguments, host: Host): Promise<ExitCode> {
  const request = requestOf(args);
  const { config } = await loadConfig(args, host);
  const terminal = new Terminal(host.stderr);
  const log = openProcessLog(config.process, terminal, host);
  const runtime: Runtime = { clock: host.clock, random: host.random, log, metrics: new Metrics() };
  const target = targetOf(config, request.prefix, runtime);
  let report: VerifyReport;
  try {
    report = await look(config, { request, target, terminal, runtime });
  } catch (error) {
    log.error("could not be verified; nothing is proved", {}, error);
    return EXIT.failed;
  } finally {
    await target.close();
  }
  const code = { ok: EXIT.done, incomplete: EXIT.incomplete, undone: EXIT.failed }[report.outcome];
  if (request.json) await print(host, `${JSON.stringify({ ...report, exitCode: code }, null, 2)}\n`);
  else if (code !== EXIT.done || !request.quiet) await print(host, formatReport(report));
  return code;
}

interface Request {
  readonly depth: Depth;
  readonly prefix: string;
  readonly strict: boolean;
  readonly skipCommitted: boolean;
  readonly acceptUncovered: boolean;
  readonly acceptLoss: boolean;
  /** Null: no hour markers. */
  readonly latenessMs: number | null;
  readonly json: boolean;
  readonly quiet: boolean;
}

function requestOf(args: Arguments): Request {
  const prefix = args.value("prefix") ?? "", lateness = args.value("lateness");
  if (lateness !== undefined && !args.has("hour-markers")) throw new UsageError("--lateness goes with --hour-markers");
  if (prefix !== "" && args.has("hour-markers")) {
    throw new UsageError("--prefix and --hour-markers can't be used together: a replay ends where it was told to");
  }
  let latenessMs: number;
  try {
    latenessMs = parseDurationMs(lateness ?? DEFAULT_LATENESS);
  } catch (error) {
    throw new UsageError(`--lateness: ${(error as Error).message}`, { cause: error });
  }
  return {
    depth: args.has("deep") ? "deep" : args.has("checksums") ? "checksums" : "listing",
    prefix,
    strict: args.has("strict"),
    skipCommitted: args.has("skip-committed") || prefix !== "",
    acceptUncovered: args.has("accept-uncovered"),
    acceptLoss: args.has("accept-loss"),
    latenessMs: args.has("hour-markers") ? latenessMs : null,
    json: args.has("json"),
    quiet: args.has("quiet"),
  };
}

/** @throws UsageError when nothing could be verified with this config, whatever is there. */
function targetOf(config: Config, prefix: string, runtime: Runtime): ReadableObjectTarget {
  if (!config.objects.manifest) {
    throw new UsageError(
      "target.manifest=false: without manifests nothing says what should be there, nothing can be verified",
    );
  }
  const target = config.target.component.create(config.target.config, { runtime });
  if (!isReadable(target)) {
    throw new UsageError(`target=${config.target.name} can't be verified: its objects can't be listed and read back`);
  }
  try {
    return prefix === "" ? target : prefixedTarget(target, prefix);
  } catch (error) {
    throw new UsageError(`--prefix: ${(error as Error).message}`, { cause: error });
  }
}

interface Surroundings {
  readonly request: Request;
  readonly target: ReadableObjectTarget;
  readonly terminal: Terminal;
  readonly runtime: Runtime;
}

async function look(config: Config, { request, target, terminal, runtime }: Surroundings): Promise<VerifyReport> {
  const { signal } = new AbortController();
  const findings = new Findings(), losses = new Losses(), progress = newProgress();
  const reaches: Reach[] = [];
  const shown = new AbortController();
  const showing = showProgress(progress, { terminal, runtime }, shown.signal);
  try {
    const committed = await committedOf(config, request, runtime);
    const audited = await audit({
      target,
      deadLetters: deadLettersOf(config, runtime),
      depth: request.depth,
      committed,
      acceptUncovered: request.acceptUncovered,
      acceptLoss: request.acceptLoss,
      ...{ findings, losses, progress, runtime },
      ...(request.latenessMs !== null && { onReach: (reach: Reach) => void reaches.push(reach) }),
    }, signal);
    let hourMarkers: HourMarkersReport | undefined;
    if (request.latenessMs !== null) {
      progress.stage = "hour markers";
      const { latenessMs } = request, { acceptUncovered } = request;
      const positions = committed.kind === "compared" ? committed.positions : new Map();
      const known = { reaches, committed: positions, acceptUncovered, losses, latenessMs };
      hourMarkers = await markHours(config, known, { target, findings, runtime, signal });
    }
    return { ...reportOf(audited, findings, request), ...(hourMarkers && { hourMarkers }) };
  } finally {
    shown.abort();
    await showing;
  }
}

function deadLettersOf(config: Config, runtime: Runtime): ReadableObjectTarget | null {
  const directory = deadLetterDirectoryOf(config, "objects");
  return directory === null ? null : fileTarget.create({ directory }, { runtime }) as ReadableObjectTarget;
}

async function committedOf(config: Config, { skipCommitted }: Request, runtime: Runtime): Promise<Committed> {
  const { name, component } = config.source;
  if (skipCommitted) return { kind: "ignored" };
  if (component.committed === undefined) {
    const why =
      `stream.source=${name} keeps no positions that can be asked for: whether something is missing behind the ` +
      "last manifests can't be told";
    return { kind: "unknown", why };
  }
  const limit = {
    what: "find out what is committed",
    limitMs: COMMITTED_LIMIT_MS,
    clock: runtime.clock,
    signal: new AbortController().signal,
  };
  try {
    const ask = (signal: AbortSignal) =>
      component.committed!(config.source.config, sourceContextOf(config, runtime), signal);
    return { kind: "compared", positions: await withTimeLimit(limit, ask) };
  } catch (error) {
    const why =
      `the source can't be asked for its committed positions, so whether something is missing behind the last ` +
      `manifests isn't known (--skip-committed leaves that out): ${redactUrls((error as Error).message)}`;
    return { kind: "unreachable", why };
  }
}
