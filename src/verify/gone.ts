/** What was not read, as manifests say themselves. */
export interface GoneTotals {
  /** Stretches of splits, by reason. */
  expired: number;
  skipped: number;
  /** Records in them at the most, as far as that is known. */
  records: number;
  /** Stretches of which nobody knows how many records they had, or whether any. */
  unknown: number;
}

export function newGoneTotals(): GoneTotals {
  return { expired: 0, skipped: 0, records: 0, unknown: 0 };
}

export function addGone(totals: GoneTotals, gone: Readonly<GoneTotals>): void {
  totals.expired += gone.expired;
  totals.skipped += gone.skipped;
  totals.records += gone.records;
  totals.unknown += gone.unknown;
}
