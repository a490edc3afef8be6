import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { FatalError, RetriableError } from "../../src/runtime/errors.ts";
import type { Random } from "../../src/runtime/random.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { s3Target } from "../../src/target/s3.ts";
import type { S3TargetConfig } from "../../src/target/s3/options.ts";
import type { ObjectTarget, StoredObject } from "../../src/target/target.ts";
import { HangClock } from "../support/hang_clock.ts";
import { PatientClock } from "../support/patient_clock.ts";
import { s3Config } from "../support/s3_config.ts";
import { type S3Fault, type S3Operation, startS3 } from "../support/s3_server.ts";
import { contents, patternBytes, storedObject, testRuntime } from "../support/stored_object.ts";

const server = await startS3();
const NEVER = new AbortController().signal;
const MB = 2 ** 20;
/** Makes every pause between tries the shortest there may be: none. */
const noPauses: Random = { next: () => 0, hex: () => "00" };
/** Where nobody listens. */
const unreachable = (() => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
})();
let buckets = 0;

/** A test beside a server that goes on serving in this process: its connections are no leaks. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

interface Scene {
  readonly bucket: string;
  readonly target: ObjectTarget;
  readonly runtime: Runtime;
  /** Operations asked of this bucket since the target was open. */
  operations(): S3Operation[];
  assertStored(object: StoredObject): Promise<void>;
}

/** An open target on a bucket of its own, and no faults. */
async function scene(
  run: (scene: Scene) => Promise<void>,
  { config = {}, runtime = {} }: { config?: Partial<S3TargetConfig>; runtime?: Partial<Runtime> } = {},
): Promise<void> {
  const bucket = `faults-${buckets++}`;
  server.createBucket(bucket);
  server.faults.clear();
  server.setSkewMs(0);
  const built = testRuntime({ random: noPauses, ...runtime });
  const full = s3Config(server, { bucket, partByteLength: 5 * MB, requestTimeoutMs: 5_000, ...config });
  const target = s3Target.create(full, { runtime: built }) as ObjectTarget;
  await target.open(NEVER);
  const first = server.requests.length;
  try {
    await run({
      bucket,
      target,
      runtime: built,
      operations: () =>
        server.requests.slice(first).filter((r) => r.target.startsWith(`/${bucket}`)).map((r) => r.operation),
      async assertStored(object) {
        const stored = await server.get(
          full.prefix === undefined ? object.key : `${full.prefix}/${object.key}`,
          bucket,
        );
        assert(stored !== undefined, `nothing is stored under ${object.key}`);
        assert(Buffer.compare(stored, contents(object)) === 0, `${object.key} has other contents`);
        assertEquals(server.uploads(bucket).filter(({ partCount }) => partCount > 0), []);
      },
    });
  } finally {
    server.faults.clear();
    await target.close();
  }
}

const small = storedObject("p/small.ndjson.gz", "one\n", "two\n");
const large = storedObject("p/large.ndjson.gz", patternBytes(6 * MB, 1), patternBytes(10, 2), patternBytes(5 * MB, 3));

/** Faults after which the same request is worth another try. */
const PASSING: Readonly<Record<string, S3Fault>> = {
  "503 SlowDown": { status: 503, code: "SlowDown", message: "Please reduce your request rate." },
  "500 InternalError": { status: 500 },
  "429": { status: 429, code: "TooManyRequests" },
  "400 RequestTimeout": { status: 400, code: "RequestTimeout" },
  "a closed connection": "close",
  "a reset": "reset",
  "a lost answer": "lose answer",
  "a truncated answer": "truncate answer",
  "200 of a stranger": {
    answer: {
      status: 200,
      headers: { "content-type": "text/html" },
      body: new TextEncoder().encode("<html>hello</html>"),
    },
  },
  "502 of a proxy": { answer: { status: 502, headers: {}, body: new TextEncoder().encode("Bad Gateway") } },
};

for (const [name, fault] of Object.entries(PASSING)) {
  test(`the s3 target puts an object in spite of ${name}`, () =>
    scene(async ({ target, assertStored, operations, runtime }) => {
      server.faults.add(fault, { times: 3, operations: ["PutObject"] });
      await target.put(small, NEVER);
      await assertStored(small);
      if (fault !== "reset") assertEquals(operations(), ["PutObject", "PutObject", "PutObject", "PutObject"]);
      // fetch makes every second try by itself when a connection closes without an answer.
      const retries = runtime.metrics.total("collector_retries_total");
      assert(retries === 3 || (retries >= 1 && typeof fault === "string"), `${retries} retries`);
    }));

  test(`the s3 target puts an object in parts in spite of ${name} at any step`, () =>
    scene(async ({ target, assertStored }) => {
      for (const operation of ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] as const) {
        server.faults.add(fault, { operations: [operation] });
        await target.put(large, NEVER);
        await assertStored(large);
      }
    }));
}

test("the s3 target finds a 200 that carries an error", () =>
  scene(async ({ target, assertStored }) => {
    const xml = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";
    server.faults.add({ answer: { status: 200, headers: {}, body: new TextEncoder().encode(xml) } }, {
      operations: ["CompleteMultipartUpload"],
    });
    await target.put(large, NEVER);
    await assertStored(large);
  }));

test("the s3 target gives up after five tries, drops the upload, and stores once the store is back", () =>
  scene(async ({ target, assertStored, operations, bucket }) => {
    for (const operation of ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] as const) {
      server.faults.always((request) => request.operation === operation ? { status: 500 } : undefined);
      const error = await assertRejects(() => target.put(large, NEVER), RetriableError);
      assertStringIncludes(error.message, `cannot ${operation} s3://${bucket}/p/large.ndjson.gz at ${server.endpoint}`);
      assertEquals(server.uploads(bucket), []);
    }
    assertEquals(operations().filter((operation) => operation === "CompleteMultipartUpload").length, 5);
    assertEquals(await server.list("", bucket), []);
    server.faults.clear();
    await target.put(large, NEVER);
    await assertStored(large);
  }));

test("the s3 target drops uploads later that it could not drop at once", () =>
  scene(async ({ target, bucket }) => {
    server.faults.always(({ operation }) => /^(UploadPart|Abort)/.test(operation) ? { status: 500 } : undefined);
    await assertRejects(() => target.put(large, NEVER), RetriableError);
    assertEquals(server.uploads(bucket), [{ key: large.key, partCount: 0 }]);
    server.faults.clear();
    await target.close();
    assertEquals(server.uploads(bucket), []);
  }));

test("the s3 target waits as long as a throttling store asks", async () => {
  const sleeps: number[] = [];
  class RecordingClock extends PatientClock {
    override sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
      sleeps.push(durationMs);
      return super.sleep(durationMs >= 5_000 ? durationMs : 0, signal); // time limits stay what they are
    }
  }
  await scene(async ({ target, assertStored }) => {
    server.faults.add({ status: 503, code: "SlowDown", headers: { "retry-after": "3" } });
    await target.put(small, NEVER);
    await assertStored(small);
    assert(sleeps.includes(3000), `slept ${sleeps}`);
  }, { runtime: { clock: new RecordingClock() } });
});

const HANGS = ["hang", "do and hang"] as const;
for (const fault of HANGS) {
  test(`the s3 target gives up requests that ${fault}, and tries again`, () =>
    scene(async ({ target, assertStored }) => {
      server.faults.add(fault, { operations: ["PutObject"] });
      await target.put(small, NEVER);
      await assertStored(small);
      for (const operation of ["CreateMultipartUpload", "UploadPart"] as const) {
        server.faults.add(fault, { operations: [operation] });
      }
      await target.put(large, NEVER);
      await assertStored(large);
    }, { runtime: { clock: new HangClock(server.hung) } }));
}

test("the s3 target says how long it waited for an answer", () =>
  scene(async ({ target }) => {
    server.faults.always(() => "hang");
    await assertRejects(() => target.put(small, NEVER), RetriableError, "no answer within");
  }, { config: { requestTimeoutMs: 20 } }));

test("the s3 target ends at once when its signal aborts, whatever the store does", () =>
  scene(async ({ target, bucket }) => {
    const reason = new Error("stopping");
    for (const operation of ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] as const) {
      const hanging = Promise.withResolvers<void>();
      server.faults.always((request) => {
        if (request.operation !== operation) return undefined;
        hanging.resolve();
        return "hang";
      });
      const controller = new AbortController();
      const put = assertRejects(() => target.put(operation === "PutObject" ? small : large, controller.signal));
      await hanging.promise;
      controller.abort(reason);
      assertEquals(await put, reason);
    }
    server.faults.clear();
    await target.close();
    assertEquals(server.uploads(bucket), []);
    assertEquals(await server.list("", bucket), []);
  }));

test("the s3 target ends at once when its signal aborts between two tries", () =>
  scene(async ({ target }) => {
    const controller = new AbortController();
    const reason = new Error("stopping");
    let tries = 0;
    server.faults.always(() => {
      if (++tries === 2) queueMicrotask(() => controller.abort(reason));
      return { status: 503, code: "SlowDown", headers: { "retry-after": "3600" } };
    });
    assertEquals(await assertRejects(() => target.put(small, controller.signal)), reason);
  }, {
    runtime: {
      clock: new (class extends PatientClock {
        override sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
          return super.sleep(durationMs === 10_000 ? 1 : durationMs, signal); // the longest pause, cut short
        }
      })(),
    },
  }));

const REFUSALS: readonly [S3Fault, string][] = [
  [{ status: 404, code: "NoSuchBucket" }, "create the bucket, or correct target.aws.s3-bucket"],
  [{ status: 403, code: "AccessDenied" }, "allow these credentials s3:PutObject"],
  [{ status: 403, code: "InvalidAccessKeyId" }, "correct target.access-key"],
  [{ status: 403, code: "ExpiredToken" }, "target.session-token has ended"],
  [
    { status: 301, code: "PermanentRedirect", headers: { "x-amz-bucket-region": "eu-west-1" } },
    "the bucket is in eu-west-1: set target.aws.region=eu-west-1",
  ],
  [{ status: 400, code: "EntityTooLarge" }, "lower target.aws.s3-part-size"],
  [{ status: 400, code: "KMS.NotFoundException" }, "correct target.aws.s3-kms-key-id"],
  [{ status: 400, code: "AccessControlListNotSupported" }, "remove target.aws.s3-acl"],
  [{ status: 501, code: "NotImplemented" }, "target.aws.s3-checksum=none"],
  [{ status: 400, code: "SomethingNew", message: "It is so." }, "SomethingNew: It is so."],
];

for (const [fault, advice] of REFUSALS) {
  const code = (fault as { code: string }).code;
  test(`the s3 target ends on ${code}, and says what to do`, () =>
    scene(async ({ target, bucket, operations }) => {
      server.faults.add(fault);
      const error = await assertRejects(() => target.put(small, NEVER), FatalError, advice);
      assertStringIncludes(
        error.message,
        `cannot PutObject s3://${bucket}/p/small.ndjson.gz at ${server.endpoint}: ${code}`,
      );
      assertEquals(operations(), ["PutObject"]);
    }));
}

test("the s3 target ends on wrong keys, and shows none of them", async () => {
  const table: [Partial<S3TargetConfig>, string][] = [
    [{ accessKey: "AKIAOTHER" }, "InvalidAccessKeyId"],
    [{ secretAccessKey: "other-secret" }, "SignatureDoesNotMatch"],
  ];
  for (const [config, code] of table) {
    await scene(async ({ target }) => {
      for (const object of [small, large]) {
        const error = await assertRejects(() => target.put(object, NEVER), FatalError, code);
        for (const key of ["AKIAOTHER", "other-secret"]) {
          assert(!Deno.inspect(error).includes(key), Deno.inspect(error));
        }
      }
    }, { config });
  }
});

test("the s3 target works against a store whose clock is an hour ahead", () =>
  scene(async ({ target, assertStored }) => {
    server.setSkewMs(3_600_000);
    for (const object of [small, large]) {
      await target.put(object, NEVER);
      await assertStored(object);
    }
  }));

for (const checksum of ["SHA256", "CRC32", "none"] as const) {
  test(`the s3 target sends checksum ${checksum}, whole and in parts`, () =>
    scene(async ({ target, assertStored, bucket }) => {
      for (const object of [small, large]) {
        await target.put(object, NEVER);
        await assertStored(object);
      }
      const bodies = server.requests.filter((r) =>
        r.target.startsWith(`/${bucket}`) && /^(Put|UploadP)/.test(r.operation)
      );
      assertEquals(bodies.length, 4);
      for (const { headers } of bodies) {
        assertEquals(headers.has("x-amz-checksum-sha256"), checksum === "SHA256");
        assertEquals(headers.has("x-amz-checksum-crc32"), checksum === "CRC32");
        assertEquals(headers.has("x-amz-trailer"), false);
        assertEquals(headers.get("x-amz-content-sha256")?.length, 64);
      }
    }, { config: { checksum } }));
}

test("the s3 target sends what is configured with rows, and less with manifests", () =>
  scene(async ({ target, bucket }) => {
    const manifest: StoredObject = {
      ...storedObject("_manifests/1.json", "{}"),
      purpose: "manifest",
      contentType: "application/json",
    };
    const packed = [small, large].map((object) => ({ ...object, contentType: "application/gzip" }));
    for (const object of [...packed, manifest]) await target.put(object, NEVER);
    const expected = {
      "content-encoding": "gzip",
      "x-amz-storage-class": "STANDARD_IA",
      "x-amz-tagging": "team=data%20%26%20co&env=live",
      "x-amz-acl": "bucket-owner-full-control",
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "alias/events",
    };
    const creating = server.requests.filter((r) =>
      r.target.startsWith(`/${bucket}/`) && /^(Put|Create)/.test(r.operation)
    );
    assertEquals(creating.map(({ key }) => key), [
      `live/a/${small.key}`,
      `live/a/${large.key}`,
      "live/a/_manifests/1.json",
    ]);
    for (const { headers, key } of creating) {
      const isManifest = key.includes("_manifests");
      assertEquals(headers.get("content-type"), isManifest ? "application/json" : "application/x-ndjson");
      for (const [name, value] of Object.entries(expected)) {
        const onlyRows = name === "content-encoding" || name === "x-amz-storage-class";
        assertEquals(headers.get(name), isManifest && onlyRows ? undefined : value, name);
      }
    }
  }, {
    config: {
      prefix: "live/a",
      contentEncoding: "gzip",
      storageClass: "STANDARD_IA",
      tags: ["team=data & co", "env = live"],
      acl: "bucket-owner-full-control",
      encryption: "SSE-KMS",
      kmsKeyId: "alias/events",
    },
  }));

test("the s3 target keeps few connections, also after many failures, and closes them", async () => {
  const before = server.connections();
  await scene(async ({ target }) => {
    let count = 0;
    const faults: (S3Fault | undefined)[] = [
      "close",
      undefined,
      { status: 500 },
      undefined,
      "truncate answer",
      undefined,
    ];
    server.faults.always(() => faults[count++ % faults.length]);
    for (let round = 0; round < 20; round++) {
      const objects = Array.from({ length: 8 }, (_, i) => storedObject(`many/${round}-${i}`, `${round}-${i}`));
      await Promise.all(objects.map((object) => target.put(object, NEVER)));
      assertLess(server.connections() - before, 20);
    }
  });
  while (server.connections() > before) await new Promise((resolve) => setTimeout(resolve, 1));
});

test("open() of the s3 target ends without the bucket, and goes on without the store", async () => {
  const open = async (config: Partial<S3TargetConfig>) => {
    const runtime = testRuntime({ random: noPauses });
    const target = s3Target.create(s3Config(server, config), { runtime }) as ObjectTarget;
    try {
      await target.open(NEVER);
    } finally {
      await target.close();
    }
  };
  server.faults.clear();
  await assertRejects(() => open({ bucket: "missing" }), FatalError, "create the bucket");
  await open({ endpoint: unreachable });
  server.faults.add({ status: 403 });
  await open({});
  server.faults.add({ status: 301, headers: { "x-amz-bucket-region": "eu-west-1" } });
  await assertRejects(() => open({}), FatalError, "set target.aws.region=eu-west-1");
});

const CHECKS: readonly [string, Partial<S3TargetConfig>, (() => void) | undefined, readonly [boolean, string][]][] = [
  ["all is well", {}, undefined, [[true, "yes"], [true, "yes"], [true, "yes"]]],
  ["the bucket is missing", { bucket: "missing" }, undefined, [[false, "create the bucket"]]],
  ["the store can't be reached", { endpoint: unreachable }, undefined, [[false, "refused"]]],
  ["the secret is wrong", { secretAccessKey: "x" }, undefined, [[true, "may not ask"], [true, "yes"], [
    false,
    "target.secret-access-key does not belong",
  ]]],
  [
    "writing is denied",
    {},
    () => server.faults.add({ status: 403, code: "AccessDenied" }, { operations: ["CreateMultipartUpload"] }),
    [[true, "yes"], [true, "yes"], [false, "allow these credentials s3:PutObject"]],
  ],
  [
    "dropping uploads is denied",
    {},
    () => server.faults.add({ status: 403, code: "AccessDenied" }, { operations: ["AbortMultipartUpload"] }),
    [[true, "yes"], [true, "yes"], [true, "yes"], [true, "allow these credentials s3:AbortMultipartUpload"]],
  ],
  ["the clock is an hour off", {}, () => server.setSkewMs(3_600_000), [[true, "may not ask"], [
    false,
    "60 minutes behind",
  ], [
    true,
    "yes",
  ]]],
];

for (const [title, config, prepare, expected] of CHECKS) {
  test(`check() of the s3 target tells when ${title}`, async () => {
    const bucket = `check-${buckets++}`;
    server.createBucket(bucket);
    server.faults.clear();
    server.setSkewMs(0);
    prepare?.();
    const results = await s3Target.check(s3Config(server, { bucket, ...config }), { runtime: testRuntime() }, NEVER);
    assertEquals(results.map(({ ok }) => ok), expected.map(([ok]) => ok), JSON.stringify(results));
    results.forEach(({ detail }, i) => assertStringIncludes(detail, expected[i][1]));
    assertEquals(await server.list("", bucket), []);
  });
}

test("the S3 server of these tests stops", () => server.close());
