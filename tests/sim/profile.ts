/** Which faults a seed brings, and how often each struck in which state. */
import { type Random, SeededRandom } from "../../src/runtime/random.ts";

/** By fault: how often it strikes, in whatever the world counts in (a second, a request). 0: never. */
export type Profile<Fault extends string> = Readonly<Record<Fault, number>>;

/**
 * The profile of a seed: every third has two faults, pair by pair, as often as can be; every third a mix of all; and the
 * others one alone, or none. `rates` has the most of each.
 */
export function profileOf<Fault extends string>(seed: number, rates: Profile<Fault>): Profile<Fault> {
  const random = new SeededRandom(seed ^ 0x51ed), faults = Object.keys(rates) as Fault[];
  const chosen = new Map<Fault, number>();
  const turn = Math.floor(seed / 3);
  if (seed % 3 === 0) {
    const pairs = faults.flatMap((a, i) => faults.slice(i + 1).map((b) => [a, b]));
    for (const fault of pairs.length === 0 ? faults : pairs[turn % pairs.length]) chosen.set(fault, rates[fault]);
  } else if (seed % 3 === 1) {
    for (const fault of faults) chosen.set(fault, rates[fault] * random.next() ** 2);
  } else if (turn % (faults.length + 1) > 0) {
    const fault = faults[turn % (faults.length + 1) - 1];
    chosen.set(fault, rates[fault]);
  }
  return Object.fromEntries(faults.map((fault) => [fault, chosen.get(fault) ?? 0])) as Profile<Fault>;
}

/** Counts pairs of a fault and the state that it struck in. */
export class Coverage {
  readonly #counts = new Map<string, number>();
  readonly #faults = new Set<string>();
  readonly #states = new Set<string>();

  /** @param kind of the state: "unit", "group", "lease". */
  count(world: string, fault: string, kind: string, state: string): void {
    this.#faults.add(`${world} ${fault}`);
    this.#states.add(`${world} ${kind} ${state}`);
    const key = `${world} ${fault} ${kind} ${state}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  merge(counts: readonly (readonly [string, number])[]): void {
    for (const [key, count] of counts) {
      const [world, fault, kind, state] = key.split(" ");
      this.#faults.add(`${world} ${fault}`);
      this.#states.add(`${world} ${kind} ${state}`);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
    }
  }

  get entries(): [string, number][] {
    return [...this.#counts];
  }

  /** A table for people: a line a fault, and the pairs that were never reached. */
  report(): string {
    const lines: string[] = [], never: string[] = [];
    for (const fault of [...this.#faults].sort()) {
      const [world, name] = fault.split(" ");
      const states = [...this.#states].filter((state) => state.startsWith(`${world} `)).sort();
      const cells = states.map((state) => {
        const [, kind, value] = state.split(" ");
        const count = this.#counts.get(`${fault} ${kind} ${value}`) ?? 0;
        if (count === 0) never.push(`${fault} x ${kind} ${value}`);
        return `${kind} ${value} ${count}`;
      });
      lines.push(`${world}: ${name}: ${cells.join(", ")}`);
    }
    return [...lines, never.length === 0 ? "every pair was reached" : `never reached: ${never.join("; ")}`].join("\n");
  }
}

/** An item by chance. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random.next() * items.length)];
}
