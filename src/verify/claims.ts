/**
 * What reports of replays say was read and no manifest has, split by split:
 *
 *     reports       [0 ----------------------------- 100)
 *                           [20 --- 40)
 *     manifests     [0 -- 30)          [50 ----- 80)
 *     missing            [30 --------- 50)      [80 - 100)
 *
 * A report stands for its ranges, not for the units that it lists: records that a later replay, or the collector that runs
 * beside it, wrote under other names are there, too. All reports count as one, so that none of them has to be held.
 */
import { comparePositions, type Position, type SplitId } from "../records/position.ts";
import type { Findings } from "./findings.ts";
import type { Claim, ListedRange } from "./sort_records.ts";

/** Takes ranges and claims of all splits in the order of their encodings, and tells what of the claims isn't so. */
export class ClaimSweep {
  readonly #findings: Findings;
  #split: SplitId | null = null;
  /** Up to where it is known what is claimed and covered. */
  #at: Position = "0";
  /** The greatest ends of what came. */
  #covered: Position = "0";
  #claimed: Position = "0";
  #report = "";
  #missing: Missing | null = null;
  /** Stretches that were missing. */
  count = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  addRange({ split, start, next }: ListedRange): void {
    this.#moveTo(split, start);
    this.#covered = later(this.#covered, next);
  }

  addClaim({ split, start, next, report }: Claim): void {
    this.#moveTo(split, start);
    if (comparePositions(next, this.#claimed) <= 0) return;
    this.#claimed = next;
    this.#report = report;
  }

  /** After the last one. */
  end(): void {
    this.#lookUpTo(this.#claimed);
    this.#tell();
  }

  #moveTo(split: SplitId, start: Position): void {
    if (split === this.#split) return this.#lookUpTo(start);
    this.end();
    this.#split = split;
    this.#at = this.#covered = this.#claimed = start;
  }

  /** Everything that begins before `end` has come: what of it is claimed and not covered stays that way. */
  #lookUpTo(end: Position): void {
    const start = later(this.#at, this.#covered), next = earlier(end, this.#claimed);
    this.#at = end;
    if (comparePositions(start, next) >= 0) return;
    const last = this.#missing;
    if (last !== null && last.report === this.#report && comparePositions(last.next, start) === 0) last.next = next;
    else {
      this.#tell();
      this.#missing = { start, next, report: this.#report };
    }
  }

  #tell(): void {
    if (this.#missing === null) return;
    const split = this.#split!;
    const { start, next, report } = this.#missing;
    this.#missing = null;
    this.count++;
    this.#findings.add({
      kind: "uncovered-replay",
      message: `${split} from ${start} to ${next}: in no manifest, ${report} says that it was read and stored ` +
        "(if it was deleted on purpose, delete that report, too)",
      ...{ key: report, split, start, next },
    });
  }
}

interface Missing {
  readonly start: Position;
  next: Position;
  readonly report: string;
}

function later(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? b : a;
}

function earlier(a: Position, b: Position): Position {
  return comparePositions(a, b) < 0 ? a : b;
}
