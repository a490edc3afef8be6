import { createHash } from "node:crypto";
import { assertEquals } from "@std/assert";
import type { ObjectContents } from "../../src/encode/object.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { Metrics } from "../../src/runtime/metrics.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { StoredObject } from "../../src/target/target.ts";
import { PatientClock } from "./patient_clock.ts";

/** A runtime with real time, seeded chance and no log. */
export function testRuntime(overrides: Partial<Runtime> = {}): Runtime {
  return {
    clock: new PatientClock(),
    random: new SeededRandom(1),
    log: silentLog,
    metrics: new Metrics(),
    ...overrides,
  };
}

/** An object whose contents are the chunks, one after the other. */
export function storedObject(key: string, ...chunks: readonly (string | Uint8Array)[]): StoredObject {
  const encoded = chunks.map((chunk) => typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
  const hash = createHash("sha256");
  for (const chunk of encoded) hash.update(chunk);
  return {
    key,
    chunks: encoded,
    byteLength: encoded.reduce((sum, chunk) => sum + chunk.length, 0),
    sha256: new Uint8Array(hash.digest()),
    contentType: "application/x-ndjson",
    purpose: "data",
  };
}

/** The chunks as one array. @throws when they don't have as many bytes as the object says. */
export function contents({ chunks, byteLength }: ObjectContents): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLength);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  assertEquals(offset, byteLength);
  return bytes;
}

/** `byteLength` bytes that look random but follow from the seed. */
export function patternBytes(byteLength: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let state = seed >>> 0;
  for (let i = 0; i < byteLength; i++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
