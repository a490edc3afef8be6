/** A real Apache Kafka in KRaft mode, on 127.0.0.1, in processes of its own that end with it. */
import { join } from "node:path";
import { kafkaJars } from "./jars.ts";

export interface ClusterOptions {
  readonly brokers?: number;
  /** Lines of server.properties that all brokers get. */
  readonly properties?: Readonly<Record<string, string>>;
}

export const USER = { name: "collector", password: "s3cret-word" };
export const STORE_PASSWORD = "changeit";

interface Ports {
  readonly plain: number;
  readonly controller: number;
  readonly sasl: number;
  readonly ssl: number;
  readonly saslSsl: number;
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

async function run(command: string, args: readonly string[], cwd: string, stdin?: string): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  if (stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  }
  const { success, stdout, stderr } = await output;
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${command} ${args.slice(0, 6).join(" ")} failed:\n${text.slice(-3000)}`);
  return text;
}

/** A certificate authority, and a key and certificate for 127.0.0.1 and for the client, all in PEM. */
async function makeCertificates(directory: string): Promise<void> {
  const openssl = (...args: string[]) => run("openssl", args, directory);
  await openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=test ca",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
  );
  await Deno.writeTextFile(join(directory, "san.txt"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  for (const name of ["broker", "client"]) {
    await openssl(
      "req",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
    );
    await openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-extfile",
      "san.txt",
      "-out",
      `${name}.pem`,
    );
  }
  await openssl(
    ...["pkcs8", "-topk8", "-in", "client.key", "-passout", `pass:${USER.password}`, "-out", "client-encrypted.key"],
  );
  const read = (name: string) => Deno.readTextFile(join(directory, name));
  await Deno.writeTextFile(join(directory, "broker-keystore.pem"), await read("broker.key") + await read("broker.pem"));
}

class BrokerProcess {
  readonly id: number;
  readonly ports: Ports;
  readonly #directory: string;
  readonly #jars: string;
  #child: Deno.ChildProcess | null = null;

  constructor(id: number, ports: Ports, directory: string, jars: string) {
    this.id = id;
    this.ports = ports;
    this.#directory = directory;
    this.#jars = jars;
  }

  get #properties(): string {
    return join(this.#directory, `server-${this.id}.properties`);
  }

  async format(text: string, clusterId: string): Promise<void> {
    await Deno.writeTextFile(this.#properties, text);
    const scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) => [
      "--add-scram",
      `${mechanism}=[name=${USER.name},password=${USER.password}]`,
    ]);
    const args = [
      "-Xmx128m",
      "-cp",
      `${this.#jars}/*`,
      "kafka.tools.StorageTool",
      "format",
      "-t",
      clusterId,
      "-c",
      this.#properties,
    ];
    await run("java", [...args, ...scram], this.#directory);
  }

  async start(): Promise<void> {
    this.#child = new Deno.Command("java", {
      args: ["-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-cp", `${this.#jars}/*`, "kafka.Kafka", this.#properties],
      cwd: this.#directory,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await this.#listening();
  }

  async #listening(): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.ports.plain })).close();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
    throw new Error(`broker ${this.id} doesn't listen after a minute`);
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    child.kill(signal);
    await child.status;
  }
}

export class KafkaCluster implements AsyncDisposable {
  readonly directory: string;
  readonly brokers: readonly BrokerProcess[];
  readonly #jars: string;

  private constructor(directory: string, brokers: readonly BrokerProcess[], jars: string) {
    this.directory = directory;
    this.brokers = brokers;
    this.#jars = jars;
  }

  static async start({ brokers: count = 1, properties = {} }: ClusterOptions = {}): Promise<KafkaCluster> {
    const jars = await kafkaJars();
    const directory = await Deno.makeTempDir({ prefix: "kafka-cluster-" });
    await makeCertificates(directory);
    const ports = freePorts(5 * count);
    const brokers = Array.from({ length: count }, (_, i) => {
      const [plain, controller, sasl, ssl, saslSsl] = ports.slice(5 * i, 5 * i + 5);
      return new BrokerProcess(i + 1, { plain, controller, sasl, ssl, saslSsl }, directory, jars);
    });
    const cluster = new KafkaCluster(directory, brokers, jars);
    try {
      const clusterId = "Y29sbGVjdG9yLXRlc3RzMQ";
      await Promise.all(brokers.map((broker) => broker.format(cluster.#propertiesOf(broker, properties), clusterId)));
      await Promise.all(brokers.map((broker) => broker.start()));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  #propertiesOf({ id, ports }: BrokerProcess, extra: Readonly<Record<string, string>>): string {
    const at = (name: string, port: number) => `${name}://127.0.0.1:${port}`;
    const client = [
      at("PLAINTEXT", ports.plain),
      at("SASL_PLAINTEXT", ports.sasl),
      at("SSL", ports.ssl),
      at("SASL_SSL", ports.saslSsl),
    ].join(",");
    const replicas = String(Math.min(3, this.brokers.length));
    const login = `username="${USER.name}" password="${USER.password}"`;
    const plain =
      `org.apache.kafka.common.security.plain.PlainLoginModule required ${login} user_${USER.name}="${USER.password}";`;
    const scram = `org.apache.kafka.common.security.scram.ScramLoginModule required;`;
    // Without further settings the brokers take unsigned tokens: good for tests only.
    const bearer =
      `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x";`;
    const jaas: Record<string, string> = {};
    for (const listener of ["sasl_plaintext", "sasl_ssl"]) {
      jaas[`listener.name.${listener}.sasl.enabled.mechanisms`] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER";
      jaas[`listener.name.${listener}.oauthbearer.sasl.jaas.config`] = bearer;
      jaas[`listener.name.${listener}.plain.sasl.jaas.config`] = plain;
      jaas[`listener.name.${listener}.scram-sha-256.sasl.jaas.config`] = scram;
      jaas[`listener.name.${listener}.scram-sha-512.sasl.jaas.config`] = scram;
    }
    const all: Record<string, string> = {
      "process.roles": "broker,controller",
      "node.id": String(id),
      "controller.quorum.voters": this.brokers.map((one) => `${one.id}@127.0.0.1:${one.ports.controller}`).join(","),
      "controller.listener.names": "CONTROLLER",
      "listeners": `${client},${at("CONTROLLER", ports.controller)}`,
      "advertised.listeners": client,
      "listener.security.protocol.map":
        "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
      "log.dirs": join(this.directory, `log-${id}`),
      "offsets.topic.replication.factor": replicas,
      "offsets.topic.num.partitions": "4",
      "transaction.state.log.replication.factor": replicas,
      "transaction.state.log.min.isr": "1",
      "transaction.state.log.num.partitions": "4",
      "default.replication.factor": replicas,
      "group.initial.rebalance.delay.ms": "0",
      "auto.create.topics.enable": "false",
      "message.max.bytes": "20000000",
      "log.retention.check.interval.ms": "1000",
      "log.initial.task.delay.ms": "500",
      "log.cleaner.backoff.ms": "300",
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": join(this.directory, "broker-keystore.pem"),
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": join(this.directory, "ca.pem"),
      "ssl.client.auth": "requested",
      ...jaas,
      ...extra,
    };
    return Object.entries(all).map(([key, value]) => `${key}=${value}\n`).join("");
  }

  /** For kafka.nodes. */
  nodes(listener: Exclude<keyof Ports, "controller"> = "plain"): string {
    return this.brokers.map(({ ports }) => `127.0.0.1:${ports[listener]}`).join(",");
  }

  /** A program of Kafka's own. */
  tool(name: string, args: readonly string[], stdin?: string): Promise<string> {
    const java = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", `${this.#jars}/*`, name];
    return run("java", [...java, ...args], this.directory, stdin);
  }

  createTopic(topic: string, partitions: number, config: Readonly<Record<string, string>> = {}): Promise<string> {
    return this.tool("org.apache.kafka.tools.TopicCommand", [
      ...["--bootstrap-server", this.nodes(), "--create", "--topic", topic, "--partitions", String(partitions)],
      ...Object.entries(config).flatMap(([key, value]) => ["--config", `${key}=${value}`]),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop("SIGKILL")));
    await Deno.remove(this.directory, { recursive: true });
  }
}
