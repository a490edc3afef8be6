/**
 * What every stage counts, in one place, from which the status line, the summary and a metrics endpoint are served.
 * Names end in their unit (`_total`, `_bytes`, `_seconds`). Labels come from small closed sets (a trigger, an error
 * code), never from data, so that nothing grows without a bound.
 */
export type Labels = Readonly<Record<string, string>>;

export interface MetricSample {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly labels: Labels;
  readonly value: number;
}

/** The last failure that was worth a line. */
export interface LastError {
  /** Monotonic ms. */
  readonly atMs: number;
  /** What failed and why, in one line. */
  readonly message: string;
}

function seriesKey(name: string, labels: Labels): string {
  let key = name;
  for (const label of Object.keys(labels).sort()) key += `|${label}=${labels[label]}`;
  return key;
}

/** Counters (only grow) and gauges (set to the current value), each a series by name and labels. */
export class Metrics {
  #series = new Map<string, { name: string; kind: "counter" | "gauge"; labels: Labels; value: number }>();
  #gaugeLabels: Labels = {};
  #last: { error: LastError | null } = { error: null };

  /** What fails now and is tried again, for the status line; null when nothing does. */
  get lastError(): LastError | null {
    return this.#last.error;
  }

  set lastError(error: LastError | null) {
    this.#last.error = error;
  }

  /**
   * The same series, for one of several parts that set the same gauges: those have these labels too, so that none hides
   * another's. Counters add up as they are.
   */
  withGaugeLabels(labels: Labels): Metrics {
    const view = new Metrics();
    view.#series = this.#series;
    view.#last = this.#last;
    view.#gaugeLabels = { ...this.#gaugeLabels, ...labels };
    return view;
  }

  /** Adds `amount` (>= 0) to a counter. */
  count(name: string, amount = 1, labels: Labels = {}): void {
    this.#entry(name, "counter", labels).value += amount;
  }

  /** Sets a gauge. */
  gauge(name: string, value: number, labels: Labels = {}): void {
    this.#entry(name, "gauge", { ...this.#gaugeLabels, ...labels }).value = value;
  }

  /** The sum of all series with this name (0 when there are none). */
  total(name: string): number {
    let sum = 0;
    for (const entry of this.#series.values()) if (entry.name === name) sum += entry.value;
    return sum;
  }

  /** The value of one series (0 when it was never touched). */
  value(name: string, labels: Labels = {}): number {
    return this.#series.get(seriesKey(name, labels))?.value ?? 0;
  }

  /** Every series as it is now, sorted by name. */
  samples(): MetricSample[] {
    return [...this.#series.values()].map((entry) => ({ ...entry })).sort((a, b) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : 0
    );
  }

  #entry(name: string, kind: "counter" | "gauge", labels: Labels) {
    const key = seriesKey(name, labels);
    let entry = this.#series.get(key);
    if (entry === undefined) {
      entry = { name, kind, labels, value: 0 };
      this.#series.set(key, entry);
    }
    return entry;
  }
}
