import type { ByteAccount } from "../columnar/byte_account.ts";

const MIN_SLOTS = 64, MIN_BYTES = 1024;

/**
 * A set of byte strings that are told apart by small numbers: 0, 1, 2 ... in the order in which they came. They stand one
 * after the other in one buffer, without an object of their own, since there may be a million of them.
 */
export class ByteStrings {
  bytes: Uint8Array = new Uint8Array(0);
  /** The same bytes, for comparing words. */
  view: DataView = new DataView(this.bytes.buffer);
  size = 0;
  readonly #account: ByteAccount;
  /** Where each begins, and the last one ends. */
  #offsets: Uint32Array = new Uint32Array(1);
  #hashes: Int32Array = new Int32Array(0);
  /** Numbers plus one, by hash; 0 in free slots. At most half full. */
  #slots: Int32Array = new Int32Array(0);

  constructor(account: ByteAccount) {
    this.#account = account;
  }

  /** Memory that it holds, bytes. */
  get byteLength(): number {
    return this.bytes.length + this.#offsets.byteLength + this.#hashes.byteLength + this.#slots.byteLength;
  }

  /** Where the bytes of number `id` begin in `bytes`. */
  startOf(id: number): number {
    return this.#offsets[id];
  }

  lengthOf(id: number): number {
    return this.#offsets[id + 1] - this.#offsets[id];
  }

  /** The number of view[start, end), whose hash is `hash`; -1 when it isn't in the set. */
  find(view: DataView, start: number, end: number, hash: number): number {
    const slots = this.#slots, mask = slots.length - 1;
    if (mask < 0) return -1;
    for (let slot = hash & mask;; slot = (slot + 1) & mask) {
      const id = slots[slot] - 1;
      if (id < 0) return -1;
      if (this.#hashes[id] === hash && this.#isEqual(id, view, start, end)) return id;
    }
  }

  /**
   * The number of a string that view[start, end) begins with, among those that were added under `hash`; -1 when there is
   * none, -2 when there is none among the first `maxTries`.
   */
  findPrefix(
    view: DataView,
    { start, end, hash, maxTries }: { start: number; end: number; hash: number; maxTries: number },
  ): number {
    const slots = this.#slots, mask = slots.length - 1;
    if (mask < 0) return -1;
    for (let slot = hash & mask, tries = 0; tries < maxTries; slot = (slot + 1) & mask) {
      const id = slots[slot] - 1;
      if (id < 0) return -1;
      if (this.#hashes[id] !== hash) continue;
      const length = this.lengthOf(id);
      if (start + length <= end && this.#isEqual(id, view, start, start + length)) return id;
      tries++;
    }
    return -2;
  }

  /** Adds view[start, end), which isn't in the set yet, and returns its number. */
  add(view: DataView, start: number, end: number, hash: number): number {
    const id = this.size++, at = this.#offsets[id], length = end - start;
    if (2 * this.size > this.#slots.length) this.#growSlots();
    if (at + length > this.bytes.length) this.#growBytes(at + length);
    this.bytes.set(new Uint8Array(view.buffer, view.byteOffset + start, length), at);
    this.#offsets[id + 1] = at + length;
    this.#hashes[id] = hash;
    this.#put(id);
    return id;
  }

  /** The number of view[start, end), which is added if need be. */
  intern(view: DataView, start: number, end: number): number {
    const hash = hashBytes(view, start, end), id = this.find(view, start, end, hash);
    return id < 0 ? this.add(view, start, end, hash) : id;
  }

  /** Forgets all. */
  clear(): void {
    this.#account.byteLength -= this.byteLength;
    this.size = 0;
    this.#setBytes(0);
    this.#offsets = new Uint32Array(1);
    this.#hashes = this.#slots = new Int32Array(0);
    this.#account.byteLength += this.byteLength;
  }

  #isEqual(id: number, view: DataView, start: number, end: number): boolean {
    let at = this.#offsets[id];
    if (this.#offsets[id + 1] - at !== end - start) return false;
    const own = this.view;
    for (; start + 4 <= end; start += 4, at += 4) {
      if (own.getInt32(at, true) !== view.getInt32(start, true)) return false;
    }
    for (; start < end; start++, at++) if (own.getUint8(at) !== view.getUint8(start)) return false;
    return true;
  }

  #put(id: number): void {
    const slots = this.#slots, mask = slots.length - 1;
    let slot = this.#hashes[id] & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = id + 1;
  }

  #growSlots(): void {
    const slotCount = Math.max(MIN_SLOTS, 2 * this.#slots.length);
    const offsets = this.#offsets, hashes = this.#hashes;
    this.#account.byteLength -= this.byteLength;
    this.#slots = new Int32Array(slotCount);
    this.#offsets = new Uint32Array(slotCount / 2 + 1);
    this.#hashes = new Int32Array(slotCount / 2);
    this.#account.byteLength += this.byteLength;
    this.#offsets.set(offsets);
    this.#hashes.set(hashes);
    for (let id = 0; id < this.size - 1; id++) this.#put(id);
  }

  #growBytes(needed: number): void {
    const old = this.bytes, byteLength = Math.max(needed, 2 * old.length, MIN_BYTES);
    this.#account.byteLength += byteLength - old.length;
    this.#setBytes(byteLength);
    this.bytes.set(old);
  }

  #setBytes(byteLength: number): void {
    this.bytes = new Uint8Array(byteLength);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** Hash of view[start, end), a word at a time. */
export function hashBytes(view: DataView, start: number, end: number): number {
  let hash = end - start;
  let i = start;
  for (; i + 4 <= end; i += 4) hash = Math.imul(hash ^ view.getInt32(i, true), 0x9e3779b1) ^ (hash >>> 15);
  for (; i < end; i++) hash = Math.imul(hash ^ view.getUint8(i), 0x01000193);
  return hash ^ (hash >>> 16);
}
