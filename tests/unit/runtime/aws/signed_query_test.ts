import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import { assertEquals, assertRejects } from "@std/assert";
import { readAnswer, serviceEndpoint, signedQuery, xmlText } from "../../../../src/runtime/aws/signed_query.ts";

const NOW_MS = Date.parse("2026-01-31T12:34:56.789Z");

Deno.test("signedQuery() signs as the SDK does", async () => {
  for (const sessionToken of [undefined, "token/+=="]) {
    const credentials = { accessKeyId: "AKID", secretAccessKey: "secret/+", sessionToken };
    const request = signedQuery({
      endpoint: "https://sts.eu-west-1.amazonaws.com:8443",
      region: "eu-west-1",
      service: "sts",
      credentials,
      parameters: { Action: "Do", Odd: "a b&c=d+(ü)*'~!", Empty: "" },
      nowMs: NOW_MS,
    });
    const body = await request.text();
    const { signature: _, ...headers } = Object.fromEntries(request.headers);
    const theirs = await new SignatureV4({
      credentials,
      region: "eu-west-1",
      service: "sts",
      sha256: Sha256,
      applyChecksum: false,
    })
      .sign(
        {
          method: "POST",
          protocol: "https:",
          hostname: "sts.eu-west-1.amazonaws.com",
          port: 8443,
          path: "/",
          query: {},
          headers: { "content-type": headers["content-type"], host: "sts.eu-west-1.amazonaws.com:8443" },
          body,
        },
        { signingDate: new Date(NOW_MS) },
      );
    assertEquals(headers.authorization, theirs.headers.authorization);
    assertEquals(headers["x-amz-date"], theirs.headers["x-amz-date"]);
    assertEquals(new URLSearchParams(body).get("Odd"), "a b&c=d+(ü)*'~!");
  }
});

Deno.test("serviceEndpoint() knows China", () => {
  assertEquals(serviceEndpoint("monitoring", "eu-west-1"), "https://monitoring.eu-west-1.amazonaws.com");
  assertEquals(serviceEndpoint("sts", "cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
});

Deno.test("readAnswer() makes an error of a refusal", async () => {
  assertEquals(await readAnswer(new Response("<Ok/>")), "<Ok/>");
  const refused = new Response("<E><Error><Code>AccessDenied</Code><Message>no &amp; no</Message></Error></E>", {
    status: 403,
  });
  const error = await assertRejects(() => readAnswer(refused));
  assertEquals([(error as Error).name, (error as Error).message], ["AccessDenied", "no & no"]);
  const broken = await assertRejects(() => readAnswer(new Response("gone", { status: 502 })));
  assertEquals((broken as Error).message, "status 502");
  assertEquals(xmlText("<A>1</A>", "B"), undefined);
});
