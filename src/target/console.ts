import type { Page } from "../columnar/page.ts";
import { type ConfigOf, option } from "../config/option.ts";
import { Encoder } from "../encode/encoder.ts";
import { withAbort } from "../runtime/abort.ts";
import { FatalError, InvariantError, messageOf } from "../runtime/errors.ts";
import type { Inserter, OutputStream, PageTarget, TargetComponent, TargetContext } from "./target.ts";

const options = {
  rowFormat: option.enumeration("target.console.row-format", ["flat", "rakam"], {
    default: "flat",
    doc: "flat: one flat object a row, with $schema and $table. rakam: as in the original's files.",
  }),
  commit: option.boolean("target.console.commit", {
    default: "false",
    doc:
      "Whether rows that standard output has taken count as done. Otherwise it is a trial: no position of the source is " +
      "moved, and the next run reads the same again.",
  }),
};

export type ConsoleTargetConfig = ConfigOf<typeof options>;

/** Bytes of rows that are written at a time. */
const WRITE_BYTES = 64 * 1024;

/**
 * Writes rows to standard output, a line each, and waits while its reader is slow. Durable means: taken by the pipe.
 * A unit that fails in the middle comes again whole, also its rows that were read already.
 */
class ConsoleTarget implements PageTarget {
  readonly kind = "pages";
  readonly maxAgeMs = 1000;
  readonly #encoder: Encoder;
  readonly #output: OutputStream | undefined;
  /** The last commit in line: they take turns, so that tables don't mix. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ rowFormat }: ConsoleTargetConfig, { runtime, stdout }: TargetContext) {
    this.#encoder = new Encoder({
      rowFormat,
      compression: "none",
      level: 0,
      // All rows in one group, so each says its own project and table.
      grouping: { needsProject: false, needsTable: false, timeUnit: null },
      clock: runtime.clock,
      pieceByteLength: WRITE_BYTES,
    });
    this.#output = stdout;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  insert(): Inserter {
    const pages: Page[] = [];
    return {
      addPage: (page) => void pages.push(page),
      commit: async (signal) => {
        const written = this.#last.then(() => this.#writePages(pages, signal));
        this.#last = written.catch(() => {});
        await withAbort(written, signal);
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #writePages(pages: readonly Page[], signal: AbortSignal): Promise<void> {
    for (const page of pages) {
      for (const { bytes } of this.#encoder.encodePages([page])) {
        signal.throwIfAborted();
        await this.#write(bytes);
      }
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#output === undefined) throw new InvariantError("the console target was given no standard output");
    try {
      for (let offset = 0; offset < bytes.length;) offset += await this.#output.write(bytes.subarray(offset));
    } catch (error) {
      throw outputError(error);
    }
  }
}

function outputError(error: unknown): FatalError {
  if (error instanceof Deno.errors.BrokenPipe) {
    const message = "standard output was closed by its reader; rows after that are neither written nor committed";
    return new FatalError(message, { cause: error });
  }
  const reason = messageOf(error);
  return new FatalError(`cannot write to standard output: ${reason}`, { cause: error });
}

/** Rows on standard output. */
export const consoleTarget: TargetComponent<ConsoleTargetConfig> = {
  doc:
    "Writes rows to standard output as NDJSON, one JSON object a line, within a second or two. Logs go to standard " +
    "error.",
  options,
  create: (config, context) => new ConsoleTarget(config, context),
  place: ({ commit }) => ({ name: "standard output", trial: !commit }),
  check: () => Promise.resolve([{ ok: true, what: "standard output", detail: "rows will be written there" }]),
};
