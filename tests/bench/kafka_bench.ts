/**
 * From a local broker to files or S3, beside a plain collector in one isolate, in the same run:
 *
 *     deno task bench:kafka [--set KEY=VALUE]... [--small N] [--large N] [--huge N] [--memory 300MB] [--rounds N] [--variants gzip:6,gzip:6:s3,gzip:3,zstd:3]
 *
 * Every side has a process of its own; the broker measures, from a group's first fetch to the commit of its last record.
 * `ratio` is by the plain collector with gzip at level 6. The best of the rounds counts; peak is the resident memory.
 * `source only` reads and commits, and drops the records. `stages` are seconds of all workers together, `wall` is what
 * the rest waits for: the longest stage while the workers are busy, else the source when it takes about as long alone,
 * else the broker, the target or the commits.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PARTITIONS = 6;

interface Broker extends AsyncDisposable {
  readonly port: number;
  readonly s3Port: number;
  readonly byteLength: number;
  /** ms from the group's first fetch to its last commit. */
  took(groupId: string): Promise<number>;
}

interface Side {
  readonly ms: number;
  readonly peakByteLength: number;
  readonly cpuMs: number;
  /** What the workers did; null for what has no workers. */
  readonly work: Work | null;
}

interface Work {
  /** Seconds by stage. */
  readonly stages: Readonly<Record<string, number>>;
  readonly workers: number;
}

/** Of the time that there was: from here on something is what the rest waits for. */
const WALL_SHARE = 0.75;

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function script(name: string, args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--config", join(ROOT, "tests/deno.json"), join(ROOT, name), ...args],
    cwd: ROOT,
    env: { KAFKAJS_NO_PARTITIONER_WARNING: "1", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
}

async function startBroker(rows: number, size: KafkaBenchOptions["size"]): Promise<Broker> {
  const child = script("tests/support/kafka_bench_broker.ts", [String(rows), size, String(PARTITIONS)]).spawn();
  const output = lines(child.stdout);
  const ready = JSON.parse((await output.next()).value as string) as Pick<Broker, "port" | "s3Port" | "byteLength">;
  return {
    ...ready,
    async took(groupId) {
      for await (const line of { [Symbol.asyncIterator]: () => ({ next: () => output.next() }) }) {
        const done = JSON.parse(line) as { groupId: string; ms: number };
        if (done.groupId === groupId) return done.ms;
      }
      throw new Error("the broker has ended");
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await output.return(undefined);
    },
  };
}

/** Peak resident memory and CPU time of a process that is still there. */
async function usageOf(pid: number): Promise<{ peakByteLength: number; cpuMs: number }> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const [user, system] = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(") ")[1].split(" ").slice(11, 13);
  return {
    peakByteLength: 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? NaN),
    cpuMs: 10 * (Number(user) + Number(system)),
  };
}

/** `reports`: it says at its end what its stages took. */
async function measure(
  broker: Broker,
  groupId: string,
  command: Deno.Command,
  { reports = false }: { reports?: boolean } = {},
): Promise<Side> {
  const child = command.spawn();
  const printed = lastLine(child.stdout);
  const ended = child.status.then(({ code }) => {
    throw new Error(`the collector of ${groupId} ended with ${code}`);
  });
  try {
    const ms = await Promise.race([broker.took(groupId), ended]);
    const usage = await usageOf(child.pid);
    if (!reports) return { ms, ...usage, work: null };
    ended.catch(() => {});
    child.kill("SIGTERM");
    return { ms, ...usage, work: JSON.parse(await printed) as Work };
  } finally {
    let gone = false;
    ended.catch(() => gone = true);
    await Promise.resolve();
    if (!gone) child.kill("SIGKILL");
    await child.status;
    await printed;
  }
}

/** The last line that the process printed, once it has ended. */
async function lastLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let last = "";
  for await (const line of lines(stream)) last = line;
  return last;
}

function s3Settings({ s3Port }: Broker): Record<string, string> {
  return {
    "target": "s3",
    "target.aws.s3-endpoint": `http://127.0.0.1:${s3Port}`,
    "target.aws.s3-bucket": "bench",
    "target.aws.region": "us-east-1",
    "target.access-key": "bench",
    "target.secret-access-key": "bench",
  };
}

/** `variant` is compression:level, and :s3 when it doesn't go to files. */
function ours(
  broker: Broker,
  groupId: string,
  { variant, memory, sets, directory }: Pick<KafkaBenchOptions, "memory" | "sets"> & {
    variant: string;
    directory: string;
  },
): Deno.Command {
  const [compression, level, target] = variant.split(":");
  const config: Record<string, string> = {
    "stream.source": "kafka",
    ...(target === "s3" ? s3Settings(broker) : { "target": "file", "target.file.directory": directory }),
    "kafka.nodes": `127.0.0.1:${broker.port}`,
    "kafka.topic": "events",
    "kafka.group.id": groupId,
    "kafka.client.id": groupId,
    "kafka.offset": "earliest",
    "source.data-format": "JSON",
    "source.data-format.json.layout": "RAKAM",
    "stream.max-flush-duration": "500ms",
    "middleware.max-flush-duration": "500ms",
    "target.compression": compression,
    "target.compression.level": level,
    "memory.limit": memory,
    "source.max-record-size": "16MB",
  };
  const settings = Object.entries(config).map(([key, value]) => `${key}=${value}`);
  return script("tests/support/kafka_bench_collector.ts", [...settings, ...sets]);
}

async function best(rounds: number, run: (round: number) => Promise<Side>): Promise<Side> {
  let fastest: Side | null = null;
  for (let round = 0; round < rounds; round++) {
    const side = await run(round);
    if (fastest === null || side.ms < fastest.ms) fastest = side;
  }
  return fastest!;
}

export interface KafkaBenchOptions {
  readonly rows: number;
  /** "huge" ones have 10 MB each. */
  readonly size: "small" | "large" | "huge";
  readonly rounds: number;
  readonly variants: readonly string[];
  /** For memory.limit. */
  readonly memory: string;
  /** More of our config, KEY=VALUE. */
  readonly sets: readonly string[];
}

export interface KafkaBenchResult {
  readonly name: string;
  readonly rowsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly peakMegabytes: number;
  /** Of all threads, from the start of the process. */
  readonly cpuSeconds: number;
  readonly ratio: number;
  /** Seconds of all workers together, and what the rest waits for. Absent where there are no workers. */
  readonly stages?: Readonly<Record<string, number>>;
  readonly wall?: string;
}

/** The plain collector first, then each of our variants. */
export async function benchKafka(
  { rows, size, rounds, variants, memory, sets }: KafkaBenchOptions,
): Promise<KafkaBenchResult[]> {
  await using broker = await startBroker(rows, size);
  const work = await Deno.makeTempDir({ prefix: "kafka-bench-" });
  try {
    const plain = await best(rounds, (round) => {
      const groupId = `plain-${round}`;
      const args = [String(broker.port), groupId, join(work, groupId), "6"];
      return measure(broker, groupId, script("tests/support/kafka_bench_plain.ts", args));
    });
    const source = await best(rounds, (round) => {
      const groupId = `source-${round}`;
      return measure(broker, groupId, script("tests/support/kafka_bench_source.ts", [String(broker.port), groupId]));
    });
    const results = [
      resultOf("plain gzip:6", plain, plain, { rows, broker }),
      resultOf("source only", source, plain, { rows, broker }),
    ];
    for (const [i, variant] of variants.entries()) {
      const side = await best(rounds, (round) => {
        const groupId = `ours-${i}-${variant.replaceAll(":", "-")}-${round}`;
        return measure(
          broker,
          groupId,
          ours(broker, groupId, { variant, memory, sets, directory: join(work, groupId) }),
          {
            reports: true,
          },
        );
      });
      const result = resultOf(`collector ${variant}`, side, plain, { rows, broker });
      results.push({ ...result, stages: roundAll(side.work!.stages), wall: wallOf(side, source.ms) });
    }
    return results;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function resultOf(
  name: string,
  { ms, peakByteLength, cpuMs }: Side,
  plain: Side,
  { rows, broker }: { rows: number; broker: Broker },
): KafkaBenchResult {
  return {
    name,
    rowsPerSecond: Math.round(rows / ms * 1000),
    megabytesPerSecond: Math.round(broker.byteLength / ms / 100) / 10,
    peakMegabytes: Math.round(peakByteLength / 1e6),
    cpuSeconds: Math.round(cpuMs / 10) / 100,
    ratio: Math.round(plain.ms / ms * 100) / 100,
  };
}

function roundAll(seconds: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(seconds).map(([stage, value]) => [stage, Math.round(value * 100) / 100]));
}

function wallOf({ ms, work }: Side, sourceMs: number): string {
  const { stages, workers } = work!;
  const byTime = Object.entries(stages).sort(([, a], [, b]) => b - a);
  const busyMs = 1000 * byTime.reduce((sum, [, seconds]) => sum + seconds, 0);
  if (busyMs > WALL_SHARE * ms * Math.max(1, workers)) return byTime[0][0];
  return sourceMs > WALL_SHARE * ms ? "source" : "waiting";
}

if (import.meta.main) {
  const { values } = parseArgs({
    // `deno task bench:kafka -- --small 1000` hands the "--" on.
    args: Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args,
    options: {
      small: { type: "string", default: "1500000" },
      large: { type: "string", default: "400000" },
      huge: { type: "string", default: "0" },
      memory: { type: "string", default: "300MB" },
      set: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "1" },
      variants: { type: "string", default: "gzip:6,gzip:6:s3,gzip:3,zstd:3" },
    },
  });
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  for (const size of ["small", "large", "huge"] as const) {
    const rows = Number(values[size]);
    if (rows === 0) continue;
    const { memory, set: sets } = values;
    const options = { rows, size, memory, sets, rounds: Number(values.rounds), variants: values.variants.split(",") };
    for (const result of await benchKafka(options)) print(JSON.stringify({ size, rows, ...result }));
  }
}
