/** The source `demo`: made-up events at a set rate, the same for the same seed, for trying things out and for load. */
import { CheckpointFile } from "../checkpoint/checkpoint_file.ts";
import { type ConfigOf, option } from "../config/option.ts";
import { withAbort } from "../runtime/abort.ts";
import { Condition } from "../runtime/condition.ts";
import { InvariantError, SplitLostError } from "../runtime/errors.ts";
import { EventWriter, makeTemplates } from "./sample/event_writer.ts";
import type { Epoch, Position, SplitId } from "../records/position.ts";
import type { PollLimit, RecordBatch } from "../records/record_batch.ts";
import type { Source, SourceComponent, SourceContext, SourceHandler } from "./source.ts";

/** Bytes of a batch at the most. */
const BATCH_BYTE_LENGTH = 1024 * 1024;
/** With a rate, events are handed out in portions of this time. */
const PORTION_MS = 100;
/** An event is said to arrive this long after its own time. */
const DELIVERY_MS = 1000;

const demoOptions = {
  rate: option.number("demo.rate", {
    default: "1000",
    doc: "Events a second, over all splits; 0 for as fast as it goes.",
  }),
  total: option.integer("demo.total", {
    default: "0",
    doc: "Stop after this many events, over all splits; 0 for never.",
  }),
  seed: option.integer("demo.seed", {
    default: "1",
    max: 2 ** 32 - 1,
    doc: "What the events are made from: the same seed gives the same events, whenever they are made.",
  }),
  splits: option.integer("demo.splits", {
    default: "4",
    min: 1,
    max: 1024,
    doc: "In how many independent streams the events come, as they would from partitions.",
  }),
  checkpoint: option.string("demo.checkpoint", {
    exact: true,
    whenUnset: "Every run begins with the first event.",
    doc: "A file that says how far each split was stored, so that the next run goes on there.",
  }),
};

export type DemoConfig = ConfigOf<typeof demoOptions>;

interface DemoSplit {
  readonly split: SplitId;
  readonly writer: EventWriter;
  /** Index of the next event. */
  next: number;
  /** Index after the last one. */
  readonly end: number;
}

class DemoSource implements Source {
  readonly #config: DemoConfig;
  readonly #context: SourceContext;
  readonly #changed = new Condition();
  readonly #paused = new Set<SplitId>();
  #splits: DemoSplit[] = [];
  #checkpoints: CheckpointFile | null = null;
  /** Whose turn it is. */
  #turn = 0;
  #startedMs = 0;
  /** Events handed out since then. */
  #given = 0;

  constructor(config: DemoConfig, context: SourceContext) {
    this.#config = config;
    this.#context = context;
  }

  async open(handler: SourceHandler, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { checkpoint, seed, splits, total } = this.#config;
    const checkpoints = this.#checkpoints = await CheckpointFile.open({
      ...{ path: checkpoint ?? null, source: "demo" },
      ...{ target: this.#context.target?.place, trial: this.#context.target?.trial },
    });
    const templates = makeTemplates(seed);
    const known = new Set<SplitId>();
    for (let i = 0; i < splits; i++) {
      const split = `demo-${seed}/${i}`;
      const end = total === 0 ? Infinity : Math.floor(total / splits) + (i < total % splits ? 1 : 0);
      if (checkpoints.get(split) !== undefined) known.add(split);
      else checkpoints.add(split, { position: "0", details: {} });
      const next = Number(checkpoints.get(split)!.position);
      if (next < end) this.#splits.push({ split, writer: new EventWriter(templates, { seed, stream: i }), next, end });
    }
    await checkpoints.save();
    const assigned = this.#splits.map(({ split, next }) =>
      handler.assigned(split, checkpoints.epoch, String(next), { committed: known.has(split) })
    );
    await withAbort(Promise.all(assigned), signal);
    this.#startedMs = this.#context.runtime.clock.monotonicMs();
  }

  async poll(limit: PollLimit, signal: AbortSignal): Promise<RecordBatch | "end"> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#splits.every(({ next, end }) => next >= end)) return "end";
      const split = this.#nextSplit();
      if (split === null) {
        await this.#changed.wait(signal);
        continue;
      }
      const due = this.#due(split.end - split.next);
      if (due > 0) return this.#batch(split, due, limit);
      await this.#context.runtime.clock.sleep(this.#waitMs(), signal);
    }
  }

  pause(splits: readonly SplitId[]): void {
    for (const { split } of this.#splits) if (splits.includes(split)) this.#paused.add(split);
  }

  resume(splits: readonly SplitId[]): void {
    for (const split of splits) this.#paused.delete(split);
    this.#changed.notify();
  }

  async commit(split: SplitId, epoch: Epoch, next: Position, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#checkpoints === null) throw new SplitLostError(split, `can't commit ${split}: the source isn't open`);
    const given = this.#splits.find((known) => known.split === split)?.next;
    if (given !== undefined && epoch === this.#checkpoints.epoch && Number(next) > given) {
      throw new InvariantError(`commit of ${split} at ${next}, but records were delivered up to ${given} only`);
    }
    await withAbort(this.#checkpoints.commit(split, epoch, next), signal);
  }

  async close(): Promise<void> {
    await this.#checkpoints?.close();
  }

  /** The splits take turns, whatever their batches hold. */
  #nextSplit(): DemoSplit | null {
    const count = this.#splits.length;
    for (let i = 0; i < count; i++) {
      const split = this.#splits[(this.#turn + i) % count];
      if (split.next >= split.end || this.#paused.has(split.split)) continue;
      this.#turn = (this.#turn + i) % count;
      return split;
    }
    return null;
  }

  /** How many events the rate allows now: a whole portion or none, unless fewer are left. */
  #due(left: number): number {
    const { rate } = this.#config;
    if (rate === 0) return left;
    const elapsedMs = this.#context.runtime.clock.monotonicMs() - this.#startedMs;
    const due = Math.floor(elapsedMs * rate / 1000) - this.#given;
    return due >= Math.min(this.#portion(), left) ? Math.min(due, left) : 0;
  }

  #portion(): number {
    return Math.max(1, Math.floor(this.#config.rate * PORTION_MS / 1000));
  }

  /** Until the next portion is due. Counted from the start, so that delays don't add up. */
  #waitMs(): number {
    const dueMs = this.#startedMs + (this.#given + this.#portion()) * 1000 / this.#config.rate;
    return Math.max(1, dueMs - this.#context.runtime.clock.monotonicMs());
  }

  #batch(split: DemoSplit, due: number, { maxBytes, maxRows }: PollLimit): RecordBatch {
    const { writer } = split;
    const byteLimit = Math.min(maxBytes, BATCH_BYTE_LENGTH);
    const most = Math.max(1, Math.min(due, maxRows, Math.floor(byteLimit / writer.maxEventByteLength)));
    const bytes = new Uint8Array(most * writer.maxEventByteLength);
    const offsets = new Uint32Array(most + 1), timestamps = new Float64Array(most), positions = new BigInt64Array(most);
    for (let row = 0; row < most; row++) {
      const index = split.next + row;
      offsets[row + 1] = writer.write(bytes, offsets[row], index);
      timestamps[row] = writer.timeMs(index) + DELIVERY_MS;
      positions[row] = BigInt(index);
    }
    const start = String(split.next);
    split.next += most;
    this.#given += most;
    this.#turn++;
    return {
      split: split.split,
      epoch: this.#checkpoints!.epoch,
      start,
      next: String(split.next),
      rowCount: most,
      bytes: bytes.subarray(0, offsets[most]),
      offsets,
      timestamps,
      positions,
      keys: null,
      headers: null,
    };
  }
}

export const demoSource: SourceComponent<DemoConfig> = {
  doc: "Makes up events of a shop and a game at a set rate, the same for the same seed.",
  options: demoOptions,
  create: (config, context) => new DemoSource(config, context),
  check: ({ rate, total, splits }) =>
    Promise.resolve([{
      ok: true,
      what: "demo events",
      detail: `${total === 0 ? "endless" : total} in ${splits} splits, ${
        rate === 0 ? "as fast as it goes" : `${rate}/s`
      }`,
    }]),
};
