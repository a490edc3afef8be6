import { MANIFEST_PREFIX } from "./read_manifests.ts";

/** Those that are remembered; objects below further ones count as unlisted. */
const MAX_PREFIXES = 1000;

/** Prefixes below the target's root that have manifests of their own, as replays with a prefix have. */
export class OtherPrefixes {
  readonly #prefixes = new Set<string>();

  /** Sees whether the key is that of a manifest below another prefix. */
  look(key: string): void {
    const at = key.indexOf(`/${MANIFEST_PREFIX}`);
    if (at > 0 && this.#prefixes.size < MAX_PREFIXES) this.#prefixes.add(key.slice(0, at));
  }

  has(key: string): boolean {
    if (this.#prefixes.size === 0) return false;
    for (let at = key.indexOf("/"); at > 0; at = key.indexOf("/", at + 1)) {
      if (this.#prefixes.has(key.slice(0, at))) return true;
    }
    return false;
  }

  /** Without those that are below another one. */
  list(): string[] {
    return [...this.#prefixes].filter((prefix) => !this.has(prefix)).sort();
  }
}
