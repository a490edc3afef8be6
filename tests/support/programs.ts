/** Other people's programs, which a machine may lack. */

function isInstalled(command: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** A test with a program that the machine may lack: its name then says so. */
export function testWith(program: string, versionArgs: string[], name: string, fn: () => Promise<void>): void {
  const ignore = !isInstalled(program, ...versionArgs);
  Deno.test({ name: ignore ? `${name} (NOT RUN: ${program} is not installed)` : name, ignore, fn });
}
