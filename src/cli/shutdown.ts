import type { Logger } from "../runtime/log.ts";
import { EXIT, type ExitCode } from "./exit_code.ts";
import type { Host, StopSignal } from "./host.ts";

/** Ends at once; what was not committed is read again by the next run. */
function exitAtOnce(host: Host, log: Logger, stopSignal: StopSignal): never {
  log.warn(`${stopSignal} again: ending at once; what was not committed is read again`);
  return host.exit(exitCodeOf(stopSignal));
}

/** What ended a process with a signal: 128 and the signal's number. SIGHUP counts as SIGTERM. */
export function exitCodeOf(stopSignal: StopSignal): ExitCode {
  return stopSignal === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
}

/** timeout(1) sends its signal to the process and then to its group, and so may who ends a service. */
const ONE_SIGNAL_MS = 1000;

/** Aborts at the first SIGTERM, SIGINT or SIGHUP (a terminal that went away); one that comes `ONE_SIGNAL_MS` later or more ends the process. */
export function stopOnSignals(host: Host, log: Logger): AbortSignal {
  const stop = new AbortController();
  let firstMs = 0;
  host.onStopSignal((stopSignal) => {
    const nowMs = host.clock.monotonicMs();
    if (stop.signal.aborted) {
      if (nowMs - firstMs >= ONE_SIGNAL_MS) exitAtOnce(host, log, stopSignal);
      return;
    }
    firstMs = nowMs;
    log.info(`${stopSignal}: writing what is in memory, then ending; another one, in a second or later, ends at once`);
    stop.abort();
  });
  return stop.signal;
}
