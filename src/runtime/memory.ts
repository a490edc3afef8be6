/** How much memory this process may really use. */

const CGROUP_FILES = [
  "/sys/fs/cgroup/memory.max", // v2, as seen from inside a container
  "/sys/fs/cgroup/memory/memory.limit_in_bytes", // v1
];

/** Reads a file of the system, or undefined when it isn't there or may not be read. */
type ReadText = (path: string) => string | undefined;

/** The limit in a cgroup file; undefined for "max", for v1's number that means none, and for anything else. */
function parseLimit(text: string | undefined): number | undefined {
  const limit = Number(text?.trim() || NaN);
  return Number.isSafeInteger(limit) && limit > 0 && limit < 2 ** 52 ? limit : undefined;
}

/** The cgroup v2 directories from the process's own up to the root: a limit anywhere on the way counts. */
function ownCgroupFiles(read: ReadText): string[] {
  const line = read("/proc/self/cgroup")?.split("\n").find((text) => text.startsWith("0::"));
  const segments = line?.slice(3).split("/").filter((segment) => segment !== "" && segment !== "..") ?? [];
  return segments.map((_, i) => `/sys/fs/cgroup/${segments.slice(0, i + 1).join("/")}/memory.max`);
}

/** Bytes: the least of the machine's memory and every cgroup limit that holds for this process. */
export function memoryLimitByteLength(totalByteLength: number, read: ReadText): number {
  const limits = [...ownCgroupFiles(read), ...CGROUP_FILES].map((path) => parseLimit(read(path)));
  return Math.min(totalByteLength, ...limits.filter((limit) => limit !== undefined));
}
