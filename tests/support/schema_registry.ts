/** A schema registry with Confluent's interface, as far as readers need it, that can be made to fail. */
import { Condition } from "../../src/runtime/condition.ts";

interface Registered {
  readonly schema: string;
  readonly schemaType?: string;
  readonly references?: readonly { name: string; subject: string; version: number }[];
}

/** What to do with a request in place of answering it. */
export type RegistryFault =
  | "error"
  | "throttle"
  | "reset"
  | "hang"
  | "garbage"
  | "unauthorized"
  | { readonly redirect: string };

export class FakeRegistry implements AsyncDisposable {
  /** Paths of all requests, in order. */
  readonly requests: string[] = [];
  /** What the next requests come to, one each; then all are answered. */
  readonly faults: RegistryFault[] = [];
  /** The value of `authorization` without which requests are refused; null when none is needed. */
  authorization: string | null = null;
  /** Notified when a request is left without an answer. */
  readonly hung = new Condition();
  readonly #byId = new Map<number, Registered>();
  readonly #bySubject = new Map<string, Registered>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #closed = new AbortController();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  add(id: number, schema: unknown, fields: Partial<Registered> = {}): void {
    this.#byId.set(id, { schema: typeof schema === "string" ? schema : JSON.stringify(schema), ...fields });
  }

  addSubject(subject: string, version: number, schema: unknown, fields: Partial<Registered> = {}): void {
    this.#bySubject.set(`${subject}/${version}`, { schema: JSON.stringify(schema), ...fields });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const path = decodeURIComponent(new URL(request.url).pathname);
    this.requests.push(path);
    const fault = this.faults.shift();
    if (fault !== undefined) return await this.#fail(fault);
    if (this.authorization !== null && request.headers.get("authorization") !== this.authorization) {
      return Response.json({ error_code: 401, message: "Unauthorized" }, { status: 401 });
    }
    const [kind, second, third, version] = path.split("/").slice(1);
    if (path === "/schemas") return Response.json([...this.#byId].map(([id, found]) => ({ id, ...found })));
    if (kind === "schemas" && second === "ids") return found(this.#byId.get(Number(third)), 40403);
    if (kind === "subjects" && third === "versions") return found(this.#bySubject.get(`${second}/${version}`), 40401);
    return new Response("<html>no such page</html>", { status: 404 });
  }

  async #fail(fault: RegistryFault): Promise<Response> {
    if (typeof fault === "object") return Response.redirect(fault.redirect);
    switch (fault) {
      case "error":
        return Response.json({ error_code: 50001, message: "Error in the backend data store" }, { status: 500 });
      case "throttle":
        return new Response("", { status: 429 });
      case "garbage":
        return new Response("<html>a proxy's page</html>", { status: 200 });
      case "unauthorized":
        return Response.json({ error_code: 401, message: "Unauthorized" }, { status: 401 });
      case "reset": // an answer cut off before its length; a stream that fails would be printed by Deno
        return new Response(new Blob(['{"schema":']).stream(), { headers: { "content-length": "100" } });
      case "hang":
        this.hung.notify();
        await new Promise<void>((resolve) => this.#closed.signal.addEventListener("abort", () => resolve()));
        return new Response("");
    }
  }
}

function found(schema: Registered | undefined, code: number): Response {
  if (schema !== undefined) return Response.json(schema);
  return Response.json({ error_code: code, message: "not found" }, { status: 404 });
}
