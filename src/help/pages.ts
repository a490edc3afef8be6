/**
 * What the collector's users read: Markdown files, here for whoever looks at the repository, and inside of the program for
 * `collector help`. `terminal_text.ts` makes them readable there. A new page is a file beside this one and a line below.
 */
import avro from "./avro.md" with { type: "text" };
import config from "./config.md" with { type: "text" };
import failures from "./failures.md" with { type: "text" };
import files from "./files.md" with { type: "text" };
import kafka from "./kafka.md" with { type: "text" };
import keys from "./keys.md" with { type: "text" };
import kinesis from "./kinesis.md" with { type: "text" };
import memory from "./memory.md" with { type: "text" };
import migrating from "./migrating.md" with { type: "text" };
import output from "./output.md" with { type: "text" };
import performance from "./performance.md" with { type: "text" };
import promises from "./promises.md" with { type: "text" };
import redrive from "./redrive.md" with { type: "text" };
import replay from "./replay.md" with { type: "text" };
import running from "./running.md" with { type: "text" };
import s3 from "./s3.md" with { type: "text" };
import security from "./security.md" with { type: "text" };
import targets from "./targets.md" with { type: "text" };
import troubleshooting from "./troubleshooting.md" with { type: "text" };
import upgrading from "./upgrading.md" with { type: "text" };
import verify from "./verify.md" with { type: "text" };

/** Markdown by topic, in the order in which people need it. Each begins with a heading and a line that says what it has. */
export const PAGES: Readonly<Record<string, string>> = {
  config,
  kafka,
  kinesis,
  files,
  avro,
  s3,
  output,
  failures,
  replay,
  redrive,
  verify,
  memory,
  performance,
  promises,
  security,
  running,
  upgrading,
  troubleshooting,
  migrating,
  targets,
  keys,
};

/** What a page has, for a list of the pages: the line below its heading. */
export function summaryOf(page: string): string {
  return page.split("\n", 3)[2];
}
