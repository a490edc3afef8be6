import { createHash } from "node:crypto";
import { compareKeys } from "../../src/target/compare_keys.ts";
import type { ReadableObjectTarget, StoredObject } from "../../src/target/target.ts";

/** Objects in memory, and what was done to them. */
export class MemoryTarget implements ReadableObjectTarget {
  readonly kind = "objects";
  readonly objects = new Map<string, Uint8Array<ArrayBuffer>>();
  /** "put a", "get a", "delete a", in order. */
  readonly calls: string[] = [];
  /** Called before each call; throws to have it fail. */
  fail: (call: string) => void = () => {};

  open(): Promise<void> {
    return Promise.resolve();
  }

  async put({ key, chunks, sha256 }: StoredObject): Promise<void> {
    this.#call(`put ${key}`);
    const bytes = new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (digest !== new Uint8Array(sha256).toHex()) throw new Error(`the checksum of ${key} is wrong`);
    this.objects.set(key, bytes);
  }

  async *list(prefix: string): AsyncIterable<{ key: string; byteLength: number }> {
    for (const key of [...this.objects.keys()].sort(compareKeys)) {
      if (key.startsWith(prefix)) yield { key, byteLength: this.objects.get(key)!.length };
    }
  }

  get(key: string): Promise<AsyncIterable<Uint8Array> | null> {
    this.#call(`get ${key}`);
    const bytes = this.objects.get(key);
    return Promise.resolve(bytes === undefined ? null : new Blob([bytes]).stream());
  }

  delete(key: string): Promise<void> {
    this.#call(`delete ${key}`);
    this.objects.delete(key);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #call(call: string): void {
    this.fail(call);
    this.calls.push(call);
  }
}
