import { assertEquals, assertThrows } from "@std/assert";
import { parseNode } from "../../../../src/source/kafka/network/connect.ts";
import { signMskToken } from "../../../../src/source/kafka/network/msk_iam.ts";
import { type KafkaConfig, kafkaConfigProblems, kafkaOptions } from "../../../../src/source/kafka/options.ts";
import { parseTopics, selectTopics } from "../../../../src/source/kafka/fetch/topics.ts";
import { defaultConfig } from "../../../support/default_config.ts";

Deno.test("parseTopics() tells names from patterns", () => {
  const cluster = ["a", "a.b", "axb", "shop.orders", "shop.users"];
  for (
    const [text, chosen] of [
      ["a", ["a"]],
      ["a.b", ["a.b"]],
      ["a, a.b,a", ["a", "a.b"]],
      ["missing", ["missing"]],
      ["shop\\..*", ["shop.orders", "shop.users"]],
      ["a.?b", ["a.b", "axb"]],
      ["a|axb", ["a", "axb"]],
      ["sh", ["sh"]],
      ["(sh)", []],
      ["(?i)SHOP\\.(orders|USERS)", ["shop.orders", "shop.users"]],
      ["\\Qa.b\\E|\\Qshop.\\E.*", ["a.b", "shop.orders", "shop.users"]],
      ["\\Qa.b", ["a.b"]],
      ["[,a]|a\\Wb{1,2}", ["a", "a.b"]],
    ] as const
  ) {
    assertEquals(selectTopics(parseTopics(text), cluster), [...chosen], text);
  }
  assertThrows(() => parseTopics("("), RangeError, "neither topic names nor a regular expression");
  // What can never match isn't waited for.
  for (const text of ["a.*,", "a.*,b.*", "a b.*", ",", "shop\\.orders, shop\\.users", `${"x".repeat(250)}, y`]) {
    assertThrows(() => parseTopics(text), RangeError, "write | between patterns, commas between names only");
  }
  for (const [text, escape] of [["\\p{Alpha}+", "\\p"], ["\\Aa\\z", "\\A"], ["a\\\\\\h", "\\h"]]) {
    assertThrows(() => parseTopics(text), RangeError, `JavaScript's regular expressions have no ${escape}`);
  }
});

Deno.test("parseNode() fills in the port", () => {
  assertEquals(parseNode("kafka-1"), { host: "kafka-1", port: 9092 });
  assertEquals(parseNode("10.0.0.1:9093"), { host: "10.0.0.1", port: 9093 });
  assertEquals(parseNode("[::1]:9094"), { host: "::1", port: 9094 });
  assertEquals(parseNode("[fe80::2]"), { host: "fe80::2", port: 9092 });
});

Deno.test("kafkaConfigProblems() names the keys that don't go together", () => {
  const keys = (fields: Partial<KafkaConfig>) =>
    kafkaConfigProblems(defaultConfig(kafkaOptions, { nodes: ["a"], topic: "t", ...fields })).map(({ key }) => key);
  assertEquals(keys({}), []);
  assertEquals(keys({ securityProtocol: "SASL_SSL" }), ["kafka.sasl.username", "kafka.sasl.password"]);
  assertEquals(keys({ securityProtocol: "SASL_SSL", saslUsername: "a", saslPassword: "b" }), []);
  assertEquals(keys({ securityProtocol: "SASL_SSL", saslMechanism: "AWS_MSK_IAM" }), ["kafka.sasl.aws.region"]);
  assertEquals(keys({ securityProtocol: "SASL_SSL", saslMechanism: "OAUTHBEARER" }), [
    "kafka.sasl.oauthbearer.token.file",
  ]);
  assertEquals(keys({ securityProtocol: "SSL", sslCertificate: "c.pem" }), ["kafka.ssl.key"]);
  for (
    const fields of [
      { sslCa: "ca.pem" },
      { sslServerName: "kafka", securityProtocol: "SASL_PLAINTEXT", saslUsername: "a", saslPassword: "b" },
      { saslUsername: "me" },
      { saslPassword: "secret", securityProtocol: "SSL" },
      { oauthTokenFile: "token" },
      { oauthTokenEndpoint: "https://login" },
      { saslAwsRegion: "eu-west-1" },
    ] as const
  ) assertEquals(keys(fields), ["kafka.security.protocol"], JSON.stringify(fields));
  const { oauthTokenEndpoint, historicalTopic, oauthExtensions } = kafkaOptions;
  assertEquals(oauthExtensions.parse("logicalCluster=lkc-1, pool=a=b"), ["logicalCluster=lkc-1", "pool=a=b"]);
  for (const text of ["auth=Bearer x", "pool", "pool=", "a b=c", "é=c", "pool=\x01auth=x"]) {
    assertThrows(() => oauthExtensions.parse(text), RangeError, "is no extension: write name=value");
  }
  historicalTopic.parse("events.late");
  for (const text of ["late,later", "la.*te", "x".repeat(250)]) {
    assertThrows(() => historicalTopic.parse(text), RangeError, "must be the name of one topic");
  }
  oauthTokenEndpoint.parse("https://login.example.com/token");
  for (const text of ["login", "ftp://login", "login.example.com/token"]) {
    assertThrows(() => oauthTokenEndpoint.parse(text), RangeError, "must be an address like https://");
  }
  assertEquals(keys({ historicalWorker: true }), ["kafka.historical-data-topic"]);
});

Deno.test("signMskToken() signs as AWS' own signer does", () => {
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
  const token = signMskToken(
    "eu-west-1",
    { ...credentials, sessionToken: "a/b+c=" },
    Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  );
  const url = new URL(atob(token.replaceAll("-", "+").replaceAll("_", "/")));
  assertEquals(url.host, "kafka.eu-west-1.amazonaws.com");
  assertEquals(Object.fromEntries([...url.searchParams].filter(([name]) => name !== "X-Amz-Signature")), {
    "Action": "kafka-cluster:Connect",
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": "AKIDEXAMPLE/20260102/eu-west-1/kafka-cluster/aws4_request",
    "X-Amz-Date": "20260102T030405Z",
    "X-Amz-Expires": "900",
    "X-Amz-Security-Token": "a/b+c=",
    "X-Amz-SignedHeaders": "host",
    "User-Agent": "collector",
  });
  // What aws-msk-iam-sasl-signer-js 1.0.3 gives for the same credentials and time.
  const signature = "0e8e15593e45b7978d338c64b66e5d5c170d7caaf1988536612db90382ac75f4";
  assertEquals(url.searchParams.get("X-Amz-Signature"), signature);
});
