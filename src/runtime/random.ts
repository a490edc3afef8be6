import { toHex } from "./hex.ts";

/** Chance, behind an interface so that a run of the simulation follows from its seed. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `byteLength` random bytes, as lower-case hex (2 * byteLength characters). */
  hex(byteLength: number): string;
}

/** The machine's own source of randomness. */
export class SystemRandom implements Random {
  next(): number {
    return Math.random();
  }

  hex(byteLength: number): string {
    return toHex(crypto.getRandomValues(new Uint8Array(byteLength)));
  }
}

/** mulberry32 (Tommy Ettinger, public domain): 2^32 states, good enough to drive tests and synthetic events. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  hex(byteLength: number): string {
    return toHex(Uint8Array.from({ length: byteLength }, () => Math.floor(this.next() * 256)));
  }
}
