import { compileSchema } from "../avro/compile.ts";
import { checkDefaults } from "../avro/encode_default.ts";
import { parseSchema, type Schema, SchemaError } from "../avro/schema.ts";
import { FatalError } from "../runtime/errors.ts";
import { fingerprintOf } from "../avro/fingerprint.ts";
import type { KnownSchema, SchemaText } from "../avro/known_schema.ts";

/** Most schema files of a directory. */
const MAX_FILES = 10_000;
/** Directories inside directories. */
const MAX_DEPTH = 8;

/**
 * Reads the schema of a writer.
 *
 * @param reader what its records are seen through; null for the schema itself.
 * @throws FatalError naming the key and the file, also when no record could be read.
 */
export function readSchemaFile(key: string, path: string, reader: Schema | null): Promise<SchemaText> {
  return readChecked(key, path, (schema) => compileSchema(schema, reader));
}

/** @throws FatalError naming the key and the file, also when a default is not of its field's type. */
export function readReaderSchema(key: string, path: string): Promise<SchemaText> {
  return readChecked(key, path, (schema) => {
    compileSchema(schema, null);
    checkDefaults(schema);
  });
}

async function readChecked(key: string, path: string, check: (schema: Schema) => void): Promise<SchemaText> {
  try {
    const json = await Deno.readTextFile(path);
    check(parseSchema(json));
    return { json, references: [] };
  } catch (error) {
    if (error instanceof SchemaError) throw new FatalError(`${key}: ${path}: ${error.message}`, { cause: error });
    throw new FatalError(`${key}: ${path} can't be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The schemas below a directory: each by its fingerprint, and `<project>/<collection>.avsc` by its table.
 *
 * @throws FatalError naming the key and the file.
 */
export async function readSchemaDirectory(
  key: string,
  directory: string,
  reader: Schema | null,
): Promise<KnownSchema[]> {
  const schemas: KnownSchema[] = [];
  const paths = await listFiles(key, directory, []);
  for (const path of paths.sort((a, b) => a.join("/") < b.join("/") ? -1 : 1)) {
    const schema = await readSchemaFile(key, `${directory}/${path.join("/")}`, reader);
    schemas.push({ key: { by: "fingerprint", fingerprint: fingerprintOf(parseSchema(schema.json)) }, schema });
    if (path.length !== 2) continue;
    const [project, file] = path;
    const table = { project: project.toLowerCase(), collection: file.slice(0, -".avsc".length) };
    schemas.push({ key: { by: "table", ...table }, schema });
  }
  return schemas;
}

async function listFiles(key: string, directory: string, parents: readonly string[]): Promise<string[][]> {
  const found: string[][] = [];
  try {
    for await (const entry of Deno.readDir([directory, ...parents].join("/"))) {
      const path = [...parents, entry.name];
      if (entry.isDirectory && path.length < MAX_DEPTH) found.push(...await listFiles(key, directory, path));
      else if (!entry.isDirectory && entry.name.endsWith(".avsc")) found.push(path);
    }
  } catch (error) {
    if (error instanceof FatalError) throw error;
    throw new FatalError(`${key}: ${directory} can't be read: ${(error as Error).message}`, { cause: error });
  }
  if (found.length > MAX_FILES) throw new FatalError(`${key}: ${directory} has more than ${MAX_FILES} schemas`);
  return found;
}
