/**
 * The collector as the program runs it; when it is told to end, it prints what its stages took.
 *
 *     deno run -A --config tests/deno.json tests/support/kafka_bench_collector.ts KEY=VALUE...
 */
import { assemble } from "../../src/assemble.ts";
import { byLabel } from "../../src/cli/progress.ts";
import { resolveConfig } from "../../src/config/resolve.ts";
import { REGISTRY } from "../../src/registry.ts";
import { SystemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { thisMachine } from "../../src/runtime/machine.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SystemRandom } from "../../src/runtime/random.ts";

const { config } = resolveConfig({ registry: REGISTRY, file: null, sets: Deno.args, environment: {} });
const metrics = new Metrics();
const runtime = { clock: new SystemClock(), random: new SystemRandom(), metrics, log: silentLog };
const { collector, facts } = assemble(config, { runtime, machine: thisMachine(), stdout: Deno.stdout });
const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
await collector.run(stop.signal);
const stages = byLabel(metrics, "collector_stage_seconds_total", "stage");
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ stages, workers: facts.workers })}\n`));
Deno.exit(0);
