import { assertEquals, assertRejects } from "@std/assert";
import { type DecodeConfig, decodeOptions } from "../../../src/decode/options.ts";
import { StreamBuffer } from "../../../src/decode/stream_buffer.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import { FatalError } from "../../../src/runtime/errors.ts";
import { fingerprintOf } from "../../../src/avro/fingerprint.ts";
import { parseSchema } from "../../../src/avro/schema.ts";
import { checkSchemas } from "../../../src/schema/check.ts";
import { type SchemaConfig, schemaSection } from "../../../src/schema/options.ts";
import { SchemaStore } from "../../../src/schema/schema_store.ts";
import { defaultConfig } from "../../support/default_config.ts";
import { HangClock } from "../../support/hang_clock.ts";
import { PatientClock } from "../../support/patient_clock.ts";
import { FakeRegistry, type RegistryFault } from "../../support/schema_registry.ts";
import { inScratchDirectory } from "../../support/scratch.ts";
import { testRuntime } from "../../support/stored_object.ts";
import { batchOf, configOf, type Decoded, sealed } from "../decode/harness.ts";
import { encodeDatums, linesOf } from "../decode/avro/avro_harness.ts";

const NEVER = new AbortController().signal;
const schema = (name: string) => ({ type: "record", name: "E", fields: [{ name, type: "int" }] });
const datum = (name: string, value: number) => encodeDatums(schema(name), [{ [name]: value }])[0];

function framed(id: number, bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(5 + bytes.length);
  new DataView(result.buffer).setInt32(1, id);
  result.set(bytes, 5);
  return result;
}

function single(of: unknown, bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(10 + bytes.length);
  result.set([0xc3, 1]);
  new DataView(result.buffer).setBigUint64(2, fingerprintOf(parseSchema(JSON.stringify(of))), true);
  result.set(bytes, 10);
  return result;
}

interface World {
  readonly store: SchemaStore;
  feed(docs: readonly Uint8Array[], signal?: AbortSignal): Promise<Decoded>;
}

/** A store and one worker's buffer. Pauses between tries take no time. */
async function worldOf(
  config: Partial<SchemaConfig>,
  { clock = new PatientClock(), ...fields }: Partial<DecodeConfig> & { clock?: Clock } = {},
): Promise<World> {
  const runtime = testRuntime({ clock, random: { next: () => 0, hex: () => "" } });
  const decode = configOf({
    ...defaultConfig<DecodeConfig>(decodeOptions),
    arrivalField: "none",
    dataFormat: "AVRO",
    ...fields,
  });
  const store = new SchemaStore(defaultConfig<SchemaConfig>(schemaSection.options, config), { decode, runtime });
  const buffer = new StreamBuffer(decode);
  buffer.update(await store.open());
  return {
    store,
    feed: async (docs, signal = NEVER) => {
      const batch = batchOf(docs);
      const update = await store.prepare(batch, signal);
      if (update !== null) buffer.update(update);
      buffer.append(batch);
      const decoded = sealed(buffer);
      const copy = { ...decoded, pages: structuredClone(decoded.pages) };
      buffer.reset();
      return copy;
    },
  };
}

Deno.test("records of the registry's wire format wait for their schemas, which are asked for once", async () => {
  await using registry = new FakeRegistry();
  registry.add(7, schema("a"));
  registry.add(8, schema("b"));
  const { store, feed } = await worldOf({ registryUrls: [registry.url] });
  const docs = [framed(7, datum("a", 1)), framed(8, datum("b", 2)), framed(7, datum("a", 3))];
  assertEquals(linesOf((await feed(docs)).pages), ['{"a":1}', '{"b":2}', '{"a":3}']);
  assertEquals(linesOf((await feed(docs)).pages), ['{"a":1}', '{"b":2}', '{"a":3}']);
  assertEquals([...registry.requests].sort(), ["/schemas/ids/7", "/schemas/ids/8"]);
  store.close();
});

const FAULTS: RegistryFault[] = ["error", "throttle", "reset", "garbage"];
for (const dataFormat of ["AVRO", "AUTO"] as const) {
  Deno.test(`${dataFormat}: behind the id of a JSON schema stands JSON`, async () => {
    await using registry = new FakeRegistry();
    registry.add(3, { type: "object" }, { schemaType: "JSON" });
    registry.add(4, 'syntax = "proto3";', { schemaType: "PROTOBUF" });
    registry.add(7, schema("a"));
    const { store, feed } = await worldOf({ registryUrls: [registry.url] }, { dataFormat, jsonLayout: "PLAIN" });
    const json = (text: string) => framed(3, new TextEncoder().encode(text));
    const docs = [json('{"a":1}'), framed(7, datum("a", 2)), json('{"a":3,"b":"x"}'), json("{"), framed(4, json(""))];
    const { pages, deadLetters } = await feed(docs);
    assertEquals(linesOf(pages), ['{"a":1}', '{"a":2}', '{"a":3,"b":"x"}']);
    assertEquals(deadLetters.map(({ code }) => code), ["malformed-json", "bad-schema"]);
    store.close();
  });
}

Deno.test("a registry that fails is asked until it answers: no record is lost", async () => {
  await using registry = new FakeRegistry();
  registry.add(1, schema("a"));
  registry.faults.push(...FAULTS);
  const { store, feed } = await worldOf({ registryUrls: [registry.url] });
  const { pages, deadLetters } = await feed([framed(1, datum("a", 1))]);
  assertEquals([linesOf(pages), deadLetters.length, registry.requests.length], [['{"a":1}'], 0, 5]);
  store.close();
});

Deno.test("a registry that hangs or can't be reached gives way to the next", async () => {
  await using hanging = new FakeRegistry();
  await using registry = new FakeRegistry();
  registry.add(1, schema("a"));
  hanging.faults.push("hang");
  const { store, feed } = await worldOf({
    registryUrls: [hanging.url, "http://127.0.0.1:1", registry.url],
  }, { clock: new HangClock(hanging.hung) });
  assertEquals(linesOf((await feed([framed(1, datum("a", 1))])).pages), ['{"a":1}']);
  assertEquals([hanging.requests.length, registry.requests.length], [1, 1]);
  store.close();
});

Deno.test("a registry may send on within its host, with the credentials, and nowhere else", async () => {
  await using registry = new FakeRegistry();
  await using other = new FakeRegistry();
  other.add(1, schema("a"));
  other.authorization = "Bearer t0ken";
  const config = { registryUrls: [registry.url], registryToken: "t0ken" };
  const { store, feed } = await worldOf(config);
  registry.faults.push({ redirect: `${other.url}/schemas/ids/1` });
  assertEquals(linesOf((await feed([framed(1, datum("a", 1))])).pages), ['{"a":1}']);
  store.close();
  const elsewhere = other.url.replace("127.0.0.1", "localhost");
  for (
    const [redirect, message] of [
      [`${elsewhere}/schemas/ids/1`, `sends on to ${elsewhere}, where nothing is asked`],
      [`${registry.url}/schemas/ids/1`, "sends on more than 5 times"],
    ]
  ) {
    const { store, feed } = await worldOf(config);
    registry.faults.push(...Array(6).fill({ redirect }));
    await assertRejects(() => feed([framed(1, datum("a", 1))]), FatalError, message);
    registry.faults.length = 0;
    store.close();
  }
  assertEquals(other.requests, ["/schemas/ids/1"]);
});

Deno.test("a stop ends the wait for the registry", async () => {
  const { store, feed } = await worldOf({ registryUrls: ["http://127.0.0.1:1"] });
  const stop = new AbortController();
  const waiting = feed([framed(1, datum("a", 1))], stop.signal);
  stop.abort(new DOMException("stopped", "AbortError"));
  await assertRejects(() => waiting, DOMException, "stopped");
  store.close();
});

Deno.test("basic and bearer credentials are sent; a registry that refuses them ends the run", async () => {
  await using registry = new FakeRegistry();
  registry.add(1, schema("a"));
  for (
    const [authorization, config] of [
      ["Basic w7xzZXI6cGFzcw==", { registryUser: "üser", registryPassword: "pass" }],
      ["Bearer t0ken", { registryToken: "t0ken" }],
    ] as const
  ) {
    registry.authorization = authorization;
    const { store, feed } = await worldOf({ registryUrls: [registry.url], ...config });
    assertEquals((await feed([framed(1, datum("a", 1))])).deadLetters, []);
    store.close();
  }
  const { store, feed } = await worldOf({ registryUrls: [registry.url], registryToken: "wrong" });
  const error = await assertRejects(() => feed([framed(1, datum("a", 1))]), FatalError, "refuses the credentials");
  assertEquals(error.message.includes("wrong"), false);
  store.close();
});

Deno.test("an address that is no registry ends the run, an id that it doesn't have makes dead letters", async () => {
  await using registry = new FakeRegistry();
  const other = await worldOf({ registryUrls: [`${registry.url}/elsewhere`] });
  await assertRejects(() => other.feed([framed(1, datum("a", 1))]), FatalError, "check schema.registry.url");
  other.store.close();
  registry.add(2, { type: "record" });
  registry.add(3, "message M {}", { schemaType: "PROTOBUF" });
  registry.add(4, '"string"');
  const { store, feed } = await worldOf({ registryUrls: [registry.url] });
  const { deadLetters } = await feed([1, 2, 3, 4, -1].map((id) => framed(id, Uint8Array.of(0))));
  assertEquals(deadLetters.map(({ code, message }) => `${code}: ${message}`), [
    "unknown-schema: the registry has no schema with the id 1",
    "bad-schema: a type has no name",
    "bad-schema: the schema with the id 3 is not Avro, but PROTOBUF",
    "bad-schema: the datum is no record, so it has no fields for columns",
    "unknown-schema: the registry has no schema with the id -1",
  ]);
  store.close();
});

Deno.test("a schema's references are fetched with theirs", async () => {
  await using registry = new FakeRegistry();
  const leaf = { type: "record", name: "x.Leaf", fields: [{ name: "n", type: "int" }] };
  const branch = { type: "record", name: "x.Branch", fields: [{ name: "leaf", type: "x.Leaf" }] };
  const root = {
    type: "record",
    name: "x.Root",
    fields: [{ name: "branch", type: "Branch" }, { name: "leaf", type: "Leaf" }],
  };
  const toLeaf = { name: "x.Leaf", subject: "leaf/subject", version: 1 };
  registry.addSubject("leaf%2Fsubject", 1, leaf);
  registry.addSubject("branch", 2, branch, { references: [toLeaf] });
  registry.add(1, root, {
    references: [{ name: "x.Branch", subject: "branch", version: 2 }, { ...toLeaf, subject: "leaf" }],
  });
  registry.addSubject("leaf", 1, leaf);
  registry.addSubject("branch", 2, branch, { references: [{ ...toLeaf, subject: "leaf" }] });
  const { store, feed } = await worldOf({ registryUrls: [registry.url] });
  const { pages, deadLetters } = await feed([framed(1, Uint8Array.of(2, 4))]);
  assertEquals(deadLetters, []);
  assertEquals(linesOf(pages), ['{"branch":{"leaf":{"n":1}},"leaf":{"n":2}}']);
  store.close();
});

Deno.test("an encoding without the schemas that it needs ends the run", async () => {
  for (
    const [avroEncoding, message] of [
      ["BARE", "needs source.avro.schema or source.avro.schema-directory"],
      ["RAKAM", "needs source.avro.schema or source.avro.schema-directory"],
      ["CONFLUENT", "needs schema.registry.url"],
      ["SINGLE_OBJECT", "needs source.avro.schema-directory or schema.registry.url"],
    ] as const
  ) await assertRejects(() => worldOf({}, { avroEncoding }), FatalError, message);
});

Deno.test("check says which registry doesn't answer, and which file can't be used", async () => {
  await using registry = new FakeRegistry();
  registry.authorization = "Bearer t0ken";
  const check = (fields: Partial<SchemaConfig>, dataFormat: DecodeConfig["dataFormat"] = "AUTO") => {
    const config = defaultConfig<SchemaConfig>(schemaSection.options, fields);
    return checkSchemas(config, { decode: configOf({ dataFormat }), runtime: testRuntime() }, NEVER);
  };
  assertEquals(await check({}), []);
  assertEquals(await check({ registryUrls: [registry.url], registryToken: "t0ken" }), [
    { ok: true, what: `registry ${registry.url} answers`, detail: "" },
  ]);
  const findings = await check({ registryUrls: ["http://127.0.0.1:1", registry.url] });
  assertEquals(findings.map(({ ok }) => ok), [false, false]);
  assertEquals(findings[1].detail.startsWith("the schema registry refuses the credentials (401"), true);
  const [finding] = await check({ schemaFile: "/nowhere/x.avsc" });
  assertEquals([finding.ok, finding.detail.startsWith("source.avro.schema: /nowhere/x.avsc can't be read")], [
    false,
    true,
  ]);
  assertEquals(await check({ schemaFile: "/nowhere/x.avsc" }, "JSON"), []);
});

Deno.test("check says what a reader to the letter says against schemas that are read all the same", () =>
  inScratchDirectory(async (directory) => {
    const check = async (schema: unknown, reader: unknown) => {
      const paths = { schemaFile: `${directory}/E.avsc`, readerSchemaFile: `${directory}/reader.avsc` };
      await Deno.writeTextFile(paths.schemaFile, JSON.stringify(schema));
      await Deno.writeTextFile(paths.readerSchemaFile, JSON.stringify(reader));
      const config = defaultConfig<SchemaConfig>(schemaSection.options, paths);
      const options = { decode: configOf({ dataFormat: "AVRO", avroEncoding: "BARE" }), runtime: testRuntime() };
      const findings = await checkSchemas(config, options, NEVER);
      assertEquals(findings.map(({ ok }) => ok), findings.map(() => true));
      return findings.slice(1).map(({ what, detail }) => `${what}: ${detail}`);
    };
    const of = (name: string, type: unknown, fields = {}) => ({
      type: "record",
      name: "shop.E",
      fields: [{ name, type, ...fields }],
    });
    const says = "schema of shop.E: is read; what avsc says against it:";
    assertEquals(await check(of("n", "int"), of("n", "long", { default: 2 ** 62 })), []);
    assertEquals(await check(of("a-b", "int"), of("a-b", "int")), Array(2).fill(`${says} invalid field name: a-b`));
    const [mayFail] = await check(of("n", ["null", "int"]), of("n", "int"));
    assertEquals(mayFail.startsWith(`${says} cannot read "null" as "int"`), true, mayFail);
  }));

Deno.test("what is wrong with a reader's schema, or with a writer's seen through it, is said at the start", () =>
  inScratchDirectory(async (directory) => {
    const record = (name: string, ...fields: unknown[]) => ({ type: "record", name, fields });
    const longs = { name: "n", type: { type: "long" }, default: 9007199254740993 };
    const reader = (field: unknown) => record("E", { name: "in", type: ["null", record("I", field)], default: null });
    const wrong = "the default of I.n is not a value of the type";
    for (
      const [readerSchema, writer, message] of [
        [reader(longs), reader(longs), null],
        [reader({ name: "n", type: "int", default: 2 ** 31 }), reader(longs), `reader.avsc: ${wrong} int`],
        [reader({ name: "n", type: "bytes", default: "\u0100" }), reader(longs), `reader.avsc: ${wrong} bytes`],
        [
          record("E", { name: "in", type: record("I", { name: "n", type: "int" }) }),
          record("E", { name: "in", type: record("I", { name: "n", type: "string" }) }),
          "E.avsc: the writer's string can't be read as the reader's int",
        ],
        [
          record("E", { name: "n", type: "int" }),
          record("E", { name: "n", type: ["null", "string"] }),
          "E.avsc: the wr",
        ],
        [record("E", { name: "n", type: "int" }), record("E", { name: "n", type: ["null", "int"] }), null],
      ] as const
    ) {
      await Deno.mkdir(`${directory}/p`, { recursive: true });
      await Deno.writeTextFile(`${directory}/reader.avsc`, JSON.stringify(readerSchema));
      await Deno.writeTextFile(`${directory}/p/E.avsc`, JSON.stringify(writer));
      const config = { readerSchemaFile: `${directory}/reader.avsc`, schemaDirectory: `${directory}/p` };
      if (message === null) (await worldOf(config)).store.close();
      else await assertRejects(() => worldOf(config), FatalError, message);
    }
  }));

Deno.test("a registry's certificate is checked against the authorities of the config", () =>
  inScratchDirectory(async (directory) => {
    const [ca, key, cert] = ["ca.pem", "key.pem", "cert.pem"].map((name) => `${directory}/${name}`);
    if (!await makeCertificate({ ca, key, cert, directory })) return; // no openssl here
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      key: await Deno.readTextFile(key),
      cert: await Deno.readTextFile(cert),
    }, ({ url }) => {
      const plain = Response.redirect("http://localhost/schemas/ids/2");
      return url.endsWith("/2") ? plain : Response.json({ schema: JSON.stringify(schema("a")) });
    });
    const url = `https://localhost:${server.addr.port}`;
    const { store, feed } = await worldOf({ registryUrls: [url], registryCaFile: ca });
    assertEquals(linesOf((await feed([framed(1, datum("a", 1))])).pages), ['{"a":1}']);
    await assertRejects(
      () => feed([framed(2, datum("a", 1))]),
      FatalError,
      "sends on to http://localhost, where nothing",
    );
    store.close();
    const config = defaultConfig<SchemaConfig>(schemaSection.options, { registryUrls: [url] });
    const [finding] = await checkSchemas(config, { decode: configOf(), runtime: testRuntime() }, NEVER);
    assertEquals([finding.ok, /certificate|UnknownIssuer/i.test(finding.detail)], [false, true], finding.detail);
    await server.shutdown();
  }));

/** An authority and a certificate for localhost by it. False when there is no openssl. */
async function makeCertificate(
  { ca, key, cert, directory }: { ca: string; key: string; cert: string; directory: string },
): Promise<boolean> {
  const openssl = async (...args: string[]) => {
    const { success } = await new Deno.Command("openssl", { args, stdout: "null", stderr: "null" }).output();
    if (!success) throw new Error(`openssl ${args.join(" ")} failed`);
  };
  const caKey = `${directory}/ca-key.pem`, request = `${directory}/request.pem`, names = `${directory}/names.txt`;
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    await openssl("req", "-x509", ...ec, "-keyout", caKey, "-out", ca, "-subj", "/CN=test authority", "-days", "2");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  await Deno.writeTextFile(names, "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE");
  await openssl("req", "-new", ...ec, "-keyout", key, "-out", request, "-subj", "/CN=localhost");
  const by = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-extfile", names];
  await openssl("x509", "-req", "-in", request, ...by, "-out", cert, "-days", "1");
  return true;
}

Deno.test("single objects are found among files, and in the registry's list", async () => {
  await using registry = new FakeRegistry();
  const directory = await Deno.makeTempDir({ prefix: "schemas-" });
  try {
    await Deno.writeTextFile(`${directory}/any.avsc`, JSON.stringify(schema("a")));
    registry.add(5, schema("b"));
    const { store, feed } = await worldOf({ schemaDirectory: directory, registryUrls: [registry.url] });
    const first = await feed([single(schema("a"), datum("a", 1))]);
    assertEquals([linesOf(first.pages), registry.requests], [['{"a":1}'], []]);
    const { pages, deadLetters } = await feed([single(schema("b"), datum("b", 2)), single(schema("c"), datum("c", 3))]);
    assertEquals(linesOf(pages), ['{"b":2}']);
    assertEquals(deadLetters.map(({ code }) => code), ["unknown-schema"]);
    assertEquals(registry.requests, ["/schemas"]);
    store.close();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("bare datums go by the schema of their table, or the one for all others", () =>
  inScratchDirectory(async (directory) => {
    await Deno.mkdir(`${directory}/Shop`);
    await Deno.writeTextFile(`${directory}/Shop/events.avsc`, JSON.stringify(schema("mine")));
    await Deno.writeTextFile(`${directory}/rest.json`, JSON.stringify(schema("others")));
    const config = { schemaDirectory: directory, schemaFile: `${directory}/rest.json` };
    const mine = await worldOf(config, { avroEncoding: "BARE", project: "shop" });
    assertEquals(linesOf((await mine.feed([Uint8Array.of(2)])).pages), ['{"mine":1}']);
    const others = await worldOf(config, { avroEncoding: "BARE" });
    assertEquals(linesOf((await others.feed([Uint8Array.of(2)])).pages), ['{"others":1}']);
    const none = await worldOf({ schemaDirectory: directory }, { avroEncoding: "BARE" });
    assertEquals((await none.feed([Uint8Array.of(2)])).deadLetters.map(({ code }) => code), ["unknown-schema"]);
    await Deno.writeTextFile(`${directory}/broken.avsc`, "{}");
    await assertRejects(() => worldOf({ schemaDirectory: directory }), FatalError, "broken.avsc: {} has no type");
  }));
