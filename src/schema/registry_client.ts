/** The part of Confluent's Schema Registry interface that reads. */
import { parseSchema, SchemaError } from "../avro/schema.ts";
import { FatalError, isAbort, RetriableError } from "../runtime/errors.ts";
import { retry, RETRY_UNTIL_STOPPED } from "../runtime/retry.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { withTimeLimit } from "../runtime/time_limit.ts";
import { JSON_SCHEMA, type RegisteredSchema, type SchemaFailure, type SchemaText } from "../avro/known_schema.ts";

/** Answers with more bytes are not read. */
const MAX_ANSWER_BYTE_LENGTH = 8 * 1024 * 1024;
/** The list of all schemas may be longer. */
const MAX_LIST_BYTE_LENGTH = 64 * 1024 * 1024;
/** Schemas that one schema may refer to, in all. */
const MAX_REFERENCES = 256;
/** Answers that send somewhere else, one after the other. */
const MAX_REDIRECTS = 5;
/** The registry's codes for: no such subject, version, schema. */
const NOT_FOUND_CODES = [40401, 40402, 40403];

export interface RegistryOptions {
  readonly urls: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** PEM. */
  readonly caCertificates: readonly string[];
  readonly timeoutMs: number;
  readonly runtime: Runtime;
}

interface Reference {
  readonly subject: string;
  readonly version: number;
}

interface Answer {
  readonly id?: number;
  readonly schema: string;
  readonly schemaType: string;
  readonly references: readonly Reference[];
}

/** Not there: the registry says so itself. */
class NotFound extends Error {}

export class RegistryClient {
  readonly #options: RegistryOptions;
  readonly #headers: Headers;
  readonly #client: Deno.HttpClient | undefined;
  /** The address that answered last. */
  #current = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
    const { user, password, token, caCertificates } = options;
    this.#headers = new Headers({ accept: "application/vnd.schemaregistry.v1+json, application/json" });
    if (token !== undefined) this.#headers.set("authorization", `Bearer ${token}`);
    if (user !== undefined) {
      const bytes = new TextEncoder().encode(`${user}:${password ?? ""}`);
      this.#headers.set("authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`);
    }
    this.#client = caCertificates.length === 0 ? undefined : Deno.createHttpClient({ caCerts: [...caCertificates] });
  }

  close(): void {
    this.#client?.close();
  }

  /**
   * The schema of an id; waits, trying again, while the registry can't be reached or is overloaded.
   *
   * @throws FatalError when it refuses to answer; the signal's reason.
   */
  async byId(id: number, signal: AbortSignal): Promise<RegisteredSchema> {
    const missing = `the registry has no schema with the id ${id}`;
    if (id < 0) return { code: "unknown-schema", reason: missing };
    return await this.#orFailure(missing, async (): Promise<RegisteredSchema> => {
      const answer = answerOf(await this.#get(`schemas/ids/${id}`, MAX_ANSWER_BYTE_LENGTH, signal));
      const { schemaType } = answer;
      if (schemaType === "JSON") return JSON_SCHEMA;
      if (schemaType !== "AVRO") {
        return {
          code: "bad-schema",
          reason: `the schema with the id ${id} is not Avro, but ${schemaType}`,
        };
      }
      return await this.#withReferences(answer, signal);
    });
  }

  /** Asks one address for a schema that there is none of. What is wrong with the answer; null when nothing is. */
  async ping(url: string, signal: AbortSignal): Promise<string | null> {
    const path = `${url.replace(/\/+$/, "")}/schemas/ids/0`;
    const { runtime, timeoutMs } = this.#options;
    try {
      await withTimeLimit(
        { what: `get ${path}`, limitMs: timeoutMs, clock: runtime.clock, signal },
        (limited) => this.#fetch(path, MAX_ANSWER_BYTE_LENGTH, limited),
      );
      return null;
    } catch (error) {
      if (error instanceof NotFound) return null;
      return [error, (error as Error).cause].flatMap((e) => e instanceof Error ? [e.message] : []).join(": ");
    }
  }

  /** All schemas of the registry, to find one by its fingerprint. */
  async all(signal: AbortSignal): Promise<SchemaText[]> {
    let list: unknown;
    try {
      list = await this.#get("schemas", MAX_LIST_BYTE_LENGTH, signal);
    } catch (error) {
      if (!(error instanceof NotFound) && !(error instanceof SchemaError)) throw error;
    }
    if (!Array.isArray(list)) return [];
    const schemas: SchemaText[] = [];
    for (const answer of list.map(answerOf).filter(({ schemaType }) => schemaType === "AVRO")) {
      const found = await this.#orFailure("", () => this.#withReferences(answer, signal));
      if (!("code" in found)) schemas.push(found);
    }
    return schemas;
  }

  async #orFailure<T>(missing: string, find: () => Promise<T>): Promise<T | SchemaFailure> {
    try {
      return await find();
    } catch (error) {
      if (error instanceof NotFound) return { code: "unknown-schema", reason: missing };
      if (error instanceof SchemaError) return { code: "bad-schema", reason: error.message };
      throw error;
    }
  }

  async #withReferences({ schema, references }: Answer, signal: AbortSignal): Promise<SchemaText> {
    const found = new Map<string, string>();
    await this.#addReferences(references, found, signal);
    const text = { json: schema, references: [...found.values()] };
    parseSchema(text.json, text.references);
    return text;
  }

  /** Adds what the references refer to, each after what it refers to itself. */
  async #addReferences(
    references: readonly Reference[],
    found: Map<string, string>,
    signal: AbortSignal,
    path: ReadonlySet<string> = new Set(),
  ): Promise<void> {
    for (const { subject, version } of references) {
      const key = `${version} ${subject}`;
      if (found.has(key)) continue;
      if (path.has(key)) throw new SchemaError(`the schema refers to itself by way of the subject "${subject}"`);
      if (found.size + path.size >= MAX_REFERENCES) {
        throw new SchemaError(`the schema refers to more than ${MAX_REFERENCES} others`);
      }
      const url = `subjects/${encodeURIComponent(subject)}/versions/${version}`;
      const answer = answerOf(await this.#get(url, MAX_ANSWER_BYTE_LENGTH, signal));
      await this.#addReferences(answer.references, found, signal, new Set([...path, key]));
      found.set(key, answer.schema);
    }
  }

  /** The answer's JSON. */
  async #get(path: string, maxByteLength: number, signal: AbortSignal): Promise<unknown> {
    const { urls, runtime, timeoutMs } = this.#options;
    return await retry("schema registry", async () => {
      const url = `${urls[this.#current].replace(/\/+$/, "")}/${path}`;
      try {
        return await withTimeLimit(
          { what: `get ${url}`, limitMs: timeoutMs, clock: runtime.clock, signal },
          (limited) => this.#fetch(url, maxByteLength, limited),
        );
      } catch (error) {
        if (error instanceof RetriableError) this.#current = (this.#current + 1) % urls.length;
        throw error;
      }
    }, { policy: RETRY_UNTIL_STOPPED, runtime, signal });
  }

  async #fetch(url: string, maxByteLength: number, signal: AbortSignal): Promise<unknown> {
    let response: Response;
    let text: string;
    try {
      response = await this.#follow(url, signal);
      text = await readText(response, maxByteLength);
    } catch (error) {
      if (isAbort(error) || signal.aborted || error instanceof SchemaError || error instanceof FatalError) throw error;
      throw new RetriableError(`the schema registry at ${url} can't be reached`, { cause: error });
    }
    const json = parsed(text);
    if (response.ok && json !== undefined) return json;
    return refuse(response.status, url, json);
  }

  /** Our credentials go to the host of the config alone, and never from https to http. */
  async #follow(url: string, signal: AbortSignal): Promise<Response> {
    for (let to = new URL(url), redirects = 0;; redirects++) {
      const init = { headers: this.#headers, signal, client: this.#client, redirect: "manual" };
      const response = await fetch(to, init as RequestInit);
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) return response;
      await response.body?.cancel();
      const next = new URL(location, to);
      if (next.hostname !== to.hostname || (to.protocol === "https:" && next.protocol !== "https:")) {
        throw new FatalError(
          `${url} sends on to ${next.origin}, where nothing is asked: correct schema.registry.url if that is right`,
        );
      }
      if (redirects === MAX_REDIRECTS) throw new FatalError(`${url} sends on more than ${MAX_REDIRECTS} times`);
      to = next;
    }
  }
}

function refuse(status: number, url: string, json: unknown): never {
  const { error_code: code, message } = (typeof json === "object" && json !== null ? json : {}) as {
    error_code?: unknown;
    message?: unknown;
  };
  const said = typeof message === "string" ? `: ${message.slice(0, 200)}` : "";
  if (status === 404 && NOT_FOUND_CODES.includes(code as number)) throw new NotFound();
  if (status === 401 || status === 403) {
    throw new FatalError(`the schema registry refuses the credentials (${status} from ${url})${said}`);
  }
  const mayPass = status === 429 || status === 408 || status >= 500 || (status >= 200 && status < 300);
  if (mayPass) {
    throw new RetriableError(`the schema registry answered ${status} to ${url}${said}`, { throttled: status === 429 });
  }
  throw new FatalError(`${url} answered ${status}, as no schema registry would${said}: check schema.registry.url`);
}

async function readText(response: Response, maxByteLength: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "", byteLength = 0;
  for await (const part of response.body ?? []) {
    byteLength += part.length;
    if (byteLength > maxByteLength) throw new SchemaError(`the registry's answer has more than ${maxByteLength} bytes`);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws SchemaError when it holds no schema. */
function answerOf(json: unknown): Answer {
  const { id, schema, schemaType, references } = (json ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof schema !== "string") throw new SchemaError("the registry's answer has no schema");
  return {
    id: typeof id === "number" ? id : undefined,
    schema,
    schemaType: typeof schemaType === "string" ? schemaType : "AVRO",
    references: (Array.isArray(references) ? references : []).filter((reference): reference is Reference =>
      typeof reference?.subject === "string" && typeof reference?.version === "number"
    ),
  };
}
