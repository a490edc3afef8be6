/** What manifests say about objects, held against a listing, and against the objects themselves. */
import { retry } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { compareKeys } from "../target/compare_keys.ts";
import type { ListedObject, ReadableObjectTarget } from "../target/target.ts";
import { type Contents, type Depth, readContents } from "./contents.ts";
import type { ExternalSort } from "./external_sort.ts";
import type { Finding, Findings } from "./findings.ts";
import { mapInOrder } from "./in_order.ts";
import type { Progress } from "./progress.ts";
import { READ_RETRIES } from "./read_manifests.ts";
import { decodeExpected, type ExpectedObject } from "./sort_records.ts";

/** Objects that are read at a time. */
const READS_AT_ONCE = 8;

/** One key, with what there should be and what there is. */
interface Row {
  readonly key: string;
  /** As each manifest says that lists it; empty when none does. */
  readonly expected: readonly ExpectedObject[];
  /** Null when there is no such object. */
  readonly listed: ListedObject | null;
}

/** Objects of one kind, by their keys. */
export interface ObjectTotals {
  objects: number;
  byteLength: number;
  /** Of those, the ones that are there and right. */
  good: number;
}

export function newObjectTotals(): ObjectTotals {
  return { objects: 0, byteLength: 0, good: 0 };
}

export interface ObjectCheck {
  readonly target: ReadableObjectTarget;
  readonly depth: Depth;
  readonly findings: Findings;
  readonly progress: Progress;
  readonly runtime: Runtime;
  readonly data: ObjectTotals;
  readonly deadLetters: ObjectTotals;
  /** Told of each claim of a manifest that is not fulfilled. */
  onBad(expected: ExpectedObject): void;
  /** Told of each dead letter object that isn't where its manifest says, or is something else. */
  onOtherDeadLetters(expected: ExpectedObject): void | Promise<void>;
  /** Told of each object that no manifest lists. */
  onUnlisted(listed: ListedObject): void | Promise<void>;
}

/** Goes through both in the order of keys. */
export async function checkObjects(
  expected: ExternalSort,
  listing: AsyncIterable<ListedObject>,
  check: ObjectCheck,
  signal: AbortSignal,
): Promise<void> {
  const rows = join(expected.sorted(), listing);
  const results = mapInOrder(rows, check.depth === "listing" ? 1 : READS_AT_ONCE, async (row) => {
    return { row, wrong: row.listed === null || row.expected.length === 0 ? [] : await checkRow(row, check, signal) };
  });
  for await (const { row, wrong } of results) {
    signal.throwIfAborted();
    await note(row, wrong, check);
  }
}

async function note({ expected, listed }: Row, wrong: readonly Wrong[], check: ObjectCheck): Promise<void> {
  const [first] = expected;
  if (first === undefined) return await check.onUnlisted(listed!);
  if (first.isDeadLetters && (listed === null || wrong.length > 0)) {
    return await check.onOtherDeadLetters({ ...first, wrong: wrong[0]?.finding ?? first.wrong });
  }
  check.progress.objects++;
  const totals = first.isDeadLetters ? check.deadLetters : check.data;
  totals.objects++;
  totals.byteLength += first.byteLength;
  if (listed === null) {
    check.findings.add({
      kind: "missing-object",
      message: `${first.key}: missing, ${first.manifest} lists it`,
      key: first.key,
    });
    check.onBad(first);
    return;
  }
  if (wrong.length === 0) totals.good++;
  for (const { finding, claim } of wrong) {
    check.findings.add(finding);
    check.onBad(claim);
  }
}

/** What a manifest claims and what isn't so. */
interface Wrong {
  readonly finding: Finding;
  readonly claim: ExpectedObject;
}

async function checkRow(row: Row, check: ObjectCheck, signal: AbortSignal): Promise<Wrong[]> {
  const listed = row.listed!;
  const wrong: Wrong[] = [];
  const right: ExpectedObject[] = [];
  for (const claim of row.expected) {
    const { key, byteLength, manifest } = claim;
    if (byteLength === listed.byteLength) right.push(claim);
    else {
      const message = `${key}: has ${listed.byteLength} bytes, ${manifest} says ${byteLength}`;
      wrong.push({ finding: { kind: "wrong-size", message, key }, claim });
    }
  }
  if (right.length === 0 || check.depth === "listing") return wrong;
  const contents = await retry("read object", () => read(row.key, check, signal), {
    policy: READ_RETRIES,
    runtime: check.runtime,
    signal,
  });
  return [...wrong, ...right.flatMap((claim) => compare(claim, contents))];
}

async function read(key: string, { target, depth, progress }: ObjectCheck, signal: AbortSignal) {
  const chunks = await target.get(key, signal);
  if (chunks === null) return null;
  const contents = await readContents(chunks, depth);
  progress.readByteLength += contents.byteLength;
  return contents;
}

function compare(claim: ExpectedObject, contents: Contents | null): Wrong[] {
  const { key, manifest, sha256, rows, rawByteLength } = claim;
  const found = (kind: Finding["kind"], message: string): Wrong[] => [
    { finding: { kind, message: `${key}: ${message}`, key }, claim },
  ];
  if (contents === null) return found("missing-object", "gone since it was listed");
  if (contents.sha256 !== sha256) {
    return found("wrong-checksum", `its SHA-256 is ${contents.sha256}, ${manifest} says ${sha256}`);
  }
  if (contents.damage !== null) return found("damaged-contents", contents.damage);
  if (contents.rows === null) return [];
  if (contents.rows.lines !== rows) {
    return found("wrong-rows", `has ${contents.rows.lines} lines, ${manifest} says ${rows}`);
  }
  if (rawByteLength === null || contents.rows.rawByteLength === rawByteLength) return [];
  return found("wrong-rows", `has ${contents.rows.rawByteLength} bytes unpacked, ${manifest} says ${rawByteLength}`);
}

/** Both in one, by key. */
async function* join(records: AsyncIterable<Uint8Array>, listing: AsyncIterable<ListedObject>): AsyncGenerator<Row> {
  const expected = byKey(records), listed = listing[Symbol.asyncIterator]();
  try {
    let left = await expected.next(), right = await listed.next();
    while (!left.done || !right.done) {
      const order = left.done ? 1 : right.done ? -1 : compareKeys(left.value[0].key, right.value.key);
      yield {
        key: order <= 0 ? left.value![0].key : right.value!.key,
        expected: order <= 0 ? left.value! : [],
        listed: order >= 0 ? right.value! : null,
      };
      if (order <= 0) left = await expected.next();
      if (order >= 0) right = await listed.next();
    }
  } finally {
    await Promise.all([expected.return(undefined), listed.return?.()]);
  }
}

/** Claims about one key together: several manifests may list it. */
async function* byKey(records: AsyncIterable<Uint8Array>): AsyncGenerator<ExpectedObject[]> {
  let same: ExpectedObject[] = [];
  for await (const record of records) {
    const next = decodeExpected(record);
    if (same.length > 0 && same[0].key !== next.key) {
      yield same;
      same = [];
    }
    if (!same.some((other) => isSameClaim(other, next))) same.push(next);
  }
  if (same.length > 0) yield same;
}

function isSameClaim(a: ExpectedObject, b: ExpectedObject): boolean {
  return a.byteLength === b.byteLength && a.sha256 === b.sha256 && a.rows === b.rows &&
    a.rawByteLength === b.rawByteLength;
}
