import { type ConfigOf, option } from "../config/option.ts";
import type { Section } from "../config/section.ts";
import type { ConfigProblem } from "../runtime/errors.ts";

const schemaOptions = {
  schemaFile: option.string("source.avro.schema", {
    exact: true,
    whenUnset: "none",
    doc: "The schema (an .avsc file) of BARE and RAKAM records whose table has none in source.avro.schema-directory.",
  }),
  schemaDirectory: option.string("source.avro.schema-directory", {
    exact: true,
    whenUnset: "none",
    doc:
      "A directory of schemas: <project>/<collection>.avsc for the BARE and RAKAM records of a table, and any .avsc " +
      "file below it for SINGLE_OBJECT records, which are found by its fingerprint. Read once, at the start.",
  }),
  readerSchemaFile: option.string("source.avro.reader-schema", {
    exact: true,
    whenUnset: "records are read with their writers' own",
    doc:
      "A schema (an .avsc file) to see all Avro records through: its fields, their aliases and defaults decide the " +
      "columns, whatever the writers' schemas have.",
  }),
  registryUrls: option.list("schema.registry.url", {
    exact: true,
    whenUnset: "no registry",
    check: checkUrl,
    doc:
      "Addresses of a schema registry with Confluent's interface; when one can't be reached, the next is asked. While " +
      "none can, records whose schema isn't known yet wait, and so does the source.",
  }),
  registryUser: option.string("schema.registry.username", {
    whenUnset: "no basic authentication",
    doc: "The registry's user, or API key.",
  }),
  registryPassword: option.string("schema.registry.password", {
    secret: true,
    whenUnset: "none",
    doc: "The password that goes with schema.registry.username.",
  }),
  registryToken: option.string("schema.registry.token", {
    secret: true,
    whenUnset: "none",
    doc: "A bearer token for the registry.",
  }),
  registryCaFile: option.string("schema.registry.ca-file", {
    exact: true,
    whenUnset: "the system's",
    doc: "A PEM file with the authorities that the registry's certificate is checked against.",
  }),
  registryTimeoutMs: option.duration("schema.registry.timeout", {
    default: "10s",
    min: 1,
    max: 600_000,
    doc: "How long to wait for the registry's answer before asking again.",
  }),
} as const;

export type SchemaConfig = ConfigOf<typeof schemaOptions>;

function checkUrl(text: string): void {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new RangeError("must be an address like https://host:8081");
  }
  if (url.username !== "" || url.password !== "") {
    throw new RangeError("must hold no credentials: use schema.registry.username and schema.registry.password");
  }
}

function problems({ registryUrls, registryUser, registryPassword, registryToken }: SchemaConfig): ConfigProblem[] {
  const found: ConfigProblem[] = [];
  const add = (key: string, message: string) => found.push({ key, message });
  if (registryUser !== undefined && registryPassword === undefined) {
    add("schema.registry.username", "needs schema.registry.password too");
  }
  if (registryUser === undefined && registryPassword !== undefined) {
    add("schema.registry.password", "needs schema.registry.username too");
  }
  if (registryUser !== undefined && registryToken !== undefined) {
    add("schema.registry.token", "use either the token or schema.registry.username, not both");
  }
  if (registryUrls === undefined && (registryUser ?? registryToken) !== undefined) {
    add("schema.registry.url", "not set, but there are credentials for it");
  }
  return found;
}

export const schemaSection: Section<SchemaConfig> = {
  title: "Avro schemas",
  doc: "Where the schemas of Avro records come from.",
  options: schemaOptions,
  validate: problems,
};
