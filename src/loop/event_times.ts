import type { OddTimes } from "../decode/event_times.ts";
import type { Logger } from "../runtime/log.ts";

/** Tables that get a line, in the life of a loop. */
const MAX_TABLES = 100;

/** Says once a table, and once a unit, that event times are missing or look like ones in another unit. */
export class EventTimes {
  readonly #log: Logger;
  /** Whether rows are placed by their event time: then a missing one is a warning. */
  readonly #places: boolean;
  readonly #told = new Set<string>();

  constructor({ log, places }: { log: Logger; places: boolean }) {
    this.#log = log;
    this.#places = places;
  }

  note(oddTimes: readonly OddTimes[]): void {
    for (const { project, collection, rows, untimed, fields, suspect } of oddTimes) {
      const table = { project, collection };
      if (untimed > 0 && this.#isNew(`${project}\n${collection}\n`)) {
        const seen = fields.length === 0 ? {} : { maybeMeant: fields.join(", ") };
        const placed = this.#places ? ": their objects are those of the hour in which they arrived" : "";
        this.#log[this.#places ? "warn" : "info"](
          `rows have no event time${placed}; see database.time-field-name`,
          { ...table, rows, rowsWithoutTime: untimed, ...seen },
        );
      }
      if (suspect === null || !this.#isNew(`${project}\n${collection}\n${suspect.unit}`)) continue;
      const { value, unit } = suspect;
      this.#log.warn("event times look like numbers of another unit: see database.time-unit", {
        ...table,
        value,
        unit,
      });
    }
  }

  #isNew(key: string): boolean {
    if (this.#told.has(key) || this.#told.size === MAX_TABLES) return false;
    this.#told.add(key);
    return true;
  }
}
