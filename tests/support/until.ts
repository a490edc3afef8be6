export interface WaitOptions {
  /** How long it may take. */
  readonly timeoutMs?: number;
  /** From one look to the next. */
  readonly intervalMs?: number;
}

/**
 * Resolves once the condition holds, for what nobody can be asked to announce: what other processes and several readers
 * have done.
 *
 * @param what is the case then, for the error's message.
 * @throws Error when it doesn't within the time.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 60_000, intervalMs = 10 }: WaitOptions = {},
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
