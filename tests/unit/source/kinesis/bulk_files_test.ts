import { assertEquals, assertRejects } from "@std/assert";
import { FatalError } from "../../../../src/runtime/errors.ts";
import { BulkFiles } from "../../../../src/source/kinesis/bulk_files.ts";
import { kinesisOptions } from "../../../../src/source/kinesis/options.ts";
import { kinesisSettings } from "../../../../src/source/kinesis/settings.ts";
import { defaultConfig } from "../../../support/default_config.ts";
import { PatientClock } from "../../../support/patient_clock.ts";
import { testRuntime } from "../../../support/stored_object.ts";

const NEVER = new AbortController().signal;

function refusal(status: number, code: string): Response {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
  return new Response(body, { status, headers: { "content-type": "application/xml" } });
}

Deno.test({
  name: "BulkFiles reads a file, tries again when S3 is busy, and knows what isn't there or isn't allowed",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const answers: Record<string, (() => Response)[]> = {
      "/bulk/dir/a%20file": [() => refusal(503, "SlowDown"), () => new Response(Uint8Array.of(1, 2, 3))],
      "/bulk/none": [() => refusal(404, "NoSuchKey")],
      "/bulk/secret": [() => refusal(403, "AccessDenied")],
      "/bulk/large": [() => new Response(new Uint8Array(1000))],
    };
    const seen: string[] = [];
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      const { pathname } = new URL(request.url);
      seen.push(pathname);
      return answers[pathname]?.shift()?.() ?? refusal(404, "NoSuchKey");
    });
    const config = defaultConfig(kinesisOptions, {
      stream: "s",
      leaseTable: "s-leases",
      region: "us-east-1",
      accessKey: "test",
      secretAccessKey: "test",
      bulkBucket: "bulk",
      bulkEndpoint: `http://127.0.0.1:${server.addr.port}`,
    });
    const runtime = testRuntime({ clock: new PatientClock(), random: { next: () => 0, hex: () => "" } });
    const files = new BulkFiles(kinesisSettings(config), "bulk", runtime);
    assertEquals(await files.read("dir/a file", 100, NEVER), Uint8Array.of(1, 2, 3));
    assertEquals(await files.read("none", 100, NEVER), null);
    assertEquals(await files.read("large", 100, NEVER), null);
    const error = await assertRejects(() => files.read("secret", 100, NEVER), FatalError, "GetObject s3://bulk/secret");
    assertEquals(error.message.includes("allow these credentials s3:GetObject"), true, error.message);
    assertEquals(seen, ["/bulk/dir/a%20file", "/bulk/dir/a%20file", "/bulk/none", "/bulk/large", "/bulk/secret"]);
    files.close();
    await server.shutdown();
  },
});
