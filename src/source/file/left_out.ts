import type { Runtime } from "../../runtime/runtime.ts";
import type { Skipped } from "./walk.ts";

/** What could not be opened is tried again this often. */
const REST_MS = 60_000;
/** Paths that are said one by one; of more, only how many there are. */
const MAX_SAID = 100;

interface Entry {
  readonly skipped: Skipped;
  /** When it is to be tried again, monotonic ms. */
  nextTryMs: number;
  /** Whether the search that goes on has met it. */
  seen: boolean;
}

/**
 * What is asked for and isn't read, from search to search: each path is said once, and again when it can be read. One
 * unreadable file costs the others nothing.
 */
export class LeftOut {
  readonly #runtime: Runtime;
  readonly #entries = new Map<string, Entry>();
  #said = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** What is left out now. */
  get all(): Skipped[] {
    return [...this.#entries.values()].map(({ skipped }) => skipped);
  }

  /** True when it could not be opened within the last minute: it is not to be tried yet. */
  rests(path: string): boolean {
    const entry = this.#entries.get(path);
    if (entry === undefined) return false;
    entry.seen = true;
    return this.#runtime.clock.monotonicMs() < entry.nextTryMs;
  }

  /** A search or a reader has met something that can't be read. */
  note(skipped: Skipped): void {
    const entry = this.#entries.get(skipped.path);
    const nextTryMs = this.#runtime.clock.monotonicMs() + REST_MS;
    if (entry?.skipped.why !== skipped.why) this.#say(skipped);
    this.#entries.set(skipped.path, { skipped, nextTryMs, seen: true });
  }

  /** It was read after all. */
  read(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    if (entry.skipped.kind === "unreadable") this.#runtime.log.info("a file can be read again", { path });
  }

  /** A search is over: what it has not met is forgotten. */
  searched(): void {
    for (const [path, entry] of this.#entries) {
      if (entry.seen) entry.seen = false;
      else this.#entries.delete(path);
    }
  }

  #say({ path, why, kind }: Skipped): void {
    const { log } = this.#runtime;
    if (kind === "own") return log.info("left out: this collector writes there", { path });
    if (++this.#said > MAX_SAID) return log.debug("left out", { path, why });
    log.warn(kind === "link" ? "left out" : "can't be read; it is left out, and tried again each minute", {
      path,
      why,
    });
    if (this.#said === MAX_SAID) log.warn("more is left out; log.level=debug says what", {});
  }
}
