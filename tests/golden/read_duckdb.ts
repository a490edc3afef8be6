/**
 * Runs SQL in DuckDB and prints the rows as JSON, one line a query: `deno run -A --no-lock --no-config read_duckdb.ts SQL...`
 *
 * A program of its own, with a name that no tool finds before it runs: DuckDB is 140 MB on disk, and what stands in
 * deno.json or deno.lock is downloaded before any run of anything, and embedded by `deno compile`.
 */
interface DuckDb {
  readonly DuckDBInstance: {
    create(path: string): Promise<
      { connect(): Promise<{ runAndReadAll(sql: string): Promise<{ getRowsJson(): unknown }> }> }
    >;
  };
}

const name = "npm:@duckdb/node-api", version = "1.5.4-r.1";
const { DuckDBInstance }: DuckDb = await import(`${name}@${version}`);
const connection = await (await DuckDBInstance.create(":memory:")).connect();
for (const sql of Deno.args) {
  const rows = (await connection.runAndReadAll(sql)).getRowsJson();
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(rows)}\n`));
}
Deno.exit(0);
