/**
 * What must hold in every world, whatever fails: named predicates, each with the reason for it. A predicate returns what
 * speaks against it, or null. That each can fail is shown by a canary (canaries.ts): a build that is broken on purpose.
 */

/** What is said of a world that breaks a promise. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: string;

  constructor(invariant: string, complaint: string) {
    super(`${invariant}: ${complaint}`);
    this.invariant = invariant;
  }
}

interface Invariant<Facts> {
  readonly why: string;
  complaint(facts: Facts): string | null;
}

function invariant<Facts>(why: string, complaint: (facts: Facts) => string | null): Invariant<Facts> {
  return { why, complaint };
}

function firstOf(items: readonly string[], what: string): string | null {
  return items.length === 0 ? null : `${items.length} ${what}, as ${items[0]}`;
}

export const INVARIANTS = {
  committedIsDurable: invariant(
    "Whoever starts after a crash begins at the committed position: a record before it that isn't stored is lost.",
    ({ split, next, unsafe }: { split: string; next: string; unsafe: readonly string[] }) =>
      firstOf(unsafe, `records of ${split} before the committed ${next} are not durable`),
  ),
  commitsGoForward: invariant(
    "A position that goes back is an old owner's: what the new one has stored comes twice.",
    ({ split, before, next }: { split: string; before: bigint; next: bigint }) =>
      next < before ? `${split} went from ${before} back to ${next}` : null,
  ),
  commitsSurvive: invariant(
    "A commit that was acknowledged is there after a power cut: units are let go of because of it.",
    ({ split, acknowledged, found }: { split: string; acknowledged: bigint; found: bigint | null }) =>
      found === null || found < acknowledged
        ? `${split} was committed up to ${acknowledged}, and now is at ${found ?? "nothing"}`
        : null,
  ),
  everythingIsStored: invariant(
    "Once faults stop, every record is where it belongs: a row, a dead letter, or dropped by a rule.",
    ({ misplaced }: { misplaced: readonly string[] }) => firstOf(misplaced, "records are not where they belong"),
  ),
  onceWhenNothingFailed: invariant(
    "A stop, a deploy, a rebalance, a failing network leave no copies: only what was killed or taken away may.",
    ({ mayRepeat, duplicates }: { mayRepeat: boolean; duplicates: readonly string[] }) =>
      mayRepeat ? null : firstOf(duplicates, "records are stored twice though nothing was killed or taken away"),
  ),
  nothingIsReplaced: invariant(
    "Names come from positions: a key holds the same rows whoever writes it, however late his request arrives.",
    ({ key, before, after }: { key: string; before: readonly string[]; after: readonly string[] }) =>
      [...before].sort().join() === [...after].sort().join() ? null : `${key} was overwritten with other rows`,
  ),
  sameUnitSameName: invariant(
    "The same records written again by another owner get the same name: a retry replaces, it doesn't repeat.",
    ({ range, names }: { range: string; names: readonly string[] }) =>
      new Set(names).size > 1 ? `${range} is called ${[...new Set(names)].join(" and ")}` : null,
  ),
  objectsAreWhole: invariant(
    "Readers see a whole object under its name or none, also after a power cut.",
    ({ key, fault }: { key: string; fault: string | null }) => fault === null ? null : `${key}: ${fault}`,
  ),
  manifestsNameWhatExists: invariant(
    "A manifest is stored after what it names: an audit believes it.",
    ({ manifest, missing }: { manifest: string; missing: readonly string[] }) =>
      firstOf(missing, `objects that ${manifest} names are missing`),
  ),
  manifestsAddUp: invariant(
    "Every committed position stands in a manifest whose counts add up: that is how a loss would be found.",
    ({ faults }: { faults: readonly string[] }) => firstOf(faults, "faults in manifests"),
  ),
  batchesHoldWhatTheySay: invariant(
    "A batch's records lie in [start, next), ascending: what lies outside is counted or committed wrongly.",
    ({ split, start, next, outside }: { split: string; start: string; next: string; outside: readonly string[] }) =>
      firstOf(outside, `records of ${split} are outside of their batch [${start}, ${next})`),
  ),
  startIsKept: invariant(
    "Where a split without a checkpoint begins is committed before it is read: else 'latest' moves at a crash.",
    ({ split, committed }: { split: string; committed: boolean }) =>
      committed ? null : `${split} is read before its start was committed`,
  ),
  childrenAfterParents: invariant(
    "Records of one key keep their order over a reshard: a child is read when its parents are done with, and all of them is stored.",
    ({ child, unfinished }: { child: string; unfinished: readonly string[] }) =>
      firstOf(unfinished, `reasons not to read ${child} yet`),
  ),
  leasesEndWell: invariant(
    "A lease ends with its children listed and leased, is deleted only then, and its counter only grows: others rely on it.",
    ({ faults }: { faults: readonly string[] }) => firstOf(faults, "faults in the lease table"),
  ),
  memoryIsBounded: invariant(
    "What is held stays below the limit, whatever the target does: else the process is killed.",
    ({ heldByteLength, limitByteLength }: { heldByteLength: number; limitByteLength: number }) =>
      heldByteLength > limitByteLength ? `${heldByteLength} bytes held, ${limitByteLength} allowed` : null,
  ),
  itGoesOn: invariant(
    "Nothing but the fault itself ends a process, and the next one starts: no crash leaves a state that needs a person.",
    ({ error }: { error: unknown }) => error === undefined ? null : String((error as Error)?.stack ?? error),
  ),
  damageIsRefused: invariant(
    "A checkpoint whose bytes have changed is refused, with what to do: read as it is, it may skip records.",
    ({ file, accepted }: { file: string; accepted: boolean }) => accepted ? `${file} was damaged, and used` : null,
  ),
  itRecovers: invariant(
    "When the faults stop, everything is in within a bound of time, and who is asked to stop stops.",
    ({ late, state }: { late: boolean; state: string }) => late ? state : null,
  ),
} as const;

export type InvariantName = keyof typeof INVARIANTS;

/** @throws Violation when it doesn't hold. */
export function demand<Name extends InvariantName>(
  name: Name,
  facts: Parameters<(typeof INVARIANTS)[Name]["complaint"]>[0],
): void {
  const { complaint } = INVARIANTS[name] as Invariant<typeof facts>;
  const found = complaint(facts);
  if (found !== null) throw new Violation(name, found);
}
