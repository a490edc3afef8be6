import type { ObjectTarget, PageTarget, Target } from "./target.ts";

/**
 * One target for several users, each of which opens and closes it: it is opened by the first, and closed when all have
 * closed it.
 */
export function commonTarget(target: Target, userCount: number): Target {
  let opening: Promise<void> | null = null, open = userCount;
  const both = {
    async open(signal: AbortSignal): Promise<void> {
      opening ??= target.open(signal);
      try {
        await opening;
      } catch (error) {
        opening = null;
        throw error;
      }
    },
    async close(): Promise<void> {
      if (--open === 0) await target.close();
    },
  };
  return target.kind === "objects"
    ? { kind: "objects", put: (object, signal) => target.put(object, signal), ...both } satisfies ObjectTarget
    : { kind: "pages", insert: (table, unit) => target.insert(table, unit), ...both } satisfies PageTarget;
}
