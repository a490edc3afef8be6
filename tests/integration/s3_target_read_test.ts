/** The s3 target as a reader: listings, bodies and deletes against a server that misbehaves. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { FatalError, RetriableError } from "../../src/runtime/errors.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { s3Target } from "../../src/target/s3.ts";
import type { S3TargetConfig } from "../../src/target/s3/options.ts";
import type { ReadableObjectTarget } from "../../src/target/target.ts";
import { HangClock } from "../support/hang_clock.ts";
import { s3Config } from "../support/s3_config.ts";
import { type S3Fault, type S3Operation, startS3 } from "../support/s3_server.ts";
import { contents, patternBytes, storedObject, testRuntime } from "../support/stored_object.ts";

const server = await startS3();
const NEVER = new AbortController().signal;
const object = storedObject("p/rows.ndjson.gz", patternBytes(3_000_000, 1));
let buckets = 0;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** A target that was never opened, on a bucket of its own that holds `object`, and no faults. */
async function scene(
  run: (target: ReadableObjectTarget, bucket: string) => Promise<void>,
  { config = {}, runtime = {} }: { config?: Partial<S3TargetConfig>; runtime?: Partial<Runtime> } = {},
): Promise<void> {
  const bucket = `reads-${buckets++}`;
  server.createBucket(bucket);
  server.faults.clear();
  server.setListPageSize(1000);
  const built = testRuntime({ random: { next: () => 0, hex: () => "00" }, ...runtime });
  const create = () => s3Target.create(s3Config(server, { bucket, ...config }), { runtime: built });
  const writer = create() as ReadableObjectTarget, target = create() as ReadableObjectTarget;
  await writer.open(NEVER);
  await writer.put(object, NEVER);
  await writer.close();
  try {
    await run(target, bucket);
  } finally {
    server.faults.clear();
    await target.close();
  }
}

async function got(target: ReadableObjectTarget, key: string): Promise<Uint8Array | null> {
  const chunks = await target.get(key, NEVER);
  return chunks === null ? null : Buffer.concat(await Array.fromAsync(chunks));
}

async function assertRead(target: ReadableObjectTarget): Promise<void> {
  const read = await got(target, object.key);
  assert(read !== null && Buffer.compare(read, contents(object)) === 0, "other contents than what was put");
}

const PASSING: Readonly<Record<string, S3Fault>> = {
  "503 SlowDown": { status: 503, code: "SlowDown" },
  "500 InternalError": { status: 500 },
  "a closed connection": "close",
  "a truncated answer": "truncate answer",
  "200 of a stranger": {
    answer: {
      status: 200,
      headers: { "content-type": "text/html" },
      body: new TextEncoder().encode("<html>hi</html>"),
    },
  },
  "silence": "hang",
};

for (const [name, fault] of Object.entries(PASSING)) {
  test(`the s3 target lists, reads and deletes in spite of ${name}`, () =>
    scene(async (target, bucket) => {
      for (const times of [1, 3]) {
        server.faults.add(fault, { times, operations: ["ListObjectsV2"] });
        assertEquals(await Array.fromAsync(target.list("", NEVER)), [{ key: object.key, byteLength: 3_000_000 }]);
        server.faults.add(fault, { times, operations: ["GetObject"] });
        await assertRead(target);
      }
      server.faults.add(fault, { times: 3, operations: ["DeleteObject"] });
      await target.delete(object.key, NEVER);
      if (typeof fault === "string") assertEquals(await server.list("", bucket), []);
    }, { runtime: { clock: new HangClock(server.hung) } }));
}

test("the s3 target goes on with a body where it broke off", () =>
  scene(async (target, bucket) => {
    server.faults.add("truncate answer", { times: 4, operations: ["GetObject"] });
    await assertRead(target);
    const ranges = server.requests.filter((r) => r.operation === "GetObject" && r.target.includes(bucket))
      .map(({ headers }) => [headers.get("range"), headers.has("if-match")]);
    assertEquals(ranges, [
      [undefined, false],
      ["bytes=1500000-", true],
      ["bytes=2250000-", true],
      ["bytes=2625000-", true],
      ["bytes=2812500-", true],
    ]);
  }));

test("the s3 target takes no part of an object for the whole, nor of two objects for one", () =>
  scene(async (target) => {
    server.faults.always(({ operation }) => operation === "GetObject" ? "truncate answer" : undefined);
    // Each try brings some bytes, so it goes on until a try brings none.
    const error = await assertRejects(() => got(target, object.key), RetriableError);
    assertStringIncludes(error.message, "cannot GetObject s3://");
    server.faults.clear();
    const chunks = (await target.get(object.key, NEVER))!;
    server.faults.add("truncate answer", { operations: ["GetObject"] });
    const broken = (await target.get(object.key, NEVER))!;
    await target.open(NEVER);
    await target.put(storedObject(object.key, patternBytes(3_000_000, 2)), NEVER);
    await assertRejects(() => Array.fromAsync(broken), RetriableError, "replaced or deleted while it was read");
    assert(Buffer.compare(Buffer.concat(await Array.fromAsync(chunks)), contents(object)) === 0);
  }));

test("the s3 target reads an object as it is stored, whatever its Content-Encoding", () =>
  scene(async (target) => {
    const stored = gzipSync("row\n".repeat(1000));
    const asks: (string | null)[] = [];
    server.faults.always(({ operation, target }) => {
      if (operation !== "GetObject") return undefined;
      const asked = new URL(target, "http://s3").searchParams.get("response-content-encoding");
      asks.push(asked);
      const headers = { "content-encoding": asked ?? "gzip", etag: '"1"', "content-type": "application/x-ndjson" };
      return { answer: { status: 200, headers, body: stored } };
    });
    assertEquals(Buffer.compare((await got(target, object.key))!, stored), 0);
    assertEquals(asks, [null, "identity"]);
  }, { config: { contentEncoding: "gzip" } }));

test("the s3 target lists any number of objects in pages, below its prefix", () =>
  scene(async (target, bucket) => {
    const keys = Array.from({ length: 1001 }, (_, i) => `_m & <"m">/${String(i).padStart(5, "0")} é.json`);
    await target.open(NEVER);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => target.put(storedObject(key, "{}"), NEVER)));
    }
    assertEquals((await server.list("", bucket)).length, 1002);
    for (const pageSize of [1000, 7]) {
      server.setListPageSize(pageSize);
      const first = server.requests.length;
      const found = await Array.fromAsync(target.list("_m & ", NEVER));
      assertEquals(found.map(({ key }) => key), keys);
      const asked = server.requests.slice(first).filter(({ operation }) => operation === "ListObjectsV2");
      assertEquals(asked.length, Math.ceil(keys.length / pageSize));
    }
  }, { config: { prefix: "live/a" } }));

test("the s3 target concludes nothing from a listing without an order", () =>
  scene(async (target) => {
    const keys = ["b", "a"].map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join("");
    const body = new TextEncoder().encode(
      `<?xml version="1.0"?><ListBucketResult><Name>n</Name><KeyCount>2</KeyCount>${keys}</ListBucketResult>`,
    );
    server.faults.always(() => ({ answer: { status: 200, headers: {}, body } }));
    await assertRejects(() => Array.fromAsync(target.list("", NEVER)), FatalError, 'it lists "a" after "b"');
  }));

const REFUSALS: readonly [S3Operation, S3Fault, string][] = [
  ["ListObjectsV2", { status: 403, code: "AccessDenied" }, "allow these credentials s3:ListBucket"],
  ["ListObjectsV2", { status: 404, code: "NoSuchBucket" }, "create the bucket, or correct target.aws.s3-bucket"],
  ["GetObject", { status: 403, code: "AccessDenied" }, "allow these credentials s3:GetObject and s3:ListBucket"],
  ["GetObject", { status: 403, code: "InvalidObjectState" }, "restore it first"],
  ["DeleteObject", { status: 403, code: "AccessDenied" }, "allow these credentials s3:DeleteObject"],
];

for (const [operation, fault, advice] of REFUSALS) {
  const code = (fault as { code: string }).code;
  test(`the s3 target ends on ${code} for ${operation}, and says what to do`, () =>
    scene(async (target, bucket) => {
      server.faults.add(fault, { operations: [operation] });
      const ask = {
        ListObjectsV2: () => Array.fromAsync(target.list("", NEVER)),
        GetObject: () => got(target, object.key),
        DeleteObject: () => target.delete(object.key, NEVER),
      }[operation as "GetObject"];
      const error = await assertRejects<Error>(ask);
      assertInstanceOf(error, FatalError);
      assertStringIncludes(error.message, `cannot ${operation} s3://${bucket}`);
      assertStringIncludes(error.message, advice);
    }));
}

test("the s3 target that is only read asks for credentials again after it found none", async () => {
  const config = s3Config(server, { bucket: "events", accessKey: undefined, secretAccessKey: undefined });
  const target = s3Target.create(config, { runtime: testRuntime() }) as ReadableObjectTarget;
  for (let i = 0; i < 2; i++) {
    await assertRejects(() => Array.fromAsync(target.list("", NEVER)), FatalError, "no credentials");
  }
  await target.close();
});

test("the S3 server of these tests stops", () => server.close());
