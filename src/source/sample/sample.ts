export function sampleEvents(): { bytes: Uint8Array<ArrayBuffer>; timeMs: number } {
  return { bytes: new Uint8Array(0), timeMs: 0 };
}
