/** Files that we wrote, read by programs that others wrote: what comes out must be the rows that went in. */
import { assert, assertEquals } from "@std/assert";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  GOLDEN_ROWS,
  type GoldenFile,
  goldenFiles,
  goldenPages,
  goldenText,
  ROWS_A_PAGE,
  samplePages,
} from "./files.ts";
import { testWith } from "../support/programs.ts";
import { inScratchDirectory } from "../support/scratch.ts";

const pages = goldenPages();
const rakamText = goldenText(pages, "rakam");
const utf8 = new TextDecoder("utf-8", { fatal: true });

function onlyFile(rowFormat: "rakam" | "flat", compression: "gzip" | "zstd"): GoldenFile {
  const files = goldenFiles(pages, { rowFormat, compression });
  assertEquals(files.length, 1);
  assert(files[0].pieceCount > 10, `only ${files[0].pieceCount} pieces`);
  return files[0];
}

/** Writes the files below a new folder, runs the action there, removes them. */
function withFiles(files: readonly GoldenFile[], action: (folder: string) => Promise<void>): Promise<void> {
  return inScratchDirectory(async (folder) => {
    for (const { key, bytes } of files) {
      await Deno.mkdir(`${folder}/${key}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeFile(`${folder}/${key}`, bytes);
    }
    await action(folder);
  });
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, stdout: "piped", stderr: "piped" })
    .output();
  assert(success, `${command} failed: ${new TextDecoder().decode(stderr)}`);
  return utf8.decode(stdout);
}

/** Equal, without printing megabytes when they aren't. */
function assertSameText(actual: string, expected: string): void {
  if (actual === expected) return;
  assertEquals(actual.length, expected.length, "lengths differ");
  const at = [...actual].findIndex((char, i) => char !== expected[i]);
  assertEquals(actual.slice(at, at + 80), expected.slice(at, at + 80), `texts differ at ${at}`);
}

function testProgram(program: string, args: string[], compression: "gzip" | "zstd", versionArgs = ["--version"]): void {
  testWith(program, versionArgs, `${program} reads ${compression} files`, () => {
    const file = onlyFile("rakam", compression);
    return withFiles([file], async (folder) => {
      assertSameText(await run(program, ...args, `${folder}/${file.key}`), rakamText);
    });
  });
}

testProgram("zcat", [], "gzip");
testProgram("zstdcat", [], "zstd");
testProgram("python3", [
  "-c",
  "import gzip, shutil, sys; shutil.copyfileobj(gzip.open(sys.argv[1]), sys.stdout.buffer)",
], "gzip");
testProgram("java", [new URL("ReadGzip.java", import.meta.url).pathname], "gzip", [
  // Only a JDK, not a JRE, can run a source file.
  "--describe-module",
  "jdk.compiler",
]);

for (const rowFormat of ["rakam", "flat"] as const) {
  Deno.test(`${rowFormat} rows are those of rows.${rowFormat}.ndjson, byte by byte`, async () => {
    const recorded = await Deno.readTextFile(new URL(`rows.${rowFormat}.ndjson`, import.meta.url));
    assertEquals(goldenText(samplePages(), rowFormat).split("\n"), recorded.split("\n"));
  });
}

Deno.test("JSON.parse reads every line, and every value is the one that went in", () => {
  const lines = rakamText.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.length, GOLDEN_ROWS);
  const { properties, ...head } = lines[7001];
  assertEquals(head, { _time: 1_793_498_201_000, $schema: "shop", $table: "click", _user: "u17" });
  assertEquals(properties, {
    id: 7001,
    big: Number(2n ** 63n - 1n - 7001n),
    price: 392.57,
    ratio: 1 / 7002,
    text: "é7001",
    flag: false,
    day: "2024-10-05",
    at: "2026-11-01T00:00:00.007001Z",
    list: [7001],
    json: { deep: [{ id: 7001 }] },
  });
  for (const [id, line] of lines.entries()) assertEquals(line.properties.id, id);
});

Deno.test("this runtime's gunzip and DecompressionStream read gzip files", async () => {
  const { bytes } = onlyFile("rakam", "gzip");
  assertSameText(utf8.decode(gunzipSync(bytes)), rakamText);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  assertSameText(await new Response(stream).text(), rakamText);
});

Deno.test("fetch reads gzip and zstd files that are sent with their Content-Encoding", async () => {
  for (const compression of ["gzip", "zstd"] as const) {
    const { bytes } = onlyFile("rakam", compression);
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      return new Response(bytes, {
        headers: { "content-encoding": compression, "content-type": "application/x-ndjson" },
      });
    });
    try {
      const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
      if (compression === "zstd" && response.headers.has("content-encoding")) {
        // Not every runtime's fetch knows zstd: then it says so, by leaving header and body as they are.
        assertEquals(new Uint8Array(await response.arrayBuffer()), bytes);
      } else {
        assertSameText(await response.text(), rakamText);
      }
    } finally {
      await server.shutdown();
    }
  }
});

Deno.test("node:zlib reads a zstd file's first frame whole", () => {
  const text = utf8.decode(zstdDecompressSync(onlyFile("rakam", "zstd").bytes));
  assert(text.length > 90_000 && rakamText.startsWith(text) && text.endsWith("}}\n"));
});

/** The answers of DuckDB, a list of rows a query. */
async function duckdb(...queries: string[]): Promise<unknown[][]> {
  const program = new URL("read_duckdb.ts", import.meta.url).pathname;
  const lines = await run(Deno.execPath(), "run", "-A", "--no-lock", "--no-config", program, ...queries);
  return lines.trimEnd().split("\n").map((line) => JSON.parse(line));
}

const SUM = String((GOLDEN_ROWS - 1) * GOLDEN_ROWS / 2);

Deno.test("DuckDB reads gzip and zstd files of rakam rows", async () => {
  const files = [onlyFile("rakam", "gzip"), onlyFile("rakam", "zstd")];
  await withFiles(files, async (folder) => {
    const query = ({ key }: GoldenFile) =>
      `select "$table", count(*)::int, count(_user)::int, min(_time)::text, max(properties.id)::int,
        min(properties.big)::text from read_json('${folder}/${key}', format = 'newline_delimited') group by 1 order by 1`;
    const big = (id: number) => String(2n ** 63n - 1n - BigInt(id));
    const expected = [
      ["click", ROWS_A_PAGE, 3200, "1793495200000", 2 * ROWS_A_PAGE - 1, big(2 * ROWS_A_PAGE - 1)],
      ["order", 300, 240, "1793499200000", GOLDEN_ROWS - 1, big(GOLDEN_ROWS - 1)],
      ["page_view", ROWS_A_PAGE, 3200, "1793491200000", ROWS_A_PAGE - 1, big(ROWS_A_PAGE - 1)],
    ];
    assertEquals(await duckdb(...files.map(query)), [expected, expected]);
  });
});

Deno.test("DuckDB reads flat rows with their types, by the folders of a key template", async () => {
  const files = goldenFiles(pages, {
    rowFormat: "flat",
    compression: "gzip",
    template: "p={project}/{table}/dt={date}/hour={hour}",
  });
  assertEquals(files.map(({ key }) => key).sort(), [
    "p=shop/click/dt=2026-11-01/hour=01/golden-0000.ndjson.gz",
    "p=shop/click/dt=2026-11-01/hour=02/golden-0000.ndjson.gz",
    "p=shop/order/dt=2026-11-01/hour=02/golden-0000.ndjson.gz",
    "p=shop/page_view/dt=2026-11-01/hour=00/golden-0000.ndjson.gz",
    "p=shop/page_view/dt=2026-11-01/hour=01/golden-0000.ndjson.gz",
  ]);
  await withFiles(files, async (folder) => {
    const from = `from read_json('${folder}/**/*.gz', format = 'newline_delimited', hive_partitioning = true)`;
    const [sums, types, row] = await duckdb(
      `select count(*)::int, sum(id)::text, count(price)::int, count(distinct text)::int, count(distinct (dt, hour))::int,
        min(p) ${from}`,
      `select typeof(id), typeof(big), typeof(price), typeof(flag), typeof(day), typeof("at"), typeof(list), typeof(dt) ${from} limit 1`,
      `select id::int, text, ratio, day::text, list::text ${from} where id in (3, 4, 8000) order by id`,
    );
    const prices = GOLDEN_ROWS - Math.ceil(GOLDEN_ROWS / 3);
    assertEquals(sums, [[GOLDEN_ROWS, SUM, prices, GOLDEN_ROWS, 3, "shop"]]);
    assertEquals(types, [["BIGINT", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "BIGINT[]", "DATE"]]);
    assertEquals(row, [
      [3, "\u0000\u001f3", 1 / 4, "2024-10-07", "[3, 4, 5]"],
      [4, "\u20284", 1 / 5, "2024-10-08", "[]"],
      [8000, "\u0000\u001f8000", 1 / 8001, "2024-10-04", "[]"],
    ]);
  });
});
