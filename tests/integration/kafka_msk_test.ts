/** Where the credentials of MSK's tokens come from, in a process with the rights of the compiled program. */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(import.meta.resolve("../support/msk_token_program.ts"));
const CONFIG_FILE = fileURLToPath(import.meta.resolve("../../deno.json"));
const RIGHTS = ["--allow-net", "--allow-env", "--allow-read", "--allow-sys=osRelease,homedir,uid", "--no-prompt"];
const EXPIRATION = "2099-01-01T00:00:00Z";

/** Runs the program with these variables. @returns the parameters of the signed addresses, one a token. */
async function tokensOf(env: Readonly<Record<string, string>>): Promise<URLSearchParams[]> {
  const kept = ["PATH", "DENO_DIR", "DENO_TLS_CA_STORE"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const denoDir = Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/root", ".cache/deno");
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...RIGHTS, "--config", CONFIG_FILE, PROGRAM],
    clearEnv: true,
    env: {
      DENO_DIR: denoDir,
      HOME: "/nowhere",
      AWS_EC2_METADATA_DISABLED: "true",
      ...Object.fromEntries(kept),
      ...env,
    },
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  if (lines.length !== 2) throw new Error(new TextDecoder().decode(stderr));
  return lines.map((token) => new URL(atob(token.replaceAll("-", "+").replaceAll("_", "/"))).searchParams);
}

function scopeOf(parameters: URLSearchParams): string {
  return parameters.get("X-Amz-Credential")!.replace(/\/\d{8}\//, "/<day>/");
}

Deno.test("MSK's tokens are signed with keys of the environment", async () => {
  const [first] = await tokensOf({
    ...{ AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "secret", AWS_SESSION_TOKEN: "a session" },
  });
  assertEquals(scopeOf(first), "AKID/<day>/eu-west-1/kafka-cluster/aws4_request");
  assertEquals(first.get("X-Amz-Security-Token"), "a session");
});

Deno.test("MSK's tokens share a container's credentials, which are asked for once", async () => {
  let asked = 0;
  const issuer = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    asked++;
    return Response.json({ AccessKeyId: "ROLE", SecretAccessKey: "s", Token: "t", Expiration: EXPIRATION });
  });
  try {
    const url = `http://127.0.0.1:${issuer.addr.port}/role`;
    const tokens = await tokensOf({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url });
    assertEquals(tokens.map(scopeOf), Array(2).fill("ROLE/<day>/eu-west-1/kafka-cluster/aws4_request"));
    assertEquals(tokens.map((one) => one.get("X-Amz-Security-Token")), ["t", "t"]);
    assertEquals(asked, 1);
  } finally {
    await issuer.shutdown();
  }
});

Deno.test("MSK's tokens are signed as the role of a web identity, in the cluster's region", async () => {
  const file = await Deno.makeTempFile({ prefix: "msk-identity-" });
  const bodies: string[] = [];
  const sts = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    bodies.push(await request.text());
    const keys = `<AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>`;
    return new Response(
      `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">` +
        `<AssumeRoleWithWebIdentityResult><Credentials>${keys}<Expiration>${EXPIRATION}</Expiration></Credentials>` +
        `</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      { headers: { "content-type": "text/xml" } },
    );
  });
  try {
    await Deno.writeTextFile(file, "an identity");
    const tokens = await tokensOf({
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/collector",
      AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${sts.addr.port}`,
    });
    assertEquals(tokens.map(scopeOf), Array(2).fill("WEB/<day>/eu-west-1/kafka-cluster/aws4_request"));
    assertEquals(bodies.map((body) => new URLSearchParams(body).get("WebIdentityToken")), ["an identity"]);
  } finally {
    await sts.shutdown();
    await Deno.remove(file);
  }
});
