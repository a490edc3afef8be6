/** What a process may have open at a time (ulimit -n): files, and connections as well. */

/** What a collector has open beside the files that it reads: connections, files that it writes, the log, the runtime's own. */
export const RESERVED_OPEN_FILES = 64;

/** How many more can be open now, at most `wanted`: found out by opening them, since the limit itself can't be asked for. */
export function openableFiles(wanted: number): number {
  if (Deno.build.os === "windows") return wanted;
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < wanted) opened.push(Deno.openSync("/dev/null"));
  } catch {
    // That was the limit.
  } finally {
    for (const file of opened) file.close();
  }
  return opened.length;
}
