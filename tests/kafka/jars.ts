/** Apache Kafka's jars, by Maven, kept between runs. */
import { join } from "node:path";

const VERSION = Deno.env.get("KAFKA_VERSION") ?? "4.1.0";

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>collector</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${VERSION}</version></dependency>
</dependencies></project>
`;

async function has(command: string, args: readonly string[]): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, { args: [...args], stdout: "null", stderr: "null" }).output();
    return success;
  } catch {
    return false;
  }
}

async function isFilled(directory: string): Promise<boolean> {
  try {
    for await (const { name } of Deno.readDir(directory)) if (name.startsWith("kafka-tools")) return true;
  } catch {
    // Not there.
  }
  return false;
}

/**
 * The directory with the jars. KAFKA_JARS names one; else they are downloaded once, to the cache directory.
 *
 * @throws Error saying what is missing and what to do.
 */
export async function kafkaJars(): Promise<string> {
  const missing: string[] = [];
  if (!await has("java", ["-version"])) missing.push("java (17 or later)");
  const given = Deno.env.get("KAFKA_JARS");
  if (given === undefined && !await has("mvn", ["-v"])) missing.push("mvn, or KAFKA_JARS with a directory of the jars");
  if (missing.length > 0) throw new Error(`The tests against Apache Kafka need ${missing.join(" and ")}`);
  if (given !== undefined) return given;
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  const directory = join(cache, `collector-kafka-${VERSION}`);
  if (await isFilled(directory)) return directory;
  const work = await Deno.makeTempDir({ prefix: "kafka-jars-" });
  try {
    await Deno.writeTextFile(join(work, "pom.xml"), POM);
    const maven = new Deno.Command("mvn", {
      args: ["-q", "-B", "dependency:copy-dependencies", `-DoutputDirectory=${directory}`],
      cwd: work,
    });
    const { success, stdout, stderr } = await maven.output();
    if (!success) {
      const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      throw new Error(
        `Apache Kafka ${VERSION} can't be downloaded by Maven (is its registry reachable?); KAFKA_JARS may name a ` +
          `directory that has its jars:\n${text.slice(-2000)}`,
      );
    }
    return directory;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}
