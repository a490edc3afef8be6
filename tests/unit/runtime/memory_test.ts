import { assertEquals } from "@std/assert";
import { memoryLimitByteLength } from "../../../src/runtime/memory.ts";

const GB = 2 ** 30;

/** A system with these files. */
const reading = (files: Record<string, string>) => (path: string) => files[path];

const CASES: [string, Record<string, string>, number][] = [
  ["no cgroups", {}, 8 * GB],
  ["v2 without a limit", { "/sys/fs/cgroup/memory.max": "max\n" }, 8 * GB],
  ["v2 inside a container", { "/sys/fs/cgroup/memory.max": "536870912\n" }, GB / 2],
  ["v1 without a limit", { "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" }, 8 * GB],
  ["v1 with a limit", { "/sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n" }, GB],
  ["a limit above the machine's memory", { "/sys/fs/cgroup/memory.max": String(64 * GB) }, 8 * GB],
  ["a systemd unit with MemoryMax", {
    "/proc/self/cgroup": "0::/system.slice/collector.service\n",
    "/sys/fs/cgroup/system.slice/memory.max": "max\n",
    "/sys/fs/cgroup/system.slice/collector.service/memory.max": "268435456\n",
  }, GB / 4],
  ["a limit on the slice above", {
    "/proc/self/cgroup": "12:cpu:/x\n0::/system.slice/collector.service\n",
    "/sys/fs/cgroup/system.slice/memory.max": "268435456\n",
    "/sys/fs/cgroup/system.slice/collector.service/memory.max": "max\n",
  }, GB / 4],
  ["nonsense", { "/sys/fs/cgroup/memory.max": "lots\n", "/proc/self/cgroup": "0::/../..\n" }, 8 * GB],
];

for (const [name, files, expected] of CASES) {
  Deno.test(`memoryLimitByteLength() is right with ${name}`, () => {
    assertEquals(memoryLimitByteLength(8 * GB, reading(files)), expected);
  });
}
