import type { Config } from "../registry.ts";
import { deadLetterStoreOf } from "../assemble.ts";
import { DeadLetterRanges, keptLines } from "../replay/dead_letter_ranges.ts";
import type { Arguments, Command } from "./command.ts";
import type { ExitCode } from "./exit_code.ts";
import type { Host } from "./host.ts";
import { runAskedJob } from "./run_job.ts";
import { jobSettingsOf } from "../replay/job_settings.ts";
import { CONFIG_FLAGS, loadConfig } from "./load_config.ts";
import { JOB_FLAGS, jobNameOf, prefixOf, saysOf, waysOf } from "./replay.ts";

export const redriveCommand: Command = {
  summary: "try dead letters again, with today's config and schemas",
  usage: "[CONFIG.properties] [options]",
  doc:
    `Reads the dead letters that are there when it starts, decodes them as the config says now, and writes what has become
rows. What still can't be decoded is stored as dead letters again.

collector help redrive says more.`,
  flags: [
    { name: "prefix", value: "PREFIX", doc: "of what a replay wrote below this prefix, to there" },
    ...JOB_FLAGS,
    ...CONFIG_FLAGS,
  ],
  maxPositionals: 1,
  hearsSignals: true,
  run: redrive,
};

async function redrive(args: Arguments, host: Host): Promise<ExitCode> {
  const loaded = await loadConfig(args, host);
  const given = loaded.config;
  // What can't be decoded must be kept, whatever the live collector does with it.
  const config: Config = { ...given, decode: { ...given.decode, deadLetterPolicy: "store" } };
  const name = jobNameOf(args, "redrive"), prefix = prefixOf(args);
  return await runAskedJob({
    request: {
      name,
      prefix,
      historical: false,
      fromText: null,
      toText: null,
      fixed: false,
      resumes: false,
      incremental: false,
      ...waysOf(args),
    },
    settings: jobSettingsOf(loaded),
    ...saysOf(args),
    configOf: () => config,
    ranges: (config, runtime) => {
      return new DeadLetterRanges(deadLetterStoreOf(config, { runtime, prefix }), {
        runtime,
        alone: namesFiles(config),
      });
    },
    plan: (ranges, earlier, signal) => ranges.plan({ from: null, to: null, ...earlier, historical: false }, signal),
    finished: async ({ range }, { runtime, signal }) => {
      const store = deadLetterStoreOf(config, { runtime, prefix });
      await store.open(signal);
      try {
        for (const { details } of range.splits) {
          const object = { name: String(details.name), byteLength: Number(details.byteLength) };
          await store.retire(object, await keptLines(store, object, { runtime, signal }), signal);
        }
      } finally {
        await store.close();
      }
    },
  }, host);
}

/** Whether records may name files that are read in their place. */
function namesFiles({ decode, source }: Config): boolean {
  return source.component.files !== undefined && decode.dataFormat !== "JSON" && decode.avroEncoding === "RAKAM";
}
