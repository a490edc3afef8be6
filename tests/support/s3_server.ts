import { Buffer } from "node:buffer";
import { Condition } from "../../src/runtime/condition.ts";
import { type FauxqsServer, startFauxqs } from "fauxqs";
import { type Misbehaviour, type RawAnswer, startFront } from "./http_front.ts";
import { type RawRequest, verifySignature } from "./sigv4.ts";

/** The requests of S3 that the target makes. */
export type S3Operation =
  | "PutObject"
  | "CreateMultipartUpload"
  | "UploadPart"
  | "CompleteMultipartUpload"
  | "AbortMultipartUpload"
  | "HeadBucket"
  | "ListObjectsV2"
  | "GetObject"
  | "DeleteObject"
  | "Other";

export interface S3Request extends RawRequest {
  readonly operation: S3Operation;
  /** Decoded; "" for requests about the bucket. */
  readonly key: string;
}

/** What to do wrong. */
export type S3Fault =
  /** Answers with an error instead of doing it. */
  | {
    readonly status: number;
    readonly code?: string;
    readonly message?: string;
    readonly headers?: Readonly<Record<string, string>>;
  }
  /** Answers with this, whatever it is, instead of doing it. */
  | { readonly answer: RawAnswer }
  /** Never answers and does nothing. */
  | "hang"
  /** Does it, and never answers. */
  | "do and hang"
  /** Closes the connection and does nothing. */
  | "close"
  /** Closes the connection before it has read the body, and does nothing: the client sees a reset. */
  | "reset"
  /** Does it, and closes the connection without an answer. */
  | "lose answer"
  /** Does it, and closes the connection in the middle of the answer. */
  | "truncate answer";

export interface S3Faults {
  /** The next `times` (default 1) requests of these operations (default any) fare like this. Rules are used in order. */
  add(fault: S3Fault, options?: { times?: number; operations?: readonly S3Operation[] }): void;
  /** Faults for good; a function that may look at the request. Undefined: none. */
  always(fault: ((request: S3Request) => S3Fault | undefined) | undefined): void;
  /** Forgets all faults. */
  clear(): void;
}

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretAccessKey: string;
  /** Lines of a config that reach this server. */
  readonly config: Readonly<Record<string, string>>;
  readonly faults: S3Faults;
  /** All requests so far, faulty ones too. */
  readonly requests: S3Request[];
  /** Notified each time a request is left without an answer. */
  readonly hung: Condition;
  /** Connections that are open now. */
  connections(): number;
  /** The most keys of a page of a listing: 1,000 as with S3, unless this says otherwise. */
  setListPageSize(keys: number): void;
  /** Moves the server's clock this far ahead of this machine's. */
  setSkewMs(skewMs: number): void;
  /** Makes another bucket. */
  createBucket(bucket: string): void;
  /** Keys of the stored objects, sorted. */
  list(prefix?: string, bucket?: string): Promise<string[]>;
  /** An object's contents, or undefined. */
  get(key: string, bucket?: string): Promise<Uint8Array | undefined>;
  /** An object's headers, or undefined. */
  head(key: string, bucket?: string): Promise<Headers | undefined>;
  /** Stores and removes objects behind the back of whoever is tested. */
  put(key: string, bytes: Uint8Array, bucket?: string): Promise<void>;
  remove(key: string, bucket?: string): Promise<void>;
  /** The unfinished uploads, by key. */
  uploads(bucket?: string): { readonly key: string; readonly partCount: number }[];
  close(): Promise<void>;
}

export interface S3ServerOptions {
  readonly bucket?: string;
  readonly accessKey?: string;
  readonly secretAccessKey?: string;
}

/**
 * An S3 server in this process: fauxqs behind a front that checks signatures and misbehaves when it is told to. A single
 * PUT may have 12 MB at the most (a limit of fauxqs); larger objects go in parts. fauxqs lists keys in the order of a
 * language; the front lists them as S3 does, by their bytes.
 */
export async function startS3(options: S3ServerOptions = {}): Promise<S3Server> {
  const { bucket = "events", accessKey = "AKIATEST", secretAccessKey = "test/secret+key" } = options;
  const store = await startFauxqs({ port: 0, host: "127.0.0.1", logger: false });
  store.createBucket(bucket);
  const origin = `http://127.0.0.1:${store.port}`;
  const requests: S3Request[] = [];
  const faults = new FaultList(), hung = new Condition();
  const uploads = new UploadList();
  let skewMs = 0, listPageSize = 1000;
  const resets = (raw: RawRequest) => faults.next(classify(raw), "reset") === "reset";
  const handle = async (raw: RawRequest) => {
    const request = classify(raw);
    requests.push(request);
    const date = { date: new Date(Date.now() + skewMs).toUTCString() };
    const refusal = verifySignature(raw, { accessKey, secretAccessKey }, Date.now() + skewMs);
    const fault = faults.next(request) ?? refusal;
    const doIt = async () =>
      request.operation === "ListObjectsV2"
        ? await listPage(request, origin, listPageSize)
        : uploads.watch(request, await forward(request, origin));
    const outcome = await answer(fault, doIt, date);
    if (outcome === "hang") hung.notify();
    return outcome;
  };
  const front = startFront({ resets, handle });
  const endpoint = `http://127.0.0.1:${front.port}`;
  return {
    endpoint,
    bucket,
    accessKey,
    secretAccessKey,
    config: {
      "target.aws.s3-bucket": bucket,
      "target.aws.s3-endpoint": endpoint,
      "target.aws.region": "us-east-1",
      "target.access-key": accessKey,
      "target.secret-access-key": secretAccessKey,
    },
    faults,
    requests,
    hung,
    connections: () => front.connections(),
    setListPageSize: (keys) => listPageSize = keys,
    setSkewMs: (ms) => skewMs = ms,
    createBucket: (name) => store.createBucket(name),
    ...inspection(origin, bucket),
    uploads: (name = bucket) => uploads.unfinished(name),
    close: () => stop(store, front),
  };
}

async function stop(store: FauxqsServer, front: { close(): Promise<void> }): Promise<void> {
  await front.close();
  await store.stop();
}

class FaultList implements S3Faults {
  #rules: { fault: S3Fault; times: number; operations: readonly S3Operation[] | undefined }[] = [];
  #always: ((request: S3Request) => S3Fault | undefined) | undefined;

  add(fault: S3Fault, { times = 1, operations }: { times?: number; operations?: readonly S3Operation[] } = {}): void {
    this.#rules.push({ fault, times, operations });
  }

  always(fault: ((request: S3Request) => S3Fault | undefined) | undefined): void {
    this.#always = fault;
  }

  clear(): void {
    this.#rules = [];
    this.#always = undefined;
  }

  /** What happens to the request; with `only`, asked before its body is read, whether it is that fault. */
  next(request: S3Request, only?: "reset"): S3Fault | undefined {
    const index = this.#rules.findIndex(({ operations }) => operations?.includes(request.operation) ?? true);
    if (index < 0) return only === undefined ? this.#always?.(request) : undefined;
    const rule = this.#rules[index];
    if (only !== undefined && rule.fault !== only) return undefined;
    if (--rule.times <= 0) this.#rules.splice(index, 1);
    return rule.fault;
  }
}

/** Unfinished uploads, which fauxqs keeps but does not list. */
class UploadList {
  readonly #uploads = new Map<string, { readonly bucket: string; readonly key: string; partCount: number }>();

  unfinished(bucket: string): { readonly key: string; readonly partCount: number }[] {
    const found = [...this.#uploads.values()].filter((upload) => upload.bucket === bucket);
    return found.map(({ key, partCount }) => ({ key, partCount })).sort((a, b) => a.key < b.key ? -1 : 1);
  }

  /** Takes note of what an answer says about uploads, and passes it on. */
  watch(request: S3Request, answer: RawAnswer): RawAnswer {
    const xml = new TextDecoder().decode(answer.body);
    if (answer.status >= 300 || xml.includes("<Error>")) return answer;
    const uploadId = new URLSearchParams(request.target.split("?")[1]).get("uploadId") ?? "";
    const upload = this.#uploads.get(uploadId);
    if (request.operation === "CreateMultipartUpload") {
      const created = /<UploadId>([^<]*)</.exec(xml)?.[1] ?? "";
      this.#uploads.set(created, { bucket: bucketOf(request), key: request.key, partCount: 0 });
    } else if (request.operation === "UploadPart" && upload !== undefined) upload.partCount++;
    else if (/^(Complete|Abort)/.test(request.operation)) this.#uploads.delete(uploadId);
    return answer;
  }
}

function bucketOf(request: RawRequest): string {
  return decodeURIComponent(request.target.split("?")[0].split("/")[1]);
}

function classify(raw: RawRequest): S3Request {
  const url = new URL(raw.target, "http://s3");
  const key = decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
  const has = (name: string) => url.searchParams.has(name);
  const names: Record<string, S3Operation> = {
    PUT: has("partNumber") ? "UploadPart" : "PutObject",
    POST: has("uploads") ? "CreateMultipartUpload" : has("uploadId") ? "CompleteMultipartUpload" : "Other",
    DELETE: has("uploadId") ? "AbortMultipartUpload" : "DeleteObject",
    GET: key !== "" ? "GetObject" : has("list-type") ? "ListObjectsV2" : "Other",
    HEAD: key === "" ? "HeadBucket" : "Other",
  };
  return { ...raw, key, operation: names[raw.method] ?? "Other" };
}

interface Listed {
  readonly key: string;
  readonly byteLength: number;
}

/**
 * Everything in a bucket, sorted by the bytes of the keys. Beyond a page of fauxqs (1,000) it finds all only of keys that
 * have the same order in a language.
 */
async function listAll(bucket: string, origin: string): Promise<Listed[] | RawAnswer> {
  const listed = new Map<string, Listed>();
  for (let token = "";;) {
    const query = new URLSearchParams({ "list-type": "2", ...(token && { "continuation-token": token }) });
    const response = await fetch(`${origin}/${bucket}?${query}`);
    const xml = await response.text();
    if (response.status !== 200) {
      return { status: response.status, headers: {}, body: new TextEncoder().encode(xml) };
    }
    for (const [, contents] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = decodeXml(/<Key>([^<]*)</.exec(contents)![1]);
      listed.set(key, { key, byteLength: Number(/<Size>(\d+)</.exec(contents)![1]) });
    }
    token = decodeXml(/<NextContinuationToken>([^<]*)</.exec(xml)?.[1] ?? "");
    if (token === "") break;
  }
  return [...listed.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

/** A page as S3 lists it; the token is the key that the next page begins behind. */
async function listPage(request: S3Request, origin: string, pageSize: number): Promise<RawAnswer> {
  const query = new URL(request.target, "http://s3").searchParams;
  const bucket = bucketOf(request);
  const all = await listAll(bucket, origin);
  if (!Array.isArray(all)) return all;
  const matching = all.filter(({ key }) => key.startsWith(query.get("prefix") ?? ""));
  const token = query.get("continuation-token");
  const from = token === null ? 0 : matching.findIndex(({ key }) => key === token) + 1;
  const page = matching.slice(from, from + pageSize);
  const isTruncated = from + page.length < matching.length;
  const encoded = (key: string) => encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+");
  const contents = page.map(({ key, byteLength }) =>
    `<Contents><Key>${encoded(key)}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>` +
    `<ETag>&quot;0123&quot;</ETag><Size>${byteLength}</Size><StorageClass>STANDARD</StorageClass></Contents>`
  ).join("");
  const next = isTruncated ? `<NextContinuationToken>${encodeXml(page.at(-1)!.key)}</NextContinuationToken>` : "";
  const xml =
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
    `<Name>${bucket}</Name><KeyCount>${page.length}</KeyCount><MaxKeys>${pageSize}</MaxKeys>` +
    `<EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>${contents}${next}</ListBucketResult>`;
  return { status: 200, headers: { "content-type": "application/xml" }, body: new TextEncoder().encode(xml) };
}

function encodeXml(text: string): string {
  return text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

async function answer(
  fault: S3Fault | undefined,
  doIt: () => Promise<RawAnswer>,
  date: { date: string },
): Promise<RawAnswer | Misbehaviour> {
  if (fault === "hang" || fault === "close") return fault;
  if (fault === "reset") return "close";
  if (typeof fault === "object") return "answer" in fault ? fault.answer : errorAnswer(fault, date);
  const proper = await doIt();
  if (fault === "do and hang") return "hang";
  if (fault === "lose answer") return "close";
  if (fault === "truncate answer") return { truncate: proper };
  return { ...proper, headers: { ...proper.headers, ...date } };
}

function errorAnswer(fault: Exclude<S3Fault, string | { answer: RawAnswer }>, date: { date: string }): RawAnswer {
  const { status, code = "InternalError", message = "We encountered an internal error.", headers } = fault;
  const body =
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return {
    status,
    headers: { "content-type": "application/xml", ...date, ...headers },
    body: new TextEncoder().encode(body),
  };
}

/** Headers that belong to one connection and are made anew. */
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "content-length", "date"];

async function forward(request: S3Request, origin: string): Promise<RawAnswer> {
  const headers = new Headers([...request.headers]);
  const response = await fetch(origin + request.target, {
    method: request.method,
    headers,
    body: request.method === "PUT" || request.method === "POST" ? request.body.slice() : undefined,
  });
  const body = new Uint8Array(await response.arrayBuffer());
  const kept = [...response.headers].filter(([name]) => !HOP_BY_HOP.includes(name));
  return { status: response.status, headers: Object.fromEntries(kept), body };
}

function inspection(
  origin: string,
  defaultBucket: string,
): Pick<S3Server, "list" | "get" | "head" | "put" | "remove"> {
  const object = (bucket: string, key: string) =>
    `${origin}/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;
  const keys = (xml: string) => [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => decodeXml(key)).sort();
  return {
    async list(prefix = "", bucket = defaultBucket) {
      const found: string[] = [];
      for (let token = "";;) {
        const query = new URLSearchParams({ "list-type": "2", prefix, ...(token && { "continuation-token": token }) });
        const xml = await (await fetch(`${origin}/${bucket}?${query}`)).text();
        found.push(...keys(xml));
        token = decodeXml(/<NextContinuationToken>([^<]*)</.exec(xml)?.[1] ?? "");
        if (token === "") return found.sort();
      }
    },
    async get(key, bucket = defaultBucket) {
      const response = await fetch(object(bucket, key));
      const body = new Uint8Array(await response.arrayBuffer());
      return response.status === 200 ? body : undefined;
    },
    async put(key, bytes, bucket = defaultBucket) {
      const response = await fetch(object(bucket, key), { method: "PUT", body: bytes.slice() });
      await response.body?.cancel();
      if (response.status !== 200) throw new Error(`cannot put ${key}: status ${response.status}`);
    },
    async remove(key, bucket = defaultBucket) {
      const response = await fetch(object(bucket, key), { method: "DELETE" });
      await response.body?.cancel();
    },
    async head(key, bucket = defaultBucket) {
      const response = await fetch(object(bucket, key), { method: "HEAD" });
      await response.body?.cancel();
      return response.status === 200 ? response.headers : undefined;
    },
  };
}

function decodeXml(text: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
  return text.replace(
    /&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g,
    (_, hex, decimal, name) =>
      name !== undefined ? entities[name] ?? "" : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)),
  );
}
