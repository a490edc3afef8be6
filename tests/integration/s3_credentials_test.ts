/** Where keys come from when the config has none: each place of the SDK's chain, in a process with few rights. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startS3 } from "../support/s3_server.ts";
import { s3Config } from "../support/s3_config.ts";
import { inScratchDirectory } from "../support/scratch.ts";

const server = await startS3();
const PROGRAM = fileURLToPath(import.meta.resolve("../support/s3_put_program.ts"));
const CONFIG_FILE = fileURLToPath(import.meta.resolve("../../deno.json"));
/** What the compiled program may do, too. */
const RIGHTS = ["--allow-net", "--allow-env", "--allow-read", "--allow-sys=osRelease,homedir,uid", "--no-prompt"];
const { accessKey, secretAccessKey } = server;
const KEYS = { AccessKeyId: accessKey, SecretAccessKey: secretAccessKey, Expiration: "2099-01-01T00:00:00Z" };

/** A test beside a server that goes on serving in this process: its connections are no leaks. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Answers paths with texts, as the services do that hand out keys. Counts what it is asked. */
function startIssuer(answers: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const issuer = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    return new Response(answers[pathname] ?? "", { status: pathname in answers ? 200 : 404 });
  });
  return { url: `http://127.0.0.1:${issuer.addr.port}`, asked, stop: () => issuer.shutdown() };
}

/** Runs the program in an environment of these variables, in a home with these files. */
function put(env: Record<string, string>, files: Record<string, string> = {}, config = {}): Promise<string> {
  return inScratchDirectory(async (home) => {
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(join(home, ".aws"), { recursive: true });
      await Deno.writeTextFile(join(home, ".aws", name), text);
    }
    const filled = Object.fromEntries(
      Object.entries(env).map(([name, text]) => [name, text.replaceAll("$HOME", home)]),
    );
    const full = s3Config(server, {
      accessKey: undefined,
      secretAccessKey: undefined,
      requestTimeoutMs: 20_000,
      ...config,
    });
    const kept = Object.fromEntries(
      ["PATH", "DENO_DIR", "DENO_TLS_CA_STORE"].flatMap((name) => {
        const value = Deno.env.get(name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    const denoDir = Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/root", ".cache/deno");
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", ...RIGHTS, "--config", CONFIG_FILE, PROGRAM, JSON.stringify(full)],
      clearEnv: true,
      env: { ...kept, DENO_DIR: denoDir, HOME: home, AWS_EC2_METADATA_DISABLED: "true", ...filled },
    }).output();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  });
}

async function assertStores(env: Record<string, string>, files?: Record<string, string>, config = {}): Promise<void> {
  server.faults.clear();
  const before = server.requests.length;
  assertEquals(await put(env, files, config), "stored");
  assert(server.requests.length > before);
}

function lastToken(): string | undefined {
  return server.requests.at(-1)?.headers.get("x-amz-security-token");
}

const SHARED = `aws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretAccessKey}\n`;

test("the s3 target takes keys and region from the environment", async () => {
  const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: "token-1" };
  await assertStores({ ...env, AWS_REGION: "eu-west-1" }, {}, { region: undefined });
  assertEquals(lastToken(), "token-1");
  assertStringIncludes(server.requests.at(-1)?.headers.get("authorization") ?? "", "/eu-west-1/s3/");
});

test("the s3 target takes keys and region from the shared files", async () => {
  await assertStores({}, { credentials: `[default]\n${SHARED}` });
  const profile = { credentials: `[live]\n${SHARED}`, config: "[profile live]\nregion = ap-south-1\n" };
  await assertStores({ AWS_PROFILE: "live" }, profile, { region: undefined });
  assertStringIncludes(server.requests.at(-1)?.headers.get("authorization") ?? "", "/ap-south-1/s3/");
});

test("the s3 target takes keys from a container's service", async () => {
  const issuer = startIssuer({ "/keys": JSON.stringify({ ...KEYS, Token: "token-2" }) });
  await assertStores({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${issuer.url}/keys` });
  assertEquals(lastToken(), "token-2");
  await issuer.stop();
});

test("the s3 target takes keys from the instance's metadata", async () => {
  const roles = "/latest/meta-data/iam/security-credentials/";
  const issuer = startIssuer({
    "/latest/api/token": "session",
    [roles]: "collector",
    [`${roles}collector`]: JSON.stringify({ Code: "Success", ...KEYS, Token: "token-3" }),
  });
  await assertStores({ AWS_EC2_METADATA_DISABLED: "false", AWS_EC2_METADATA_SERVICE_ENDPOINT: issuer.url });
  assertEquals(lastToken(), "token-3");
  await issuer.stop();
});

test("the s3 target takes keys for a web identity", async () => {
  const fields = Object.entries({ ...KEYS, SessionToken: "token-4" }).map(([name, text]) =>
    `<${name}>${text}</${name}>`
  );
  const issuer = startIssuer({
    "/": `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">` +
      `<AssumeRoleWithWebIdentityResult><Credentials>${
        fields.join("")
      }</Credentials></AssumeRoleWithWebIdentityResult>` +
      `</AssumeRoleWithWebIdentityResponse>`,
  });
  const env = {
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/collector",
    AWS_WEB_IDENTITY_TOKEN_FILE: "$HOME/.aws/token",
    AWS_ENDPOINT_URL_STS: issuer.url,
    AWS_REGION: "us-east-1",
  };
  await assertStores(env, { token: "identity" });
  assertEquals(lastToken(), "token-4");
  await issuer.stop();
});

test("the s3 target asks for keys anew when the store says that they have expired", async () => {
  const issuer = startIssuer({ "/keys": JSON.stringify({ ...KEYS, Token: "token-5" }) });
  server.faults.clear();
  server.faults.add({ status: 400, code: "ExpiredToken" }, { operations: ["PutObject"] });
  assertEquals(await put({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${issuer.url}/keys` }), "stored");
  assertEquals(issuer.asked.length, 3); // when it opened, before the first request, after the refusal
  await issuer.stop();
});

test("the s3 target finds keys that were renewed in the shared files", async () => {
  const file = await Deno.makeTempFile({ prefix: "s3-keys-" });
  const write = (token: string) => Deno.writeTextFileSync(file, `[default]\n${SHARED}aws_session_token = ${token}\n`);
  write("old");
  server.faults.clear();
  server.faults.always(({ operation, headers }) => {
    if (operation !== "PutObject" || headers.get("x-amz-security-token") === "new") return undefined;
    write("new");
    return { status: 400, code: "ExpiredToken" };
  });
  assertEquals(await put({ AWS_SHARED_CREDENTIALS_FILE: file }), "stored");
  await Deno.remove(file);
});

test("the s3 target ends without keys or without a region, and says what to set", async () => {
  const none = await put({});
  assertStringIncludes(none, "FatalError: no credentials for");
  assertStringIncludes(none, "set target.access-key and target.secret-access-key, or give this machine a role");
  const keys = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  assertStringIncludes(
    await put(keys, {}, { region: undefined, endpoint: undefined }),
    "FatalError: the region of the bucket is not known: set target.aws.region",
  );
});

test("the S3 server of the credentials stops", () => server.close());
