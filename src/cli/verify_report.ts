/** What an audit found, for people. */
import type { Position } from "../records/position.ts";
import type { ObjectTotals } from "../verify/check_objects.ts";
import type { Segment, SplitReport } from "../verify/coverage.ts";
import { type Finding, FINDING_KINDS, type FindingKind, type Severity } from "../verify/findings.ts";
import type { RecordTotals, VerifyReport } from "../verify/report.ts";
import { formatBytes, formatCount } from "../runtime/format.ts";

/** Of a list that may be long. */
const MAX_LINES = 20;
/** A position that is longer (a sequence number of Kinesis) is shortened in the table; findings have all of it. */
const MAX_POSITION_LENGTH = 20;

/** One and several. */
const TITLES: Readonly<Record<FindingKind, readonly [string, string]>> = {
  "committed-beyond": ["split is committed beyond its manifests", "splits are committed beyond their manifests"],
  "uncovered-split": ["split is committed and in no manifest", "splits are committed and in no manifest"],
  "gap": ["gap", "gaps"],
  "expired": ["stretch had expired before it was read", "stretches had expired before they were read"],
  "skipped": ["stretch was skipped", "stretches were skipped"],
  "uncovered-replay": ["part of a replay is in no manifest", "parts of replays are in no manifest"],
  "missing-object": ["object is missing", "objects are missing"],
  "missing-dead-letters": ["object of dead letters is missing", "objects of dead letters are missing"],
  "wrong-size": ["object has a wrong size", "objects have a wrong size"],
  "wrong-checksum": ["object has a wrong checksum", "objects have a wrong checksum"],
  "wrong-rows": ["object has other rows", "objects have other rows"],
  "damaged-contents": ["object is damaged", "objects are damaged"],
  "damaged-manifest": ["manifest is damaged", "manifests are damaged"],
  "damaged-report": ["report of a replay is damaged", "reports of replays are damaged"],
  "wrong-counts": ["manifest contradicts itself", "manifests contradict themselves"],
  "newer-manifest": ["manifest is of a later version", "manifests are of a later version"],
  "newer-report": ["report of a replay is of a later version", "reports of replays are of a later version"],
  "no-manifests": ["nothing to verify", "nothing to verify"],
  "committed-unreachable": ["source can't be asked", "sources can't be asked"],
  "pending-gap": ["gap is not behind yet", "gaps are not behind yet"],
  "accepted-loss": ["stretch is lost, which was accepted", "stretches are lost, which was accepted"],
  "overlap": ["range is there twice", "ranges are there twice"],
  "unlisted-object": ["object is in no manifest", "objects are in no manifest"],
  "committed-unknown": ["committed position is not known", "committed positions are not known"],
  "ends-unknown": ["end is not known", "ends are not known"],
};

const LABELS: Readonly<Record<Severity, string>> = { error: "FAILED ", undone: "UNKNOWN", warning: "warning" };

const OUTCOMES: Readonly<Record<VerifyReport["outcome"], string>> = {
  ok: "everything is there",
  incomplete: "something is missing or damaged",
  undone: "not everything could be looked at",
};

export function formatReport(report: VerifyReport): string {
  const findings = (Object.keys(FINDING_KINDS) as FindingKind[]).map((kind) => formatKind(kind, report)).join("");
  return [formatTotals(report), formatSplits(report), findings, `${outcomeLine(report)}\n`]
    .filter((part) => part !== "").join("\n");
}

/** With --strict, warnings make an outcome that no title of theirs says. */
function outcomeLine({ outcome, counts }: VerifyReport): string {
  const isError = (Object.keys(counts) as FindingKind[]).some((kind) => FINDING_KINDS[kind] === "error");
  return outcome === "incomplete" && !isError ? "something is there twice, or in no manifest" : OUTCOMES[outcome];
}

function formatTotals(report: VerifyReport): string {
  const { manifests, objects, deadLetterObjects, unlisted, redriven, replays, otherPrefixes, hourMarkers } = report;
  const checked =
    { listing: "sizes", checksums: "sizes and checksums", deep: "sizes, checksums and rows" }[report.depth];
  const lines: [string, string][] = [
    ["manifests", formatCount(manifests)],
    ["objects", `${formatObjects(objects)}; ${checked} compared`],
    ["records", formatRecords(report.totals)],
  ];
  if (report.gone.expired + report.gone.skipped > 0) lines.push(["lost", formatGone(report.gone)]);
  if (deadLetterObjects.objects > 0) lines.push(["dead letters", formatObjects(deadLetterObjects)]);
  if (redriven.ranges > 0) lines.push(["redriven", formatRecords(redriven)]);
  if (replays.reports > 0) lines.push(["replays", formatReplays(replays)]);
  if (unlisted.objects > 0) {
    lines.push(["unlisted", `${formatCount(unlisted.objects)} objects, ${formatBytes(unlisted.byteLength)}`]);
  }
  if (report.committed === "ignored") lines.push(["committed", "not compared"]);
  for (const prefix of cut(otherPrefixes, (prefix) => prefix)) {
    lines.push(["elsewhere", `${prefix} has manifests of its own: see --prefix`]);
  }
  if (hourMarkers !== undefined) lines.push(["hour markers", `${formatCount(hourMarkers.written)} written`]);
  const parents = cut(hourMarkers?.parents ?? [], ({ parent, completeUntil, heldBackBy }) => {
    const until = completeUntil === null ? "no hour is complete" : `complete until ${completeUntil.slice(0, 13)}h UTC`;
    return `${parent}: ${until}${heldBackBy === null ? "" : `, ${heldBackBy} is the one that is least far`}`;
  });
  for (const line of parents) lines.push(["", line]);
  return lines.map(([name, text]) => `${name.padEnd(12)}  ${text}\n`).join("");
}

function formatObjects({ objects, byteLength, good }: ObjectTotals): string {
  const count = `${formatCount(objects)}, ${formatBytes(byteLength)}`;
  return good === objects ? `${count}, all there` : `${count}, ${formatCount(objects - good)} of them missing or wrong`;
}

function formatRecords({ records, rows, deadLetters, dropped }: RecordTotals): string {
  const parts = [`${formatCount(rows)} rows`];
  if (deadLetters > 0) parts.push(`${formatCount(deadLetters)} dead letters`);
  if (dropped > 0) parts.push(`${formatCount(dropped)} dropped`);
  return `${formatCount(records)}: ${parts.join(", ")}`;
}

/** "2 stretches expired, 1 skipped; up to 150 records, and of 1 nobody knows how many". */
function formatGone({ expired, skipped, records, unknown }: VerifyReport["gone"]): string {
  const stretches = `${formatCount(expired)} stretches expired, ${formatCount(skipped)} skipped`;
  const open = unknown > 0 ? `, and of ${formatCount(unknown)} nobody knows how many` : "";
  return `${stretches}; up to ${formatCount(records)} records${open}`;
}

/** "2 reports, all covered". */
function formatReplays({ reports, unusable, uncovered }: VerifyReport["replays"]): string {
  const parts = [`${formatCount(reports)} ${reports === 1 ? "report" : "reports"}`];
  if (unusable > 0) parts.push(`${formatCount(unusable)} of them can't be used`);
  if (uncovered > 0) parts.push("not all covered");
  if (unusable + uncovered === 0) parts.push("all covered");
  return parts.join(", ");
}

const COLUMNS = ["split", "covered", "units", "records", "rows", "dead letters", "dropped", "gaps", "overlaps"];

function formatSplits({ splits, splitCount }: VerifyReport): string {
  if (splitCount === 0) return "";
  const rows = splits.slice(0, MAX_LINES).map((split) => [
    split.split,
    coveredText(split),
    ...[split.units, split.records, split.rows, split.deadLetters, split.dropped, split.gaps, split.overlaps]
      .map(formatCount),
  ]);
  const lines = formatTable([COLUMNS, ...rows]);
  const more = splitCount - rows.length;
  return lines + (more > 0 ? `and ${formatCount(more)} more splits\n` : "");
}

/** Columns side by side: the first two from the left, numbers from the right. */
function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
    return `${cells.join("  ").trimEnd()}\n`;
  }).join("");
}

function coveredText({ covered, coveredCount }: SplitReport): string {
  const text = ({ start, next }: Segment) => `${shortPosition(start)} to ${shortPosition(next)}`;
  if (coveredCount === 1) return text(covered[0]);
  return `${text(covered[0])} and ${formatCount(coveredCount - 1)} more parts`;
}

function shortPosition(position: Position): string {
  if (/^9{64}$/.test(position)) return "its end"; // of a shard
  if (position.length <= MAX_POSITION_LENGTH) return position;
  return `${position.slice(0, 4)}...${position.slice(-(MAX_POSITION_LENGTH - 7))}`;
}

function formatKind(kind: FindingKind, { findings, counts }: VerifyReport): string {
  const count = counts[kind] ?? 0;
  if (count === 0) return "";
  const [one, several] = TITLES[kind];
  const title = `${LABELS[FINDING_KINDS[kind]]}  ${formatCount(count)} ${count === 1 ? one : several}\n`;
  const kept = findings.filter((finding) => finding.kind === kind);
  return title + cut(kept, ({ message }: Finding) => message, count).map((line) => `         ${line}\n`).join("");
}

/** The first lines, and how many there are besides. */
function cut<T>(items: readonly T[], line: (item: T) => string, count = items.length): string[] {
  const lines = items.slice(0, MAX_LINES).map(line);
  return count > lines.length ? [...lines, `and ${formatCount(count - lines.length)} more`] : lines;
}
