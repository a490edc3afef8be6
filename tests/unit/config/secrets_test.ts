import { assertEquals } from "@std/assert";
import { redact, redactUrls } from "../../../src/config/secrets.ts";

Deno.test("redact() shows nothing of a secret, not even its length", () => {
  assertEquals(redact("hunter2", true), "***");
  assertEquals(redact("", true), "***");
  assertEquals(redact("plain", false), "plain");
});

Deno.test("redactUrls() hides passwords and tokens in addresses, and nothing else", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["https://user:pass@host:1/path", "https://***@host:1/path"],
    ["https://token@host", "https://***@host"],
    ["http://u:p@a,http://b,http://u:p@c", "http://***@a,http://b,http://***@c"],
    ["http://u:p/a?s#s@host", "http://***@host"],
    ["http://u:p@ss@host", "http://***@host"],
    ["jdbc:postgresql://u:p@h/db", "jdbc:postgresql://***@h/db"],
    ["jdbc:mysql://h/db?user=u&password=p&ssl=true", "jdbc:mysql://h/db?user=u&password=***&ssl=true"],
    ["https://h/?X-Amz-Signature=abc&a=b", "https://h/?X-Amz-Signature=***&a=b"],
    ["https://h/?access_token=abc", "https://h/?access_token=***"],
    ["https://host:9000/bucket", "https://host:9000/bucket"],
    ["me@example.com", "me@example.com"],
    ["{project}/dt={date}", "{project}/dt={date}"],
    ["127.0.0.1:9092,[::1]:9092", "127.0.0.1:9092,[::1]:9092"],
  ];
  for (const [text, shown] of cases) assertEquals(redactUrls(text), shown, text);
});
