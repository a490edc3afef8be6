import { resolve } from "node:path";
import type { SourceContext } from "../source.ts";
import { Paths } from "./paths.ts";
import { type ConfigOf, option } from "../../config/option.ts";

export const fileOptions = {
  path: option.list("file.path", {
    exact: true,
    required: true,
    doc:
      "Files to read, one JSON record a line or Avro object container files: paths and globs (*, ?, [a-z], {a,b}, and ** for any directories), " +
      '"-" for standard input, "sample:" for the sample events that come with the collector. Compressed files (gzip, ' +
      "zstd, bzip2, xz) are recognised by their contents. Names that begin with a dot need a glob that says so.",
  }),
  exclude: option.list("file.exclude", {
    exact: true,
    whenUnset: "nothing",
    doc:
      "Files that the globs of file.path leave out: globs of paths, or of names alone where they have no / (*.tmp). What " +
      "the collector writes itself is left out anyway.",
  }),
  followLinks: option.boolean("file.follow-links", {
    default: "false",
    doc:
      "Whether symbolic links that globs find are followed, to files and to directories (as in /var/log/containers): " +
      "whoever may write to a watched folder can make this process read any file by them. Links to nowhere and circles " +
      "are left out, with a warning. A path without a glob may be a link in any case.",
  }),
  follow: option.boolean("file.follow", {
    default: "false",
    doc:
      "Whether to go on when everything was read: wait for lines that are appended and for files that appear, until " +
      "the collector is stopped. A last line without a line end is then left until its line end comes; otherwise it is " +
      "a record too. Files are told apart by device and inode, so rotation by renaming and by truncating is understood.",
  }),
  checkpoint: option.string("file.checkpoint", {
    exact: true,
    default: "./out/_checkpoint.json",
    doc: "The file that says how far every file was read and stored. Each collector needs its own; delete it to read " +
      "everything again. Standard input can't be read again, so nothing is kept for it.",
  }),
  offset: option.enumeration("file.offset", ["earliest", "latest"], {
    default: "earliest",
    doc:
      "Where to begin, with file.follow, in the files that are there at the very first start (without a checkpoint " +
      "file). Files that appear later are always read from their beginning.",
  }),
  scanIntervalMs: option.duration("file.scan-interval", {
    default: "1s",
    min: 10,
    doc:
      "How often to look, with file.follow, for lines that were appended and for files that appeared or went. Files " +
      "that grow are looked at ten times a second: what is cut away by then (copytruncate) can't be kept, while rotation " +
      "by renaming loses nothing.",
  }),
  rotateWaitMs: option.duration("file.rotate-wait", {
    default: "5s",
    doc: "How long to wait, with file.follow, for more lines in a file that was deleted or renamed to something that " +
      "file.path doesn't name. Then it is closed, and a last line without a line end is a record too.",
  }),
  maxOpen: option.integer("file.max-open", {
    default: "100",
    min: 1,
    max: 10_000,
    doc: "Files open at a time. When there are more with something to read, they take turns.",
  }),
};

export type FileConfig = ConfigOf<typeof fileOptions>;

/** What `file.path` names, without what is left out. */
export function pathsOf(
  { path, exclude, followLinks, checkpoint }: FileConfig,
  { target }: Pick<SourceContext, "target">,
): Paths {
  const own = resolve(checkpoint);
  return new Paths(path, {
    exclude,
    followLinks,
    ownDirectories: target?.directories,
    ownFiles: [own, `${own}.lock`, `${own}.tmp`],
  });
}
