import { assemble } from "../assemble.ts";
import type { Arguments, Command } from "./command.ts";
import { collect, openProcess } from "./collect.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { formatBytes } from "../runtime/format.ts";
import type { Host } from "./host.ts";
import { CONFIG_FLAGS, loadConfig } from "./load_config.ts";

export const runCommand: Command = {
  summary: "collect, until the source ends or a signal comes",
  usage: "[CONFIG.properties] [options]",
  doc: `Reads records from the source, writes them to the target and commits what is written, until the source ends.

SIGTERM or SIGINT: stops reading, writes and commits what is in memory within shutdown.timeout, and ends with 0. A
second one, a second later or more, ends the process at once; nothing is lost by that, or by kill -9: the next run
reads again what was not committed.`,
  flags: CONFIG_FLAGS,
  maxPositionals: 1,
  hearsSignals: true,
  run,
};

async function run(args: Arguments, host: Host): Promise<ExitCode> {
  const { config, warnings, notes } = await loadConfig(args, host);
  const process = openProcess(config.process, host, (error) => {
    log.error("unexpected error, ending; what was not committed is read again", {}, error);
  });
  const runtime = process.runtime(), { log } = runtime;
  for (const { origin, key, message } of warnings) log.warn("config", { origin, key, problem: message });
  for (const note of notes) log.debug("config", { note });
  const assembled = assemble(config, { runtime, machine: host.machine, stdout: process.output });
  const { workers, memoryByteLength, trial } = assembled.facts;
  log.info("collecting", {
    version: host.version,
    source: config.source.name,
    target: config.target.name,
    memory: formatBytes(memoryByteLength),
    workers,
  });
  if (trial) log.info("a trial: no position is moved, and the next run reads the same again");
  const end = await collect(assembled, { process, runtime });
  return end === "closed" ? EXIT.outputClosed : end === "failed" ? EXIT.failed : EXIT.done;
}
