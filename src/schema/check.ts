import type { DecodeConfig } from "../decode/options.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { CheckResult } from "../runtime/check_result.ts";
import type { SchemaConfig } from "./options.ts";
import type { SchemaText } from "../avro/known_schema.ts";
import { parseSchema } from "../avro/schema.ts";
import { secondOpinion } from "./second_opinion.ts";
import { openRegistry, SchemaStore } from "./schema_store.ts";

/** What `collector check` says of schemas: nothing when none are configured and none needed. */
export async function checkSchemas(
  config: SchemaConfig,
  { decode, runtime }: { decode: DecodeConfig; runtime: Runtime },
  signal: AbortSignal,
): Promise<CheckResult[]> {
  if (decode.dataFormat === "JSON") return [];
  const { schemaFile, schemaDirectory, readerSchemaFile, registryUrls } = config;
  const store = new SchemaStore(config, { decode, runtime });
  const results: CheckResult[] = [];
  try {
    const { schemas, reader } = await store.open();
    if ((schemaFile ?? schemaDirectory ?? readerSchemaFile) !== undefined) {
      const files = schemas.filter(({ key }) => key.by === "fingerprint").map(({ schema }) =>
        (schema as SchemaText).json
      );
      results.push({ ok: true, what: "files can be read", detail: `${files.length} schemas` });
      if (reader !== null) files.push(reader.json);
      for (const json of files) {
        const opinion = await secondOpinion(json, reader?.json ?? null);
        const schema = parseSchema(json);
        const what = `schema of ${"name" in schema ? schema.name : schema.type}`;
        if (opinion !== null) {
          results.push({ ok: true, what, detail: `is read; what avsc says against it: ${opinion}` });
        }
      }
    }
  } catch (error) {
    return [{ ok: false, what: "can be used", detail: (error as Error).message }];
  } finally {
    store.close();
  }
  if (registryUrls === undefined) return results;
  const registry = await openRegistry(config, runtime);
  try {
    for (const url of registryUrls) {
      const problem = await registry.ping(url, signal);
      results.push({ ok: problem === null, what: `registry ${url} answers`, detail: problem ?? "" });
    }
  } finally {
    registry.close();
  }
  return results;
}
