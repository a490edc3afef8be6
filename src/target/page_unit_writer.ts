import pLimit, { type LimitFunction } from "p-limit";
import type { Page } from "../columnar/page.ts";
import type { SealedUnit } from "../pipeline/unit.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { DeadLetterWriter } from "./dead_letter_writer.ts";
import type { PageTarget } from "./target.ts";
import type { UnitWriter, Written } from "./unit_writer.ts";

/** The unit's pages by table, in the order of the rows. */
function pagesByTable(unit: SealedUnit): Page[][] {
  const tables = new Map<string, Page[]>();
  for (const { pages } of unit.outputs) {
    for (const page of pages) {
      const key = JSON.stringify([page.table.project, page.table.collection]);
      const found = tables.get(key);
      if (found === undefined) tables.set(key, [page]);
      else found.push(page);
    }
  }
  return [...tables.values()];
}

/** Writes units to a target that takes pages: per table insert, addPage for each page, commit. */
export class PageUnitWriter implements UnitWriter {
  readonly #target: PageTarget;
  readonly #deadLetters: DeadLetterWriter;
  readonly #runtime: Runtime;
  readonly #limit: LimitFunction;

  constructor(
    options: { target: PageTarget; deadLetters: DeadLetterWriter; writesInFlight: number; runtime: Runtime },
  ) {
    this.#target = options.target;
    this.#deadLetters = options.deadLetters;
    this.#runtime = options.runtime;
    this.#limit = pLimit(options.writesInFlight);
  }

  async open(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#target.open(signal), this.#deadLetters.open(signal)]);
  }

  async write(unit: SealedUnit, signal: AbortSignal): Promise<Written> {
    await this.#deadLetters.write(unit, signal);
    const tables = pagesByTable(unit);
    await Promise.all(tables.map((pages) => this.#limit(() => this.#insert(unit, pages, signal))));
    const rows = tables.flat().reduce((sum, { positionCount }) => sum + positionCount, 0);
    return { objects: 0, rows, byteLength: 0 };
  }

  async close(): Promise<void> {
    await Promise.all([this.#target.close(), this.#deadLetters.close()]);
  }

  async #insert(unit: SealedUnit, pages: readonly Page[], signal: AbortSignal): Promise<void> {
    await retry("insert", async () => {
      const inserter = this.#target.insert(pages[0].table, unit);
      for (const page of pages) inserter.addPage(page);
      await inserter.commit(signal);
    }, { policy: RETRY_UNTIL_STOPPED, runtime: this.#runtime, signal });
    for (const page of pages) this.#runtime.metrics.count("collector_written_rows_total", page.positionCount);
  }
}
