/**
 * Follows files and stores every batch as a file of its own, named by its split and start, before it commits it: what
 * the collector does, without the rest of it, for tests that kill it. Arguments: glob, checkpoint file, output directory.
 */
import { join } from "node:path";
import { fileSource } from "../../src/source/file.ts";
import type { SourceHandler } from "../../src/source/source.ts";
import { defaultConfig } from "./default_config.ts";
import { testRuntime } from "./stored_object.ts";
import { textsOf } from "./batch_texts.ts";

const [glob, checkpoint, output] = Deno.args;
const NEVER = new AbortController().signal;

const config = defaultConfig(fileSource.options, {
  path: [glob],
  checkpoint,
  follow: true,
  scanIntervalMs: 20,
  maxOpen: 3,
});
const context = { runtime: testRuntime(), wants: { keys: false, headers: false }, maxRecordByteLength: 1000 };
const source = fileSource.create(config, context);
const handler: SourceHandler = {
  async assigned(split, epoch, start, { committed }) {
    if (!committed) await source.commit(split, epoch, start, NEVER);
  },
  revoking: () => Promise.resolve(),
  lost() {},
};

await source.open(handler, NEVER);
for (;;) {
  const batch = await source.poll({ maxBytes: 1 << 20, maxRows: 25 }, NEVER);
  if (batch === "end") break;
  const { split, epoch, start, next } = batch;
  const path = join(output, `${split.replace("/", "@")}@${start}`);
  await Deno.writeTextFile(`${path}.tmp`, JSON.stringify({ next, rows: textsOf(batch) }));
  await Deno.rename(`${path}.tmp`, path);
  await source.commit(split, epoch, next, NEVER);
}
