import { assertEquals, assertRejects } from "@std/assert";
import { InvariantError, RetriableError } from "../../../../src/runtime/errors.ts";
import { S3Target } from "../../../../src/target/s3.ts";
import { s3Settings } from "../../../../src/target/s3/options.ts";
import { ManualClock } from "../../../support/manual_clock.ts";
import { s3Config } from "../../../support/s3_config.ts";
import { storedObject, testRuntime } from "../../../support/stored_object.ts";

const NEVER = new AbortController().signal;
const settings = s3Settings(
  s3Config({ bucket: "events", endpoint: "http://s3", accessKey: "a", secretAccessKey: "b" }, {
    requestTimeoutMs: 30_000,
  }),
);

Deno.test("open() of the s3 target ends when nobody hands out credentials", async () => {
  const clock = new ManualClock();
  const target = new S3Target(settings, testRuntime({ clock }), () => new Promise(() => {}));
  const opening = assertRejects(
    () => target.open(NEVER),
    RetriableError,
    "cannot find credentials for PutObject s3://events at http://s3: no answer within 30 s",
  );
  clock.advance(30_000);
  await opening;
  const controller = new AbortController();
  const aborted = assertRejects(() => target.open(controller.signal));
  const reason = new Error("stopping");
  controller.abort(reason);
  assertEquals(await aborted, reason);
  await target.close();
});

Deno.test("put() of the s3 target that is not open is a bug of its caller", async () => {
  const target = new S3Target(settings, testRuntime(), () => new Promise(() => {}));
  await assertRejects(() => target.put(storedObject("k", "x"), NEVER), InvariantError);
});
