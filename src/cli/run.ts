import { assemble, type Assembled } from "../assemble.ts";
import { redactUrls } from "../config/secrets.ts";
import type { Logger } from "../runtime/log.ts";
import { openLog } from "../runtime/log_output.ts";
import { Metrics } from "../runtime/metrics.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Arguments, Command } from "./command.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { formatBytes } from "./format.ts";
import type { Host } from "./host.ts";
import { CONFIG_FLAGS, loadConfig, type Loaded } from "./load_config.ts";
import { RowOutput } from "./row_output.ts";
import { stopOnSignals } from "./shutdown.ts";
import { showStatus } from "./status.ts";
import { summaryFields, summaryText } from "./summary.ts";
import { Terminal } from "./terminal.ts";

type ProcessConfig = Loaded["config"]["process"];

/** Whether log lines are for people. */
function isPretty({ logFormat }: ProcessConfig, terminal: Terminal): boolean {
  return logFormat === "auto" ? terminal.isTerminal : logFormat === "pretty";
}

/** The log of the process, as the config wants it. */
export function openProcessLog(config: ProcessConfig, terminal: Terminal, host: Host): Logger {
  return openLog({
    level: config.logLevel,
    format: isPretty(config, terminal) ? "pretty" : "json",
    colors: terminal.isTerminal && (host.environment.NO_COLOR ?? "") === "",
    write: (line) => terminal.write(line),
    clean: redactUrls,
  });
}

export const runCommand: Command = {
  summary: "collect, until the source ends or a signal comes",
  usage: "[CONFIG.properties] [options]",
  doc: `Reads records from the source, writes them to the target and commits what is written, until the source ends.

SIGTERM or SIGINT: stops reading, writes and commits what is in memory within shutdown.timeout, and ends with 0. A
second one ends the process at once; nothing is lost by that, or by kill -9: the next run reads again what was not
committed.`,
  flags: CONFIG_FLAGS,
  maxPositionals: 1,
  run,
};

async function run(args: Arguments, host: Host): Promise<ExitCode> {
  const { config, warnings, notes } = await loadConfig(args, host);
  const terminal = new Terminal(host.stderr);
  const log = openProcessLog(config.process, terminal, host);
  const runtime: Runtime = { clock: host.clock, random: host.random, log, metrics: new Metrics() };
  host.onUncaught((error) => {
    log.error("unexpected error, ending; what was not committed is read again", {}, error);
    host.exit(EXIT.failed);
  });
  for (const { origin, key, message } of warnings) log.warn("config", { origin, key, problem: message });
  for (const note of notes) log.debug("config", { note });
  const stop = stopOnSignals(host, log);
  const output = new RowOutput(host.stdout, terminal);
  const assembled = assemble(config, { runtime, machine: host.machine, stdout: output });
  const { workers, memoryByteLength } = assembled.facts;
  log.info("collecting", {
    version: host.version,
    source: config.source.name,
    target: config.target.name,
    memory: formatBytes(memoryByteLength),
    workers,
  });
  return await collect(assembled, { stop, terminal, output, runtime, host, process: config.process });
}

export interface CollectSurroundings {
  readonly stop: AbortSignal;
  readonly terminal: Terminal;
  readonly output: RowOutput;
  readonly runtime: Runtime;
  readonly host: Host;
  readonly process: ProcessConfig;
  /** Of work that has an end: how much of it is done, 0 to 1. */
  share?(): number;
}

/** Lines of the log while work goes on that has an end. */
const BOUNDED_LOG_INTERVAL_MS = 10_000;

/** Runs the loop beside the status line, and says what came of it. */
export async function collect(
  { collector, facts }: Assembled,
  surroundings: CollectSurroundings,
): Promise<ExitCode> {
  const { stop, terminal, output, runtime, host, process, share } = surroundings;
  const startMs = runtime.clock.monotonicMs();
  const ended = new AbortController();
  const status = showStatus({
    terminal,
    runtime,
    machine: host.machine,
    memoryByteLength: facts.memoryByteLength,
    intervalMs: process.statusIntervalMs,
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
  const code = failure === null ? EXIT.done : reportFailure(failure.error, output, runtime.log);
  const outcome = code === EXIT.failed ? "failed" : stop.aborted || output.isClosed ? "stopped" : "done";
  const elapsedMs = runtime.clock.monotonicMs() - startMs;
  const summary = { metrics: runtime.metrics, elapsedMs, deadLettersAt: facts.deadLettersAt };
  if (!isPretty(process, terminal)) {
    runtime.log.info(outcome, summaryFields(summary));
  } else if (process.logLevel === "info" || process.logLevel === "debug") {
    runtime.log.info(outcome);
    terminal.write(summaryText(summary));
  }
  return code;
}

function reportFailure(error: unknown, output: RowOutput, log: Logger): ExitCode {
  if (output.isClosed) {
    log.info("standard output was closed by its reader; what it didn't take is not committed");
    return EXIT.outputClosed;
  }
  log.error("failed; what was not committed is read again by the next run", {}, error);
  return EXIT.failed;
}
