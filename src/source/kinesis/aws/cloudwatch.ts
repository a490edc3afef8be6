/**
 * The KCL's own metrics that dashboards watch, under the application's name:
 *
 *     Operation=ProcessTask, ShardId          RecordsProcessed, DataBytesProcessed, MillisBehindLatest
 *     Operation=RenewAllLeases, WorkerIdentifier   CurrentLeases, LostLeases
 *     Operation=TakeLeases, WorkerIdentifier       TotalLeases, ExpiredLeases, NumWorkers
 */
import { readAnswer, serviceEndpoint, signedQuery } from "../../../runtime/aws/signed_query.ts";
import { readFailure, serviceError } from "../../../runtime/aws/service_error.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { withTimeLimit } from "../../../runtime/time_limit.ts";
import { sleepUntilAborted } from "../../../runtime/sleep.ts";
import type { AwsConnection } from "./connect.ts";
import type { LeaseCounts } from "../leases/lease_coordinator.ts";
import type { ShardCounts } from "../shards/shard_meter.ts";

const PERIOD_MS = 60_000;
/** At the end nobody waits for metrics. */
const LAST_TIMEOUT_MS = 2_000;
/** CloudWatch takes 1,000 in a request of at most 1 MB. */
const BATCH = 200;

/** One value of a metric. */
export interface Datum {
  readonly name: string;
  readonly value: number;
  readonly unit: "Count" | "Bytes" | "Milliseconds";
  readonly dimensions: Readonly<Record<string, string>>;
}

/** Whose metrics they are. */
export interface MetricsOrigin {
  readonly workerId: string;
  takeShardCounts(): ShardCounts[];
  readonly leaseCounts: LeaseCounts | undefined;
}

/** What there is to publish now. The counts start again from 0. */
export function collectData(origin: MetricsOrigin): Datum[] {
  const { workerId, leaseCounts } = origin;
  const data: Datum[] = [];
  for (const { shard, records, bytes, behindLatestMs } of origin.takeShardCounts()) {
    const dimensions = { Operation: "ProcessTask", ShardId: shard };
    data.push({ name: "RecordsProcessed", value: records, unit: "Count", dimensions });
    data.push({ name: "DataBytesProcessed", value: bytes, unit: "Bytes", dimensions });
    if (behindLatestMs !== undefined) {
      data.push({ name: "MillisBehindLatest", value: behindLatestMs, unit: "Milliseconds", dimensions });
    }
  }
  if (leaseCounts === undefined) return data;
  const count = (operation: string, name: string, value: number) => {
    const dimensions = { Operation: operation, WorkerIdentifier: workerId };
    data.push({ name, value, unit: "Count", dimensions });
  };
  count("RenewAllLeases", "CurrentLeases", leaseCounts.held);
  count("RenewAllLeases", "LostLeases", leaseCounts.lost);
  leaseCounts.lost = 0;
  count("TakeLeases", "TotalLeases", leaseCounts.total);
  count("TakeLeases", "ExpiredLeases", leaseCounts.expired);
  count("TakeLeases", "NumWorkers", leaseCounts.workers);
  return data;
}

/** The parameters of PutMetricData. */
export function putMetricData(namespace: string, data: readonly Datum[], nowMs: number): Record<string, string> {
  const timestamp = new Date(nowMs).toISOString();
  const parameters: Record<string, string> = {
    Action: "PutMetricData",
    Version: "2010-08-01",
    Namespace: namespace,
  };
  data.forEach(({ name, value, unit, dimensions }, i) => {
    const member = `MetricData.member.${i + 1}`;
    parameters[`${member}.MetricName`] = name;
    parameters[`${member}.Value`] = String(value);
    parameters[`${member}.Unit`] = unit;
    parameters[`${member}.Timestamp`] = timestamp;
    Object.entries(dimensions).forEach(([dimension, text], j) => {
      parameters[`${member}.Dimensions.member.${j + 1}.Name`] = dimension;
      parameters[`${member}.Dimensions.member.${j + 1}.Value`] = text;
    });
  });
  return parameters;
}

/** The last publication happens when everything else has been stopped. */
const NEVER = new AbortController().signal;
/** What an empty request is refused as. */
const REFUSED_EMPTY = /^(Missing|InvalidParameter|Validation)/;

export class CloudWatchPublisher {
  readonly #connection: AwsConnection;
  readonly #runtime: Runtime;
  readonly #periodMs: number;
  #failed = false;

  constructor(connection: AwsConnection, runtime: Runtime, periodMs = PERIOD_MS) {
    this.#connection = connection;
    this.#runtime = runtime;
    this.#periodMs = periodMs;
  }

  /** Publishes every minute until the signal aborts, and once more then. Never rejects: what fails is logged, once. */
  async run(origin: MetricsOrigin, signal: AbortSignal): Promise<void> {
    for (let more = true; more;) {
      more = await sleepUntilAborted(this.#runtime.clock, this.#periodMs, signal);
      await this.#publish(collectData(origin), more ? this.#connection.settings.requestTimeoutMs : LAST_TIMEOUT_MS);
    }
  }

  /**
   * Asks to publish nothing, which is refused, but not for want of the right.
   *
   * @throws RetriableError, FatalError.
   */
  async check(signal: AbortSignal): Promise<void> {
    const { settings, where } = this.#connection;
    try {
      await this.#put([], settings.requestTimeoutMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      const { status, code } = readFailure(error);
      if (status === 400 && REFUSED_EMPTY.test(code)) return;
      throw serviceError(error, {
        what: `PutMetricData at ${where(settings.cloudwatchEndpoint)}`,
        right: "cloudwatch:PutMetricData, or set aws.enable-cloudwatch=false",
        whenMissing: "correct aws.cloudwatch-endpoint",
        fixedKeys: settings.accessKey !== undefined,
      });
    }
  }

  async #publish(data: readonly Datum[], limitMs: number): Promise<void> {
    const { log, metrics } = this.#runtime;
    try {
      for (let i = 0; i < data.length; i += BATCH) await this.#put(data.slice(i, i + BATCH), limitMs, NEVER);
      if (this.#failed) log.info("metrics reach CloudWatch again");
      this.#failed = false;
    } catch (error) {
      metrics.count("collector_kinesis_cloudwatch_failures_total");
      if (this.#failed) return;
      this.#failed = true;
      const advice = readFailure(error).status === 403 ? ": allow these credentials cloudwatch:PutMetricData" : "";
      log.warn(`metrics don't reach CloudWatch; aws.enable-cloudwatch=false stops the tries${advice}`, {}, error);
    }
  }

  async #put(data: readonly Datum[], limitMs: number, signal: AbortSignal): Promise<void> {
    const { settings, region, credentials, fetchHandler, clock, serverTimeMs, where } = this.#connection;
    const what = `PutMetricData at ${where(settings.cloudwatchEndpoint)}`;
    const nowMs = clock.now();
    const limit = { what, limitMs, clock, signal };
    await withTimeLimit(limit, async (signal) => {
      const request = signedQuery({
        endpoint: settings.cloudwatchEndpoint ?? serviceEndpoint("monitoring", region),
        region,
        service: "monitoring",
        credentials: await credentials(),
        parameters: putMetricData(settings.leaseTable, data, serverTimeMs() ?? nowMs),
        nowMs: serverTimeMs() ?? nowMs,
      });
      await readAnswer(await fetchHandler.send(new Request(request, { signal })));
    });
  }
}
