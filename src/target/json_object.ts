import { sealed } from "../runtime/sealed_json.ts";
import { contentsOf } from "../encode/object.ts";
import type { StoredObject } from "./target.ts";

/** What is stored beside the rows, as one line of JSON with its checksum. */
export function jsonObject(key: string, value: object): StoredObject {
  return jsonText(key, [new TextEncoder().encode(`${sealed(JSON.stringify(value))}\n`)]);
}

/** The same for JSON that comes in parts. */
export function jsonText(key: string, chunks: readonly Uint8Array[]): StoredObject {
  return { key, ...contentsOf(chunks), contentType: "application/json", purpose: "manifest" };
}
