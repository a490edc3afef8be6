/** What `run` and bounded jobs share: the process around the loop, and the loop beside its status line. */
import type { Assembled } from "../assemble.ts";
import { redactUrls } from "../config/secrets.ts";
import type { Config } from "../registry.ts";
import type { Logger } from "../runtime/log.ts";
import { openLog } from "../runtime/log_output.ts";
import { Metrics } from "../runtime/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { EXIT } from "./exit_code.ts";
import { type Host, wantsColors } from "./host.ts";
import { RowOutput } from "./row_output.ts";
import { stopOnSignals } from "./shutdown.ts";
import { showStatus } from "./status.ts";
import { rejectedOf } from "./progress.ts";
import { summaryFields, summaryText } from "./summary.ts";
import { Terminal } from "./terminal.ts";

type ProcessConfig = Config["process"];

/** The process that the loop runs in. */
export interface Process {
  readonly host: Host;
  readonly config: ProcessConfig;
  readonly terminal: Terminal;
  readonly output: RowOutput;
  /** Aborts at the first SIGTERM or SIGINT. */
  readonly stop: AbortSignal;
  /** With counts of its own at each call. */
  runtime(): Runtime;
}

/** Opens the log, and listens for signals and for errors that nobody caught, which end the process once `uncaught` has said so. */
export function openProcess(config: ProcessConfig, host: Host, uncaught: (error: unknown) => void): Process {
  const terminal = new Terminal(host.stderr);
  const log = openProcessLog(config, terminal, host);
  host.onUncaught((error) => {
    uncaught(error);
    host.exit(EXIT.failed);
  });
  return {
    ...{ host, config, terminal },
    output: new RowOutput(host.stdout, terminal),
    stop: stopOnSignals(host, log),
    runtime: () => ({ clock: host.clock, random: host.random, log, metrics: new Metrics() }),
  };
}

/** Whether log lines are for people. */
function isPretty({ logFormat }: ProcessConfig, terminal: Terminal): boolean {
  return logFormat === "auto" ? terminal.isTerminal : logFormat === "pretty";
}

/** The log of the process, as the config wants it. */
export function openProcessLog(config: ProcessConfig, terminal: Terminal, host: Host): Logger {
  return openLog({
    level: config.logLevel,
    format: isPretty(config, terminal) ? "pretty" : "json",
    dates: !terminal.isTerminal,
    colors: terminal.isTerminal && wantsColors(host.environment),
    write: (line) => terminal.write(line),
    clean: redactUrls,
  });
}

export interface CollectSurroundings {
  readonly process: Process;
  readonly runtime: Runtime;
  /** Of work that has an end: how much of it is done, 0 to 1. */
  share?(): number;
}

/** Lines of the log while work goes on that has an end. */
const BOUNDED_LOG_INTERVAL_MS = 10_000;

/** Runs the loop beside the status line, and says what came of it. */
export async function collect(
  { collector, facts }: Assembled,
  { process, runtime, share }: CollectSurroundings,
): Promise<"done" | "failed" | "closed"> {
  const { stop, terminal, output, host, config } = process;
  const startMs = runtime.clock.monotonicMs();
  const ended = new AbortController();
  const status = showStatus({
    terminal,
    runtime,
    machine: host.machine,
    memoryByteLength: facts.memoryByteLength,
    intervalMs: config.statusIntervalMs,
    ...(share && { share, logIntervalMs: BOUNDED_LOG_INTERVAL_MS }),
  }, ended.signal);
  let failure: { readonly error: unknown } | null = null;
  try {
    await collector.run(stop);
  } catch (error) {
    failure = { error };
  }
  ended.abort();
  await status;
  const end = failure === null ? "done" : reportFailure(failure.error, output, runtime.log);
  const outcome = end === "failed" ? end : stop.aborted || output.isClosed ? "stopped" : "done";
  const elapsedMs = runtime.clock.monotonicMs() - startMs;
  const summary = { metrics: runtime.metrics, elapsedMs, deadLettersAt: facts.deadLettersAt };
  const level = rejectedOf(runtime.metrics) > 0 ? "warn" : "info";
  const asText = isPretty(config, terminal) && (config.logLevel === "info" || config.logLevel === "debug");
  runtime.log[level](outcome, asText ? {} : summaryFields(summary));
  if (asText) terminal.write(summaryText(summary));
  return end;
}

function reportFailure(error: unknown, output: RowOutput, log: Logger): "failed" | "closed" {
  if (output.isClosed) {
    log.info("standard output was closed by its reader; what it didn't take is not committed");
    return "closed";
  }
  log.error("failed; what was not committed is read again by the next run", {}, error);
  return "failed";
}
