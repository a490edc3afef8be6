import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { SystemClock } from "../../src/runtime/clock.ts";
import { FatalError } from "../../src/runtime/errors.ts";
import { BrokerConnection } from "../../src/source/kafka/network/connection.ts";
import { type KafkaConfig, kafkaOptions } from "../../src/source/kafka/options.ts";
import { metadataRequest } from "../../src/source/kafka/protocol/metadata.ts";
import { tlsOptions } from "../../src/source/kafka/network/tls.ts";
import { defaultConfig } from "../support/default_config.ts";
import { FakeKafka } from "../support/kafka_broker.ts";
import { testRuntime } from "../support/stored_object.ts";

const PASSWORD = "a pass:word";

async function openssl(directory: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd: directory, stdout: "null" }).output();
  if (!success) throw new Error(`openssl ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
}

/** A broker's certificate for kafka.internal, a client's, and its key in several forms. False without openssl. */
async function makeCertificates(directory: string): Promise<boolean> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  try {
    await openssl(directory, "req", "-x509", ...key, "-subj", "/CN=test ca", "-keyout", "ca.key", "-out", "ca.pem");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  for (const [name, host] of [["broker", "kafka.internal"], ["client", "a client"]]) {
    await openssl(directory, "req", ...key, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`);
    await Deno.writeTextFile(join(directory, "san.txt"), `subjectAltName=DNS:${host.replace(" ", "-")}\n`);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san.txt"];
    await openssl(directory, "x509", "-req", "-in", `${name}.csr`, ...by, "-out", `${name}.pem`);
  }
  const encrypt = (out: string, ...args: string[]) =>
    openssl(directory, "pkcs8", "-topk8", ...args, "-in", "client.key", "-passout", `pass:${PASSWORD}`, "-out", out);
  await encrypt("encrypted.key", "-v2", "aes-256-cbc");
  await openssl(directory, "ec", "-in", "client.key", "-out", "sec1.key");
  await encrypt("old.key", "-v1", "PBE-SHA1-3DES");
  return true;
}

/** TLS in front of a broker; says whose certificate it saw. */
async function startFront(directory: string, port: number): Promise<{ port: number; seen: string[]; stop(): void }> {
  const read = (name: string) => Deno.readTextFileSync(join(directory, name));
  const options = { key: read("broker.key"), cert: read("broker.pem"), ca: read("ca.pem") };
  const seen: string[] = [];
  const server = tls.createServer({ ...options, requestCert: true, rejectUnauthorized: false }, (socket) => {
    seen.push(String(socket.getPeerCertificate()?.subject?.CN ?? "nobody"));
    const broker = net.connect({ host: "127.0.0.1", port });
    socket.pipe(broker).pipe(socket);
    for (const [one, other] of [[socket, broker], [broker, socket]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as net.AddressInfo).port, seen, stop: () => server.close() };
}

type Case = [
  name: string,
  (at: (name: string) => string) => Partial<KafkaConfig>,
  seen: string | RegExp,
  years?: number,
];

/** What the front sees, or what we say; some years later where it says so. */
const CASES: readonly Case[] = [
  ["the name of the certificate", () => ({ sslServerName: "kafka.internal" }), "nobody"],
  ["no name, where the certificate has another", () => ({}), /look at kafka.ssl.ca.* and kafka.ssl.server.name/],
  ["a name that the certificate hasn't", () => ({ sslServerName: "kafka" }), /kafka.ssl.server.name/],
  ["a client key", (at) => ({ sslKey: at("client.key") }), "client"],
  ["an encrypted client key", (at) => ({ sslKey: at("encrypted.key"), sslKeyPassword: PASSWORD }), "client"],
  [
    "an encrypted client key and the wrong password",
    (at) => ({ sslKey: at("encrypted.key"), sslKeyPassword: "secret" }),
    /Cannot use the key in .*encrypted.key, which kafka.ssl.key names .*: look at kafka.ssl.key.password/,
  ],
  [
    "an encrypted client key and no password",
    (at) => ({ sslKey: at("encrypted.key") }),
    /if it is encrypted, set kafka.ssl.key.password/,
  ],
  [
    "a client key that is encrypted in a way of old",
    (at) => ({ sslKey: at("old.key"), sslKeyPassword: PASSWORD }),
    /write it anew with openssl pkcs8 -topk8/,
  ],
  ["a key in the older form", (at) => ({ sslKey: at("sec1.key") }), "client"],
  [
    "a key that isn't the certificate's",
    (at) => ({ sslKey: at("broker.key") }),
    /The key in .*broker.key, which kafka.ssl.key names, isn't that of CN=client in .*client.pem/,
  ],
  [
    "a certificate that is none",
    (at) => ({ sslKey: at("client.key"), sslCertificate: at("client.key") }),
    /Cannot use .*client.key, which kafka.ssl.certificate names: it holds no certificate in PEM form/,
  ],
  [
    "a certificate of ours that has expired",
    (at) => ({ sslKey: at("client.key") }),
    /client.pem, which kafka.ssl.certificate names, has CN=client, which is only valid from .* to .* GMT/,
    10,
  ],
  [
    "authorities that are none",
    (at) => ({ sslCa: at("ca.key") }),
    /Cannot use .*ca.key, which kafka.ssl.ca names: it holds no certificate in PEM form/,
  ],
  [
    "a broker that others have signed for",
    (at) => ({ sslCa: undefined, sslServerName: "kafka.internal", sslKey: at("client.key") }),
    /it shows a certificate of broker, signed by test ca\): look at kafka.ssl.ca/,
  ],
  [
    "a broker whose certificate has expired",
    () => ({ sslCa: undefined, sslServerName: "kafka.internal" }),
    /it shows a certificate of broker, signed by test ca, which is only valid from .* to .* GMT\): look at/,
    10,
  ],
];

Deno.test({
  name: "kafka: TLS with a server name, and with client keys, encrypted or not",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const directory = await Deno.makeTempDir({ prefix: "kafka-tls-" });
    const cluster = new FakeKafka();
    const at = (name: string) => join(directory, name);
    try {
      if (!await makeCertificates(directory)) return;
      const front = await startFront(directory, cluster.brokers[0].port);
      for (const [name, fields, expected, years = 0] of CASES) {
        await t.step(name, async () => {
          const own = fields(at), clock = new SystemClock(), nowMs = clock.now() + years * 365 * 86_400_000;
          const runtime = testRuntime({ clock: Object.assign(clock, { now: () => nowMs }) });
          const config = defaultConfig(kafkaOptions, {
            ...{ nodes: ["x"], topic: "x", securityProtocol: "SSL" as const, sslCa: at("ca.pem") },
            ...(own.sslKey !== undefined && { sslCertificate: at("client.pem"), sslServerName: "kafka.internal" }),
            ...own,
          });
          const settings = {
            ...{ clientId: "me", connectionTimeoutMs: 60_000, requestTimeoutMs: 60_000, sasl: null },
            tls: () => tlsOptions(config, runtime),
          };
          const address = { host: "127.0.0.1", port: front.port };
          const before = front.seen.length;
          let outcome: unknown;
          try {
            const connection = await BrokerConnection.open(address, settings, runtime);
            const { brokers } = await connection.send(metadataRequest([]));
            assertEquals(brokers.length, 1);
            connection.close();
            outcome = front.seen.at(-1);
          } catch (error) {
            outcome = error;
          }
          if (typeof expected === "string") return assertEquals(outcome, expected);
          assert(!front.seen.slice(before).includes("client"), "one that isn't trusted has got our certificate");
          assertInstanceOf(outcome, FatalError);
          assert(expected.test(outcome.message), outcome.message);
          assert(!outcome.message.includes(PASSWORD) && !outcome.message.includes("secret)"), outcome.message);
          assertStringIncludes(outcome.message, "kafka.ssl");
        });
      }
      front.stop();
    } finally {
      cluster.stop();
      await Deno.remove(directory, { recursive: true });
    }
  },
});
