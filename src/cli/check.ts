import { deadLetterDirectoryOf, sourceContextOf } from "../assemble.ts";
import { formatListing } from "../config/listing.ts";
import { limitsOf, threadsOf } from "../loop/limits.ts";
import { withAbort } from "../runtime/abort.ts";
import { ConfigError, messageOf } from "../runtime/errors.ts";
import { Metrics } from "../runtime/metrics.ts";
import { openableFiles, RESERVED_OPEN_FILES } from "../runtime/open_files.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { checkSchemas } from "../schema/check.ts";
import type { CheckResult } from "../runtime/check_result.ts";
import { fileTarget } from "../target/file.ts";
import type { Arguments, Command } from "./command.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import { formatBytes } from "../runtime/format.ts";
import { type Host, print } from "./host.ts";
import { CONFIG_FLAGS, formatProblems, loadConfig, type Loaded } from "./load_config.ts";
import { openProcessLog } from "./collect.ts";
import { Terminal } from "./terminal.ts";

/** More than a collector has open by its defaults. */
const MANY_OPEN_FILES = 1024;

/** A source or target that has not answered by then is taken for unreachable. */
const TIME_LIMIT_MS = 30_000;

export const checkCommand: Command = {
  summary: "try a config without reading or writing data",
  usage: "[CONFIG.properties] [options]",
  doc:
    `Checks the config, prints the values in effect and where each comes from (secrets are hidden), and tries the source
and the target without reading or writing data: reachable, there, allowed. Exits with 0 when a run would work, with 1
when the source or target is not ready, with 2 when the config is wrong.`,
  flags: [...CONFIG_FLAGS, { name: "json", doc: "print the findings as one JSON object" }],
  maxPositionals: 1,
  run: check,
};

/** A finding, and what it is about. */
interface Finding extends CheckResult {
  readonly part: "source" | "schemas" | "target" | "dead letters" | "machine";
}

async function check(args: Arguments, host: Host): Promise<ExitCode> {
  const json = args.has("json");
  let loaded: Loaded;
  try {
    loaded = await loadConfig(args, host);
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    await printJson(host, { ok: false, problems: error.problems });
    return EXIT.usage;
  }
  const { listing, warnings, notes } = loaded;
  if (!json) {
    await print(host, `${formatListing(listing)}\n`);
    const remarks = formatProblems(warnings) + notes.map((note) => `${note}\n`).join("");
    if (remarks !== "") await print(host, `${remarks}\n`);
  }
  const findings = await findAll(loaded, host);
  const ok = findings.every((finding) => finding.ok);
  if (json) await printJson(host, { ok, config: listing, warnings, notes, checks: findings });
  else await print(host, findings.map(formatFinding).join(""));
  return ok ? EXIT.done : EXIT.failed;
}

function formatFinding({ ok, part, what, detail }: Finding): string {
  return `${ok ? "ok    " : "FAILED"}  ${part}: ${what}${detail === "" ? "" : `: ${detail}`}\n`;
}

async function printJson(host: Host, value: unknown): Promise<void> {
  await print(host, `${JSON.stringify(value, null, 2)}\n`);
}

async function findAll({ config }: Loaded, host: Host): Promise<Finding[]> {
  const log = openProcessLog(config.process, new Terminal(host.stderr), host);
  const runtime: Runtime = { clock: host.clock, random: host.random, log, metrics: new Metrics() };
  const context = { runtime, stdout: host.stdout };
  const { source, target } = config;
  const { kind } = target.component.create(target.config, context);
  const directory = deadLetterDirectoryOf(config, kind);
  const findings = [
    checkMachine(config, host),
    checkPart("source", runtime, (signal) => {
      return source.component.check(source.config, sourceContextOf(config, runtime), signal);
    }),
    checkPart("schemas", runtime, (signal) => {
      return checkSchemas(config.schemas, { decode: config.decode, runtime }, signal);
    }),
    checkPart("target", runtime, (signal) => target.component.check(target.config, context, signal)),
  ];
  if (directory !== null && config.decode.deadLetterPolicy === "store") {
    findings.push(checkPart("dead letters", runtime, (signal) => fileTarget.check({ directory }, context, signal)));
  }
  return (await Promise.all(findings)).flat();
}

function checkMachine(config: Loaded["config"], { machine }: Host): Promise<Finding[]> {
  const { memoryByteLength } = limitsOf(config, machine);
  const { workers } = threadsOf(config.pipeline, machine);
  const total = machine.memoryByteLength === undefined ? "an unknown amount" : formatBytes(machine.memoryByteLength);
  const detail = `${formatBytes(memoryByteLength)} of ${total}, ${workers} pipeline workers on ${machine.cores} cores`;
  const openable = openableFiles(MANY_OPEN_FILES);
  const files = openable < MANY_OPEN_FILES ? `${openable}; raise ulimit -n for more` : `${MANY_OPEN_FILES} or more`;
  return Promise.resolve([
    { part: "machine", ok: true, what: "memory for buffers", detail },
    { part: "machine", ok: openable >= RESERVED_OPEN_FILES, what: "files and connections at a time", detail: files },
  ]);
}

/** Asks one part, for so long. Whatever it throws is a finding. */
export async function checkPart(
  part: Finding["part"],
  runtime: Runtime,
  ask: (signal: AbortSignal) => Promise<CheckResult[]>,
): Promise<Finding[]> {
  const timeout = new AbortController();
  const answered = new AbortController();
  const expired = `no answer within ${TIME_LIMIT_MS / 1000} seconds: see whether it is reachable from here`;
  runtime.clock.sleep(TIME_LIMIT_MS, answered.signal).then(() => timeout.abort(new Error(expired)), () => {});
  try {
    const results = await withAbort(ask(timeout.signal), timeout.signal);
    return results.map((result) => ({ ...result, part }));
  } catch (error) {
    const detail = messageOf(error);
    return [{ part, ok: false, what: "can be checked", detail }];
  } finally {
    answered.abort();
  }
}
