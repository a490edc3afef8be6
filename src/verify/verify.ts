/**
 * The audit: are all records that were read in manifests, and is everything there that manifests list?
 *
 *     committed positions -> reports of replays -> manifests -> listing of objects -> contents of objects
 *
 * They are looked at in this order because a collector writes them in the opposite one: what it adds meanwhile never looks
 * as if something were missing. No list of keys or ranges is held in memory; they are sorted outside of it.
 */
import { ARCHIVE } from "../replay/dead_letter_store.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { splitPart } from "../records/position.ts";
import { compareKeys } from "../target/compare_keys.ts";
import type { ListedObject, ReadableObjectTarget } from "../target/target.ts";
import { checkObjects, newObjectTotals, type ObjectCheck } from "./check_objects.ts";
import type { Depth } from "./contents.ts";
import { ClaimSweep } from "./claims.ts";
import { CoverageSweep, isRedriven, type Reach } from "./coverage.ts";
import { ExternalSort } from "./external_sort.ts";
import { Findings } from "./findings.ts";
import { addGone, newGoneTotals } from "./gone.ts";
import { Losses, spanOf } from "./losses.ts";
import { OtherPrefixes } from "./other_prefixes.ts";
import { type AuditedManifest, ManifestError } from "./parse_manifest.ts";
import type { Progress } from "./progress.ts";
import { readManifests } from "./read_manifests.ts";
import { readReports } from "./read_reports.ts";
import { addRecords, type Committed, newRecordTotals, outcomeOf, SplitList, type VerifyReport } from "./report.ts";
import {
  decodeExpected,
  decodeRange,
  encodeClaim,
  encodeExpected,
  encodeRange,
  type ExpectedObject,
  stretchesOf,
} from "./sort_records.ts";

/** Where dead letters are in the target; in a directory of their own they are at its root. */
const DEAD_LETTER_PREFIX = "_dead-letters/";

/** Bytes of each of the sorts in memory. */
const SORT_BYTE_LENGTH = 16 * 2 ** 20;

export interface VerifyOptions {
  readonly target: ReadableObjectTarget;
  /** A directory of their own that dead letters are in; null when they are in the target. */
  readonly deadLetters: ReadableObjectTarget | null;
  readonly depth: Depth;
  /** As it was before anything else is looked at. */
  readonly committed: Committed;
  /** Whether splits that are committed and in no manifest are all right. */
  readonly acceptUncovered: boolean;
  /** Whether what the collector found lost before it was read is all right. */
  readonly acceptLoss: boolean;
  readonly findings: Findings;
  readonly losses: Losses;
  readonly progress: Progress;
  readonly runtime: Runtime;
  /** Told of each split, once all objects were looked at. */
  onReach?(reach: Reach): void;
}

/** What was found, without its outcome: the caller may find more. */
export type Audited = Omit<VerifyReport, "outcome" | "counts" | "findings">;

/** Looks at everything. @throws what the target throws; nothing is concluded then. */
export async function audit(options: VerifyOptions, signal: AbortSignal): Promise<Audited> {
  const running = new Audit(options);
  try {
    return await running.run(signal);
  } finally {
    running.close();
  }
}

/** The whole report. */
export function reportOf(audited: Audited, findings: Findings, options: { strict: boolean }): VerifyReport {
  const counts = findings.counts();
  return { outcome: outcomeOf(findings, options), ...audited, counts, findings: findings.kept() };
}

class Audit {
  readonly #options: VerifyOptions;
  readonly #sorts: ExternalSort[] = [];
  /** What manifests list: in the target, and in a directory of dead letters. */
  readonly #objects = this.#sort();
  readonly #letters = this.#sort();
  /** Of manifests, and what reports claim. */
  readonly #ranges = this.#sort();
  /** Names of dead letter objects that a redrive has read. */
  readonly #redriven = this.#sort();
  readonly #totals = {
    manifests: 0,
    objects: newObjectTotals(),
    deadLetterObjects: newObjectTotals(),
    unlisted: { objects: 0, byteLength: 0 },
    totals: newRecordTotals(),
    gone: newGoneTotals(),
    redriven: { ...newRecordTotals(), ranges: 0 },
    replays: { reports: 0, unusable: 0, uncovered: 0 },
  };
  readonly #others = new OtherPrefixes();
  readonly #splits = new SplitList();

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<Audited> {
    const { progress, depth, committed } = this.#options;
    await this.#readReports(signal);
    await this.#readManifests(signal);
    progress.stage = "objects";
    await this.#checkObjects(signal);
    progress.stage = "ranges";
    await this.#sweep(signal);
    return {
      depth,
      committed: committed.kind,
      ...this.#totals,
      otherPrefixes: this.#others.list(),
      splitCount: this.#splits.count,
      splits: this.#splits.kept(),
    };
  }

  close(): void {
    for (const sort of this.#sorts) sort.close();
  }

  #sort(): ExternalSort {
    const sort = new ExternalSort({ memoryByteLength: SORT_BYTE_LENGTH });
    this.#sorts.push(sort);
    return sort;
  }

  /** Before manifests: a replay that ends meanwhile writes its report last. */
  async #readReports(signal: AbortSignal): Promise<void> {
    const { target, runtime, findings, losses } = this.#options;
    const { replays } = this.#totals;
    for await (const { key, claims } of readReports(target, runtime, signal)) {
      replays.reports++;
      if (!(claims instanceof ManifestError)) {
        for (const claim of claims) await add(this.#ranges, encodeClaim({ ...claim, report: key }));
        continue;
      }
      replays.unusable++;
      findings.add({
        kind: claims.newer ? "newer-report" : "damaged-report",
        message: `${key}: ${claims.message}`,
        key,
      });
      losses.addUnknown();
    }
  }

  async #readManifests(signal: AbortSignal): Promise<void> {
    const { target, progress, runtime, findings, losses } = this.#options;
    for await (const { key, manifest } of readManifests(target, runtime, signal)) {
      progress.manifests++;
      this.#totals.manifests++;
      if (!(manifest instanceof ManifestError)) {
        await this.#takeManifest(key, manifest);
        continue;
      }
      const kind = manifest.newer ? "newer-manifest" : "damaged-manifest";
      findings.add({ kind, message: `${key}: ${manifest.message}`, key });
      losses.addUnknown();
    }
    if (this.#totals.manifests > 0) return;
    const message = "there are no manifests, so nothing is proved: see whether the config names the right target and " +
      "prefix, and whether anything was written yet";
    findings.add({ kind: "no-manifests", message });
  }

  async #takeManifest(key: string, { ranges, objects, deadLetters, contradiction }: AuditedManifest): Promise<void> {
    if (contradiction !== null) {
      this.#options.findings.add({ kind: "wrong-counts", message: `${key}: ${contradiction}`, key });
    }
    const isRemade = ranges.every(({ split }) => isRedriven(split));
    const claim = { ...spanOf(ranges), manifest: key, isRemade, wrong: null };
    for (const object of objects) {
      await add(this.#objects, encodeExpected({ ...object, ...claim, isDeadLetters: false }));
    }
    if (deadLetters !== null) {
      const sort = this.#options.deadLetters === null ? this.#objects : this.#letters;
      await add(sort, encodeExpected({ ...deadLetters, ...claim, isDeadLetters: true }));
    }
    for (const range of ranges) {
      if (isRedriven(range.split)) {
        this.#totals.redriven.ranges++;
        addRecords(this.#totals.redriven, range);
        await add(this.#redriven, `${splitPart(range.split)}\0`);
      }
      for (const stretch of stretchesOf(range, key)) await add(this.#ranges, encodeRange(stretch));
    }
  }

  async #checkObjects(signal: AbortSignal): Promise<void> {
    const { target, deadLetters } = this.#options;
    const unlisted = this.#sort(), archived = this.#sort(), remade = this.#sort();
    const prefix = deadLetters === null ? DEAD_LETTER_PREFIX : "";
    const check = this.#checkOf(target, (letters) => {
      const name = letters.key.slice(prefix.length);
      if (letters.isRemade) return add(remade, encodeExpected({ ...letters, key: name }));
      return add(archived, encodeExpected({ ...letters, key: `${prefix}${ARCHIVE}${name}` }));
    });
    const onUnlisted = async (listed: ListedObject) => {
      this.#others.look(listed.key);
      if (isData(listed)) await add(unlisted, `${listed.key}\0${listed.byteLength}`);
    };
    await checkObjects(this.#objects, target.list("", signal), { ...check, onUnlisted }, signal);
    this.#options.progress.stage = "dead letters";
    const home = deadLetters ?? target;
    if (this.#letters.total > 0) {
      await checkObjects(this.#letters, home.list("", signal), { ...check, target: home }, signal);
    }
    if (archived.total > 0) {
      const last = this.#checkOf(home, (letters) => {
        this.#findLostLetters({ ...letters, key: letters.key.replace(ARCHIVE, "") });
      });
      await checkObjects(archived, home.list(prefix + ARCHIVE, signal), last, signal);
    }
    for await (const letters of unread(remade, this.#redriven)) {
      this.#findLostLetters({ ...letters, key: prefix + letters.key });
    }
    await this.#countUnlisted(unlisted);
  }

  #checkOf(target: ReadableObjectTarget, onOtherDeadLetters: ObjectCheck["onOtherDeadLetters"]): ObjectCheck {
    const { depth, progress, runtime, findings, losses } = this.#options;
    return {
      ...{ target, depth, progress, runtime, findings, onOtherDeadLetters },
      data: this.#totals.objects,
      deadLetters: this.#totals.deadLetterObjects,
      onBad: (expected) => losses.add(expected),
      onUnlisted: () => {},
    };
  }

  #findLostLetters(letters: ExpectedObject): void {
    const { findings, losses, deadLetters } = this.#options;
    const { key, manifest, byteLength } = letters;
    const where = deadLetters === null ? "" : " in dead-letter.directory on this machine";
    const message = `${key}: missing${where}, ${manifest} lists it; nor was it redriven`;
    findings.add(letters.wrong ?? { kind: "missing-dead-letters", message, key });
    losses.add(letters);
    this.#totals.deadLetterObjects.objects++;
    this.#totals.deadLetterObjects.byteLength += byteLength;
  }

  async #countUnlisted(sort: ExternalSort): Promise<void> {
    const { unlisted } = this.#totals;
    const decoder = new TextDecoder();
    for await (const record of sort.sorted()) {
      const [key, byteLength] = decoder.decode(record).split("\0");
      if (this.#others.has(key)) continue;
      unlisted.objects++;
      unlisted.byteLength += Number(byteLength);
      this.#options.findings.add({ kind: "unlisted-object", message: `${key}: in no manifest`, key });
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { committed, acceptUncovered, acceptLoss, findings, losses, onReach } = this.#options;
    const { replays } = this.#totals;
    const claims = new ClaimSweep(findings);
    const sweep = new CoverageSweep({
      findings,
      committed: committed.kind === "compared" ? committed.positions : null,
      ...{ acceptUncovered, acceptLoss },
      report: (split, reach) => {
        addRecords(this.#totals.totals, split);
        addGone(this.#totals.gone, split.gone);
        this.#splits.add(split);
        if (reach !== null) onReach?.(reach);
      },
    });
    for await (const record of this.#ranges.sorted()) {
      signal.throwIfAborted();
      const range = decodeRange(record);
      if ("report" in range) claims.addClaim(range);
      else {
        claims.addRange(range);
        if (!isRedriven(range.split)) sweep.add(range);
      }
    }
    sweep.end();
    claims.end();
    replays.uncovered = claims.count;
    if (claims.count > 0) losses.addUnknown();
    if (committed.kind === "unknown") findings.add({ kind: "committed-unknown", message: committed.why });
    if (committed.kind === "unreachable") findings.add({ kind: "committed-unreachable", message: committed.why });
  }
}

async function add(sort: ExternalSort, record: string): Promise<void> {
  sort.add(record);
  if (sort.isFull) await sort.spill();
}

/** Dead letters that a redrive made and no later one has read: nothing else deletes them. */
async function* unread(remade: ExternalSort, redriven: ExternalSort): AsyncGenerator<ExpectedObject> {
  if (remade.total === 0) return;
  const names = redriven.sorted();
  try {
    let name = await names.next();
    for await (const record of remade.sorted()) {
      const letters = decodeExpected(record);
      while (!name.done && compareKeys(nameOf(name.value), letters.key) < 0) name = await names.next();
      if (name.done || nameOf(name.value) !== letters.key) yield letters;
    }
  } finally {
    await names.return(undefined);
  }
}

function nameOf(record: Uint8Array): string {
  return new TextDecoder().decode(record.subarray(0, -1));
}

/** Whether readers take it for rows: they skip names that begin with "_" or ".", and consoles make empty "folders". */
function isData({ key }: ListedObject): boolean {
  return !/(^|\/)[_.]/.test(key) && !key.endsWith("/");
}
