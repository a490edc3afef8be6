/** The keys of the Kafka source, with the names and defaults that deployments already use. */

import { type ConfigOf, option } from "../../config/option.ts";
import type { ConfigProblem } from "../../runtime/errors.ts";
import { checkTopicName, parseTopics } from "./fetch/topics.ts";

function checkNode(node: string): void {
  const match = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(node);
  const port = Number(match?.[1] ?? 1);
  if (match === null || port < 1 || port > 65535) {
    throw new RangeError(`"${node}" is no broker: write host or host:port, without a protocol`);
  }
}

function checkEndpoint(text: string): void {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? "")) {
    throw new RangeError("must be an address like https://login.example.com/oauth2/token");
  }
}

/** RFC 7628 section 3.1; "auth" is the token's own name. */
function checkExtension(text: string): void {
  if (!/^(?!auth=)[A-Za-z]+=[\x20-\x7e]+$/.test(text)) {
    throw new RangeError(`"${text}" is no extension: write name=value, the name in letters`);
  }
}

export const kafkaOptions = {
  nodes: option.list("kafka.nodes", {
    exact: true,
    required: true,
    check: checkNode,
    doc: "Brokers to ask for the cluster, each host or host:port. The default port is 9092.",
  }),
  topic: option.string("kafka.topic", {
    exact: true,
    required: true,
    check: parseTopics,
    doc:
      "The topic to read: a name, several names separated by commas, or a regular expression that whole names match.",
  }),
  offset: option.enumeration("kafka.offset", ["earliest", "latest"], {
    default: "latest",
    doc: "Where a group that has committed nothing yet starts in a partition.",
  }),
  groupId: option.string("kafka.group.id", {
    default: "presto_streaming",
    doc: "The consumer group. Collectors of the same group share the partitions.",
  }),
  sessionTimeoutMs: option.integer("kafka.session.timeout.ms", {
    default: "12000",
    min: 1000,
    max: 3_600_000,
    doc: "A member that isn't heard of for this many milliseconds loses its partitions. Heartbeats go every second.",
  }),
  requestTimeoutMs: option.integer("kafka.request.timeout.ms", {
    default: "15000",
    min: 100,
    max: 3_600_000,
    doc: "Milliseconds that a broker has for an answer.",
  }),
  maxPollRecords: option.integer("max.poll.records", {
    default: "300000",
    min: 1,
    doc: "The most records to take over at once.",
  }),
  clientId: option.string("kafka.client.id", {
    default: "collector",
    doc: "What we call ourselves to the brokers: it stands in their logs, metrics and quotas.",
  }),
  rack: option.string("kafka.client.rack", {
    whenUnset: "read from the partitions' leaders",
    doc: "Our rack or availability zone. Brokers that allow it let us read from a replica in it.",
  }),
  groupInstanceId: option.string("kafka.group.instance.id", {
    whenUnset: "a dynamic member, which leaves the group when it stops",
    doc: "A name that stays the same over restarts, different for each collector. With it a restart within " +
      "kafka.session.timeout.ms moves no partitions.",
  }),
  assignmentStrategy: option.enumeration(
    "kafka.partition.assignment.strategy",
    ["range", "roundrobin", "cooperative-sticky"],
    {
      default: "range",
      doc:
        "How the group shares the partitions; the same for all members. range and roundrobin understand the members " +
        "of Java clients. With cooperative-sticky only the partitions that move are given up in a rebalance.",
    },
  ),
  rebalanceTimeoutMs: option.duration("kafka.rebalance.timeout", {
    default: "60s",
    min: 1000,
    max: 3_600_000,
    doc: "How long a rebalance waits for us to write and commit what we hold of the partitions that we give up.",
  }),
  outOfRange: option.enumeration("kafka.offset.out-of-range", ["earliest", "latest", "fail"], {
    default: "earliest",
    doc: "Where to go on when the committed offset no longer exists (records expired before they were read, or the " +
      "topic was made anew); fail stops. What was skipped is counted and logged as an error.",
  }),
  isolationLevel: option.enumeration("kafka.isolation.level", ["read_committed", "read_uncommitted"], {
    default: "read_committed",
    doc: "Whether records of transactions that are open or were aborted are left out.",
  }),
  fetchMinByteLength: option.size("kafka.fetch.min-bytes", {
    default: "1B",
    min: 1,
    max: 2 ** 30,
    doc: "A broker answers as soon as it has this much for us.",
  }),
  fetchMaxWaitMs: option.duration("kafka.fetch.max-wait", {
    default: "500ms",
    max: 60_000,
    doc: "Or after this long.",
  }),
  fetchMaxByteLength: option.size("kafka.fetch.max-bytes", {
    default: "16MB",
    min: 1024,
    max: 2 ** 30,
    doc: "The most that one answer of a broker brings (more when a single record batch is larger).",
  }),
  partitionMaxByteLength: option.size("kafka.fetch.partition-max-bytes", {
    default: "1MB",
    min: 1024,
    max: 2 ** 30,
    doc: "The most that one answer brings of a partition (more when a single record batch is larger).",
  }),
  prefetchMaxByteLength: option.size("kafka.prefetch.max-bytes", {
    default: "32MB",
    min: 1024,
    doc: "Fetched and not yet taken over: when this is reached, no more is fetched.",
  }),
  metadataMaxAgeMs: option.duration("kafka.metadata.max-age", {
    default: "30s",
    min: 100,
    max: 3_600_000,
    doc: "How often to look for new topics and partitions.",
  }),
  connectionTimeoutMs: option.duration("kafka.connection.timeout", {
    default: "10s",
    min: 100,
    max: 600_000,
    doc: "How long a connection to a broker may take.",
  }),
  securityProtocol: option.enumeration(
    "kafka.security.protocol",
    ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
    { default: "PLAINTEXT", doc: "Whether connections are encrypted (SSL), and whether there is a login (SASL)." },
  ),
  sslCa: option.string("kafka.ssl.ca", {
    exact: true,
    whenUnset: "the certificate authorities of the system",
    doc: "A PEM file with the certificates that the brokers' are signed by.",
  }),
  sslCertificate: option.string("kafka.ssl.certificate", {
    exact: true,
    whenUnset: "no client certificate",
    doc: "A PEM file with our certificate (and those between it and the authority).",
  }),
  sslKey: option.string("kafka.ssl.key", {
    exact: true,
    whenUnset: "no client certificate",
    doc: "A PEM file with the key of our certificate.",
  }),
  sslKeyPassword: option.string("kafka.ssl.key.password", {
    secret: true,
    whenUnset: "the key isn't encrypted",
    doc: "The password of our key.",
  }),
  sslServerName: option.string("kafka.ssl.server.name", {
    whenUnset: "the broker's own host name",
    doc: "The name that the brokers' certificates must have.",
  }),
  saslMechanism: option.enumeration(
    "kafka.sasl.mechanism",
    ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"],
    { default: "PLAIN", doc: "How to log in, with SASL_PLAINTEXT and SASL_SSL." },
  ),
  saslUsername: option.string("kafka.sasl.username", {
    whenUnset: "no user name",
    doc: "The user of PLAIN and SCRAM.",
  }),
  saslPassword: option.string("kafka.sasl.password", {
    secret: true,
    whenUnset: "no password",
    doc: "The password of PLAIN and SCRAM.",
  }),
  oauthTokenFile: option.string("kafka.sasl.oauthbearer.token.file", {
    exact: true,
    whenUnset: "the token endpoint is asked",
    doc: "A file that holds the bearer token; read again for each login.",
  }),
  oauthTokenEndpoint: option.string("kafka.sasl.oauthbearer.token.endpoint.url", {
    whenUnset: "the token file is read",
    check: checkEndpoint,
    doc: "Where to get bearer tokens for the client's credentials (OAuth 2.0).",
  }),
  oauthClientId: option.string("kafka.sasl.oauthbearer.client.id", {
    whenUnset: "none",
    doc: "The client's name at the token endpoint.",
  }),
  oauthClientSecret: option.string("kafka.sasl.oauthbearer.client.secret", {
    secret: true,
    whenUnset: "none",
    doc: "The client's secret at the token endpoint.",
  }),
  oauthScope: option.string("kafka.sasl.oauthbearer.scope", {
    whenUnset: "the endpoint's own",
    doc: "The scope of the tokens.",
  }),
  oauthExtensions: option.list("kafka.sasl.oauthbearer.extensions", {
    whenUnset: "none",
    check: checkExtension,
    doc:
      "What goes with the token besides, as in logicalCluster=lkc-1,identityPoolId=pool-1, which Confluent Cloud wants.",
  }),
  saslAwsRegion: option.string("kafka.sasl.aws.region", {
    whenUnset: "must be set for AWS_MSK_IAM",
    doc: "The region of the cluster, for AWS_MSK_IAM. The credentials are the machine's own.",
  }),
  historicalTopic: option.string("kafka.historical-data-topic", {
    exact: true,
    whenUnset: "all records are treated alike",
    check: checkTopicName,
    doc: "The topic to which records go whose event day is out of date (outdated.day.index).",
  }),
  historicalWorker: option.boolean("historical.worker", {
    default: "false",
    doc: "Read kafka.historical-data-topic too, in a loop of its own: a second member of the group, with half of the " +
      "memory and a thread more. Its records are flushed by historical.max-flush-*, the others' by middleware.max-flush-*.",
  }),
  outdatedDayIndex: option.integer("outdated.day.index", {
    default: "1",
    max: 36_500,
    doc: "A record is out of date when its event day (UTC) is before today minus this many days, or after today.",
  }),
  historicalMaxFlushDurationMs: option.duration("historical.max-flush-duration", {
    default: "30m",
    min: 1,
    doc: "With historical.worker, records of kafka.historical-data-topic wait at most this long to be written.",
  }),
  historicalMaxFlushRecords: option.integer("historical.max-flush-records", {
    default: "500000",
    min: 1,
    doc: "They are also written after this many.",
  }),
} as const;

export type KafkaConfig = ConfigOf<typeof kafkaOptions>;

/** Without encryption, or a login, they would be left out without a word. */
const TLS_FIELDS = ["sslCa", "sslCertificate", "sslKey", "sslServerName"] as const;
const LOGIN_FIELDS = ["saslUsername", "saslPassword", "oauthTokenFile", "oauthTokenEndpoint", "saslAwsRegion"] as const;

function problem(key: string, message: string): ConfigProblem {
  return { key, message };
}

function* saslProblems(config: KafkaConfig): Generator<ConfigProblem> {
  const { saslMechanism } = config;
  if (saslMechanism === "OAUTHBEARER") {
    if ((config.oauthTokenFile === undefined) === (config.oauthTokenEndpoint === undefined)) {
      const key = kafkaOptions.oauthTokenFile.key;
      yield problem(key, `set either this or ${kafkaOptions.oauthTokenEndpoint.key} for OAUTHBEARER`);
    }
  } else if (saslMechanism === "AWS_MSK_IAM") {
    if (config.saslAwsRegion === undefined) {
      yield problem(kafkaOptions.saslAwsRegion.key, "must be set for AWS_MSK_IAM, as in eu-west-1");
    }
  } else {
    for (const option of [kafkaOptions.saslUsername, kafkaOptions.saslPassword]) {
      const value = option === kafkaOptions.saslUsername ? config.saslUsername : config.saslPassword;
      if (value === undefined) yield problem(option.key, `must be set for ${saslMechanism}`);
    }
  }
}

/** What no key is wrong in by itself. */
export function kafkaConfigProblems(config: KafkaConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  if (config.securityProtocol.startsWith("SASL")) problems.push(...saslProblems(config));
  if ((config.sslCertificate === undefined) !== (config.sslKey === undefined)) {
    const missing = config.sslKey === undefined ? kafkaOptions.sslKey.key : kafkaOptions.sslCertificate.key;
    problems.push(problem(missing, "must be set too: a certificate and its key belong together"));
  }
  const isSet = (field: keyof KafkaConfig) => config[field] !== undefined;
  const tls = TLS_FIELDS.find(isSet), login = LOGIN_FIELDS.find(isSet);
  const needs = (protocols: string, field: keyof KafkaConfig) => {
    const message = `must be ${protocols}, since ${kafkaOptions[field].key} is set`;
    problems.push(problem(kafkaOptions.securityProtocol.key, message));
  };
  if (tls !== undefined && !config.securityProtocol.endsWith("SSL")) needs("SSL or SASL_SSL", tls);
  if (login !== undefined && !config.securityProtocol.startsWith("SASL")) needs("SASL_SSL or SASL_PLAINTEXT", login);
  if (config.historicalWorker && config.historicalTopic === undefined) {
    problems.push(problem(kafkaOptions.historicalTopic.key, "must be set, since historical.worker=true"));
  }
  return problems;
}
