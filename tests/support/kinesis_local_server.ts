import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("kinesis_local.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../deno.json", import.meta.url));

/** Starts kinesis-local in a process of its own, and says where it listens. */
export async function startKinesisLocal(): Promise<{ url: string; stop(): Promise<void> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--config", CONFIG, SCRIPT],
    env: {
      CREATE_STREAM_DURATION: "20ms",
      REGISTER_STREAM_CONSUMER_DURATION: "20ms",
      SPLIT_SHARD_DURATION: "20ms",
      MERGE_SHARDS_DURATION: "20ms",
      SHARD_LIMIT: "1000",
      LOG_LEVEL: "ERROR",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!/PORT \d+\n/.test(said)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`kinesis-local ended: ${said}`);
    said += value;
  }
  const port = /PORT (\d+)\n/.exec(said)![1];
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}
