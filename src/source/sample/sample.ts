/** 2026-09-04T08:00:00Z, two hours after the last event. Fixed, so that every run makes the same rows of them. */
const ARRIVED_MS = 1_788_508_800_000;

/** The sample events as NDJSON (RAKAM layout), and when they are said to have arrived (epoch ms). */
export async function sampleEvents(): Promise<{ bytes: Uint8Array<ArrayBuffer>; timeMs: number }> {
  const { default: events } = await import("./events.json", { with: { type: "json" } });
  const lines = (events as readonly unknown[]).map((event) => `${JSON.stringify(event)}\n`);
  return { bytes: new TextEncoder().encode(lines.join("")), timeMs: ARRIVED_MS };
}
