import type { Logger } from "../runtime/log.ts";
import { EXIT } from "./exit_code.ts";
import type { Host, StopSignal } from "./host.ts";

/** Ends at once; what was not committed is read again by the next run. */
function exitAtOnce(host: Host, log: Logger, stopSignal: StopSignal): never {
  log.warn(`${stopSignal} again: ending at once; what was not committed is read again`);
  return host.exit(stopSignal === "SIGINT" ? EXIT.interrupted : EXIT.terminated);
}

/** Aborts at the first SIGTERM or SIGINT; the second one ends the process. */
export function stopOnSignals(host: Host, log: Logger): AbortSignal {
  const stop = new AbortController();
  host.onStopSignal((stopSignal) => {
    if (stop.signal.aborted) return exitAtOnce(host, log, stopSignal);
    log.info(`${stopSignal}: writing what is in memory, then ending; a second signal ends at once`);
    stop.abort();
  });
  return stop.signal;
}
