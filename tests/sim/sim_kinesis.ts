import { RetriableError } from "../../src/runtime/errors.ts";
import { compareDecimals } from "../../src/source/kinesis/leases/checkpoint.ts";
import {
  ExpiredIteratorError,
  type IteratorPlace,
  type KinesisApi,
  type PushedPage,
  type RecordsPage,
  type Shard,
  type StreamInfo,
  type StreamRecord,
} from "../../src/source/kinesis/aws/kinesis_api.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";
import { type FaultRates, unreliable } from "./faults.ts";

/** A shard of the simulated stream. */
export interface SimShard {
  readonly id: string;
  readonly parents: readonly string[];
  readonly records: StreamRecord[];
  open: boolean;
  /** So many of the records have expired. */
  trimmed: number;
  readonly low: number;
  readonly high: number;
}

export interface Network {
  readonly clock: Clock;
  readonly random: Random;
  readonly rates: FaultRates;
}

interface Subscription {
  readonly sinceMs: number;
  ended: boolean;
}

const ITERATOR_LIFE_MS = 300_000, SUBSCRIPTION_LIFE_MS = 300_000;
const encoder = new TextEncoder();

/** A stream whose shards take records, split and merge. Hash keys are numbers below 2^20. */
export class SimStream {
  readonly shards: SimShard[] = [];
  /** The newest of each shard. */
  readonly subscriptions = new Map<string, Subscription>();
  readonly counts = { refused: 0, takenOver: 0 };
  readonly #nowMs: () => number;
  #records = 0;

  constructor(shardCount: number, nowMs: () => number) {
    this.#nowMs = nowMs;
    const width = Math.floor(2 ** 20 / shardCount);
    for (let i = 0; i < shardCount; i++) this.#add([], i * width, (i + 1) * width - 1);
  }

  get recordCount(): number {
    return this.#records;
  }

  openShards(): SimShard[] {
    return this.shards.filter(({ open }) => open);
  }

  get(id: string): SimShard {
    return this.shards.find((shard) => shard.id === id)!;
  }

  /** @param arrivalMs when it arrived; a shard's records may be a little out of order. */
  put(shard: SimShard, arrivalMs: number = this.#nowMs(), data?: Uint8Array): void {
    const number = ++this.#records;
    shard.records.push({
      sequence: `4${String(number).padStart(55, "0")}`,
      data: data ?? encoder.encode(`record ${number}`),
      partitionKey: "key",
      arrivalMs,
    });
  }

  split(shard: SimShard): void {
    if (!shard.open || shard.high - shard.low < 2) return;
    shard.open = false;
    const middle = Math.floor((shard.low + shard.high) / 2);
    this.#add([shard.id], shard.low, middle);
    this.#add([shard.id], middle + 1, shard.high);
  }

  merge(left: SimShard): void {
    const right = this.openShards().find(({ low }) => low === left.high + 1);
    if (!left.open || right === undefined) return;
    left.open = right.open = false;
    this.#add([left.id, right.id], left.low, right.high);
  }

  #add(parents: string[], low: number, high: number): void {
    const id = `shardId-${String(this.shards.length).padStart(12, "0")}`;
    this.shards.push({ id, parents, records: [], open: true, trimmed: 0, low, high });
  }
}

/** One process's way to the stream. */
export class SimKinesisApi implements KinesisApi {
  readonly #stream: SimStream;
  readonly #network: Network;
  readonly #nowMs: () => number;
  readonly #onRead: (shard: SimShard) => void;
  readonly #maxPageRecords: number;

  constructor(
    stream: SimStream,
    { network, nowMs, onRead, maxPageRecords = 50 }: {
      network: Network;
      nowMs: () => number;
      onRead: (shard: SimShard) => void;
      maxPageRecords?: number;
    },
  ) {
    this.#maxPageRecords = maxPageRecords;
    this.#stream = stream;
    this.#network = network;
    this.#nowMs = nowMs;
    this.#onRead = onRead;
  }

  describeStream(signal: AbortSignal): Promise<StreamInfo> {
    return this.#call(signal, () => ({
      arn: "arn:sim",
      status: "ACTIVE",
      openShardCount: this.#stream.openShards().length,
      retentionHours: 24,
      createdMs: NaN,
    }));
  }

  listShards(signal: AbortSignal): Promise<Shard[]> {
    return this.#call(signal, () =>
      this.#stream.shards.map(({ id, parents, open, low, high }) => ({
        id,
        parents,
        open,
        startingHashKey: String(low),
        endingHashKey: String(high),
      })));
  }

  getIterator(shardId: string, place: IteratorPlace, signal: AbortSignal): Promise<string> {
    return this.#call(signal, () => `${shardId} ${this.#indexOf(shardId, place)} ${this.#nowMs()}`);
  }

  #indexOf(shardId: string, place: IteratorPlace): number {
    const { records } = this.#stream.get(shardId);
    if (place.type === "LATEST") return records.length;
    // Where times are out of order, whatever may pass for the place: here the last one that does.
    if (place.type === "AT_TIMESTAMP") return records.findLastIndex((r) => r.arrivalMs < place.timestampMs) + 1;
    if (!("sequence" in place)) return 0;
    const most = place.type === "AT_SEQUENCE_NUMBER" ? -1 : 0;
    return records.filter(({ sequence }) => compareDecimals(sequence, place.sequence) <= most).length;
  }

  getRecords(iterator: string, limit: number | undefined, signal: AbortSignal): Promise<RecordsPage> {
    return this.#call(signal, () => {
      const [shardId, index, gotMs] = iterator.split(" ");
      const expired = this.#nowMs() - Number(gotMs) > ITERATOR_LIFE_MS;
      if (expired || this.#network.random.next() < this.#network.rates.error / 5) {
        throw new ExpiredIteratorError("simulated");
      }
      const shard = this.#stream.get(shardId);
      this.#onRead(shard);
      const first = Math.max(Number(index), shard.trimmed);
      const records = shard.records.slice(first, first + Math.min(limit ?? 10_000, this.#maxPageRecords));
      const next = first + records.length;
      const ended = !shard.open && next === shard.records.length;
      return {
        records,
        nextIterator: ended ? undefined : `${shardId} ${next} ${this.#nowMs()}`,
        behindLatestMs: next < shard.records.length ? 1000 : 0,
      };
    });
  }

  findConsumer(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  registerConsumer(): Promise<void> {
    return Promise.resolve();
  }

  /** As the service does it: a new subscription takes an older one's place, but not within its first 5 s. */
  subscribe(shardId: string, place: IteratorPlace, signal: AbortSignal): Promise<AsyncIterable<PushedPage>> {
    return this.#call(signal, () => {
      const { subscriptions } = this.#stream;
      const before = subscriptions.get(shardId);
      if (before !== undefined && this.#nowMs() - before.sinceMs < 5_000) {
        this.#stream.counts.refused++;
        throw new RetriableError("simulated: ResourceInUseException");
      }
      if (before !== undefined && !before.ended) this.#stream.counts.takenOver++;
      const subscription = { sinceMs: this.#nowMs(), ended: false };
      subscriptions.set(shardId, subscription);
      return this.#push(this.#stream.get(shardId), this.#indexOf(shardId, place), subscription, signal);
    });
  }

  async *#push(
    shard: SimShard,
    start: number,
    subscription: Subscription,
    signal: AbortSignal,
  ): AsyncGenerator<PushedPage, void> {
    const { clock, random, rates } = this.#network;
    try {
      for (let next = start; this.#nowMs() - subscription.sinceMs < SUBSCRIPTION_LIFE_MS;) {
        await clock.sleep(next < shard.records.length ? random.next() * 300 : 2_000, signal);
        if (this.#stream.subscriptions.get(shard.id) !== subscription) {
          throw new RetriableError("simulated: another subscription has taken the place");
        }
        if (random.next() < rates.error / 2) throw new RetriableError("simulated: the connection broke");
        this.#onRead(shard);
        const records = shard.records.slice(next, next + 50);
        next += records.length;
        const ended = !shard.open && next === shard.records.length;
        const last = shard.records[next - 1]?.sequence ?? "1";
        yield { records, continuation: ended ? undefined : last, behindLatestMs: 0 };
        if (ended) return;
      }
    } finally {
      subscription.ended = true;
    }
  }

  serverTimeMs(): number {
    return this.#nowMs();
  }

  close(): void {}

  #call<T>(signal: AbortSignal, effect: () => T): Promise<T> {
    return unreliable(effect, (why) => new RetriableError(why), { ...this.#network, signal });
  }
}
