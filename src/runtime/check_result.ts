/** What `collector check` prints: one line a finding. */
export interface CheckResult {
  readonly ok: boolean;
  /** What was tried: "bucket events exists". */
  readonly what: string;
  /** What came of it, and what to do when it failed. */
  readonly detail: string;
}
