/** Only what hangs takes so long, be the machine ever so busy. */
export const HANG_MS = 300_000;

export interface WaitOptions {
  /** From one look to the next. */
  readonly intervalMs?: number;
}

/**
 * Resolves once the condition holds, for what nobody can be asked to announce: what other processes and several readers
 * have done.
 *
 * @param what is the case then, for the error's message.
 * @throws Error when it never does.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { intervalMs = 10 }: WaitOptions = {},
): Promise<void> {
  const endMs = performance.now() + HANG_MS;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
