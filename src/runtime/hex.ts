/** Lower-case hex, two characters a byte. (Uint8Array.toHex is missing from runtimes that programs are compiled with.) */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
