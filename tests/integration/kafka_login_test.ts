import { assertEquals, assertInstanceOf, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { FatalError, RetriableError } from "../../src/runtime/errors.ts";
import { BrokerConnection } from "../../src/source/kafka/network/connection.ts";
import { type KafkaConfig, kafkaOptions } from "../../src/source/kafka/options.ts";
import { ApiKey } from "../../src/source/kafka/protocol/api.ts";
import { metadataRequest } from "../../src/source/kafka/protocol/metadata.ts";
import { oauthTokens } from "../../src/source/kafka/network/oauth_token.ts";
import { saslSettings } from "../../src/source/kafka/network/sasl.ts";
import { defaultConfig } from "../support/default_config.ts";
import { FakeKafka, type FakeKafkaOptions } from "../support/kafka_broker.ts";
import { testRuntime } from "../support/stored_object.ts";

type Open = (fields: Partial<KafkaConfig>) => Promise<BrokerConnection>;

function loginTest(name: string, options: FakeKafkaOptions, run: (cluster: FakeKafka, open: Open) => Promise<void>) {
  const fn = async () => {
    const cluster = new FakeKafka(options), opened: BrokerConnection[] = [];
    const open: Open = async (fields) => {
      const config = defaultConfig(kafkaOptions, { securityProtocol: "SASL_PLAINTEXT", ...fields });
      const runtime = testRuntime();
      const settings = {
        ...{ clientId: "me", connectionTimeoutMs: 60_000, requestTimeoutMs: 60_000, tls: () => Promise.resolve(null) },
        sasl: saslSettings(config, runtime),
      };
      const address = { host: "127.0.0.1", port: cluster.brokers[0].port };
      const connection = await BrokerConnection.open(address, settings, runtime);
      opened.push(connection);
      return connection;
    };
    try {
      await run(cluster, open);
    } finally {
      for (const connection of opened) connection.close();
      cluster.stop();
    }
  };
  Deno.test({ name: `kafka login: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(() => undefined, (error) => error);
  assertInstanceOf(error, Error);
  return error;
}

/** A token endpoint with these answers, the last one again and again. */
function startEndpoint(answers: readonly (readonly [status: number, body: string])[]) {
  const asked: { authorization: string | null; body: string }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const [status, body] = answers[Math.min(asked.length, answers.length - 1)];
    asked.push({ authorization: request.headers.get("authorization"), body: await request.text() });
    return new Response(body, { status, headers: status === 302 ? { location: "http://localhost:1/" } : {} });
  });
  return { url: `http://127.0.0.1:${server.addr.port}/token`, asked, stop: () => server.shutdown() };
}

const BEARER = { saslMechanism: "OAUTHBEARER" } as const;
const CLIENT = { oauthClientId: "me & you", oauthClientSecret: "hush-hush", oauthScope: "events" };

loginTest("the token of a file is taken, and one that the broker refuses is no success", {
  tokens: ["good"],
}, async (cluster, open) => {
  const directory = await Deno.makeTempDir({ prefix: "kafka-token-" });
  const oauthTokenFile = join(directory, "token");
  try {
    await Deno.writeTextFile(oauthTokenFile, "good\n");
    const connection = await open({ ...BEARER, oauthTokenFile });
    assertEquals((await connection.send(metadataRequest([]))).brokers.length, 1);
    const cases: readonly [contents: string | null, message: RegExp][] = [
      ["bad", /refused the login \(SASL OAUTHBEARER: .*\{"status":"invalid_token"\}\): look at .*oauthbearer/],
      [" \n", /token, which kafka.sasl.oauthbearer.token.file names, is empty/],
      [null, /Cannot read .*token, which kafka.sasl.oauthbearer.token.file names/],
    ];
    for (const [contents, message] of cases) {
      if (contents === null) await Deno.remove(oauthTokenFile);
      else await Deno.writeTextFile(oauthTokenFile, contents);
      const error = await errorOf(open({ ...BEARER, oauthTokenFile }));
      assertInstanceOf(error, FatalError);
      assertMatch(error.message, message);
    }
    assertEquals(cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.Metadata).length, 1);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

loginTest("a token endpoint is asked for the client's credentials", { tokens: ["good"] }, async (_, open) => {
  const endpoint = startEndpoint([[200, '{"access_token":"good","token_type":"Bearer","expires_in":"soon"}']]);
  try {
    await open({ ...BEARER, ...CLIENT, oauthTokenEndpoint: endpoint.url });
    assertEquals(endpoint.asked, [{
      authorization: `Basic ${btoa("me%20%26%20you:hush-hush")}`,
      body: "grant_type=client_credentials&scope=events",
    }]);
  } finally {
    await endpoint.stop();
  }
});

loginTest("what goes with the token goes with it", {
  tokens: ["good\x01logicalCluster=lkc-1\x01identityPoolId=a b"],
}, async (_, open) => {
  const endpoint = startEndpoint([[200, '{"access_token":"good"}']]);
  try {
    const fields = { ...BEARER, oauthTokenEndpoint: endpoint.url };
    await open({ ...fields, oauthExtensions: ["logicalCluster=lkc-1", "identityPoolId=a b"] });
    assertInstanceOf(await errorOf(open(fields)), FatalError);
  } finally {
    await endpoint.stop();
  }
});

loginTest("connections share a token until it is about to end", {}, async () => {
  for (const [expiresIn, asked] of [["3600", 1], ["10", 3]] as const) {
    const endpoint = startEndpoint([[200, `{"access_token":"good","expires_in":${expiresIn}}`]]);
    try {
      const fields = { ...BEARER, oauthTokenEndpoint: endpoint.url };
      const tokens = oauthTokens(defaultConfig(kafkaOptions, fields), testRuntime());
      await Promise.all([tokens(), tokens()]);
      await tokens();
      await tokens();
      assertEquals(endpoint.asked.length, asked);
    } finally {
      await endpoint.stop();
    }
  }
});

loginTest("what a token endpoint refuses is said, without secrets", {}, async (_, open) => {
  const cases: readonly [status: number, body: string, kind: typeof FatalError | typeof RetriableError, RegExp][] = [
    [
      401,
      '{"error":"invalid_client","hint":"hush-hush"}',
      FatalError,
      /answered 401 \(invalid_client\): look at kafka/,
    ],
    [302, "", FatalError, /token gives us no token, it answered 302: look at/],
    [404, "<html>hush-hush", FatalError, /token gives us no token, it answered 404: look at/],
    [429, "", RetriableError, /token answered 429$/],
    [503, '{"error":"hush hush"}', RetriableError, /token answered 503$/],
    [200, '{"access_token":"hush-hush"', FatalError, /answered without an access_token/],
    [200, "[]", FatalError, /answered without an access_token/],
  ];
  for (const [status, body, kind, message] of cases) {
    const endpoint = startEndpoint([[status, body]]);
    try {
      const error = await errorOf(open({ ...BEARER, ...CLIENT, oauthTokenEndpoint: endpoint.url }));
      assertInstanceOf(error, kind);
      assertMatch(error.message, message);
      assertEquals(/hush.hush/.test(error.message), false);
    } finally {
      await endpoint.stop();
    }
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close(); // nobody listens there now
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const error = await errorOf(open({ ...BEARER, oauthTokenEndpoint: `http://me:hush-hush@${address}` }));
  assertInstanceOf(error, RetriableError);
  assertStringIncludes(error.message, `OAuth token endpoint http://***@${address} can't be reached`);
  assertEquals(error.message.includes("hush-hush"), false);
});

const ALICE = { saslUsername: "alice", saslPassword: "wonderland" };

loginTest("a broker that goes away in the middle of it has refused nothing", {
  users: { alice: "wonderland" },
}, async (cluster, open) => {
  for (const key of [ApiKey.SaslHandshake, ApiKey.SaslAuthenticate]) {
    cluster.fault = ({ apiKey }) => apiKey === key ? "hang up" : undefined;
    assertInstanceOf(await errorOf(open(ALICE)), RetriableError);
  }
  cluster.fault = () => undefined;
  await open(ALICE);
});

loginTest("it is done again before it ends, and a refusal then is the next connection's to judge", {
  users: { alice: "wonderland" },
  sessionLifetimeMs: 1,
}, async (cluster, open) => {
  const connection = await open(ALICE);
  await connection.send(metadataRequest([]));
  await connection.send(metadataRequest([]));
  assertEquals(cluster.requests.filter(({ apiKey }) => apiKey === ApiKey.SaslAuthenticate).length, 3);
  cluster.login = { ...cluster.login, users: {} };
  assertInstanceOf(await errorOf(connection.send(metadataRequest([]))), RetriableError);
  assertEquals(connection.alive, false);
  assertInstanceOf(await errorOf(open(ALICE)), FatalError);
});

loginTest("a port that wants another kafka.security.protocol is said to be one", { users: {} }, async (_, open) => {
  const connection = await open({ securityProtocol: "PLAINTEXT" });
  const error = await errorOf(connection.send(metadataRequest([])));
  assertInstanceOf(error, RetriableError);
  assertStringIncludes(error.message, "kafka.security.protocol");
});

loginTest("a port of something else is said to be one", {}, async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const answered = listener.accept().then(async (peer) => {
      await peer.read(new Uint8Array(1024));
      await peer.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      return peer;
    });
    const { port } = listener.addr as Deno.NetAddr;
    const settings = {
      ...{ clientId: "me", connectionTimeoutMs: 60_000, requestTimeoutMs: 60_000, tls: () => Promise.resolve(null) },
      sasl: null,
    };
    const error = await errorOf(BrokerConnection.open({ host: "127.0.0.1", port }, settings, testRuntime()));
    (await answered).close();
    assertInstanceOf(error, RetriableError);
    assertMatch(error.message, /this is no Kafka broker's \(if it goes on: kafka.security.protocol may not be/);
  } finally {
    listener.close();
  }
});
