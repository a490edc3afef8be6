import type { Clock } from "../../src/runtime/clock.ts";
import type { Random } from "../../src/runtime/random.ts";

/** How the outside behaves: rates are probabilities per call. Set to `calm` when the faults stop. */
export interface FaultRates {
  /** The call fails before it has an effect. */
  error: number;
  /** The call has its effect, and its answer is lost. */
  lostAnswer: number;
  /** The call takes up to a hundred times as long. */
  slow: number;
}

export const CALM: Readonly<FaultRates> = { error: 0, lostAnswer: 0, slow: 0 };

/** A call over a bad network: waits, fails or loses the answer as the dice say. `effect` happens at one moment. */
export async function unreliable<T>(
  effect: () => T,
  fail: (why: string) => Error,
  { clock, random, rates, signal }: { clock: Clock; random: Random; rates: FaultRates; signal?: AbortSignal },
): Promise<T> {
  const latencyMs = () => random.next() * (random.next() < rates.slow ? 3000 : 30);
  await clock.sleep(latencyMs(), signal);
  if (random.next() < rates.error) throw fail("injected failure");
  const result = effect();
  await clock.sleep(latencyMs(), signal);
  if (random.next() < rates.lostAnswer) throw fail("injected loss of the answer");
  return result;
}
