import { decodeOptions } from "../../src/decode/options.ts";
import { type Compression, COMPRESSION_LEVELS, COMPRESSIONS } from "../../src/encode/compression.ts";
import type { WorkerConfig } from "../../src/pipeline/pipeline_worker.ts";
import { parseKeyTemplate } from "../../src/encode/key_template.ts";
import { defaultConfig } from "../support/default_config.ts";

const TEMPLATES = ["{project}", "{project}/{table}", "{project}/{table}/dt={date}/hour={hour}"];

/** Seeds take turns with compressions and key templates. */
export function simWorkerConfig(
  seed: number,
  compressions: readonly Compression[] = COMPRESSIONS,
): { worker: WorkerConfig; template: string } {
  const template = TEMPLATES[seed % TEMPLATES.length];
  const compression = compressions[Math.floor(seed / 3) % compressions.length];
  const worker: WorkerConfig = {
    decode: defaultConfig(decodeOptions, { allowedCollections: ["c0", "c1", "c2"] }),
    encode: {
      rowFormat: "rakam",
      compression,
      level: COMPRESSION_LEVELS[compression].min,
      grouping: parseGrouping(template),
    },
  };
  return { worker, template };
}

function parseGrouping(template: string) {
  const { needsProject, needsTable, timeUnit } = parseKeyTemplate(template);
  return { needsProject, needsTable, timeUnit };
}
