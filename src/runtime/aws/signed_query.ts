/**
 * Requests of AWS's query protocol, signed by hand (Signature Version 4, docs.aws.amazon.com/IAM/latest/UserGuide/
 * reference_sigv-create-signed-request.html): for the few calls that don't deserve an SDK client of several hundred files.
 */
import { createHash, createHmac } from "node:crypto";

export interface QueryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SignedQuery {
  readonly endpoint: string;
  readonly region: string;
  /** "sts", "monitoring": as it stands in the signature. */
  readonly service: string;
  readonly credentials: QueryCredentials;
  readonly parameters: Readonly<Record<string, string>>;
  /** Wall time, epoch ms. */
  readonly nowMs: number;
}

/** The service's own address in a region. */
export function serviceEndpoint(service: string, region: string): string {
  return `https://${service}.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

/** A POST of the parameters, with its signature. */
export function signedQuery({ endpoint, region, service, credentials, parameters, nowMs }: SignedQuery): Request {
  const url = new URL(endpoint);
  const body = Object.entries(parameters).map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const headers: Record<string, string> = {
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    "host": url.host,
    "x-amz-date": time,
    ...(credentials.sessionToken === undefined ? {} : { "x-amz-security-token": credentials.sessionToken }),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    "POST",
    url.pathname,
    "",
    ...names.map((name) => `${name}:${headers[name]}`),
    "",
    names.join(";"),
    sha256(body),
  ].join("\n");
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
  let key: string | Uint8Array = `AWS4${credentials.secretAccessKey}`;
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  const { host: _, ...sent } = headers;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, ` +
    `SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return new Request(url, { method: "POST", headers: { ...sent, authorization }, body });
}

/** A service's refusal. `name` and `$metadata` as the SDK's errors have them. */
export class QueryError extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(code: string, message: string, status: number) {
    super(message);
    this.name = code;
    this.$metadata = { httpStatusCode: status };
  }
}

/** The answer's text. @throws QueryError */
export async function readAnswer(response: Response): Promise<string> {
  const text = await response.text();
  if (response.ok) return text;
  const code = xmlText(text, "Code") ?? "UnknownError";
  throw new QueryError(code, xmlText(text, "Message") ?? `status ${response.status}`, response.status);
}

/** The text of the first such element; the few answers that are read have no nesting or markup in theirs. */
export function xmlText(xml: string, element: string): string | undefined {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
  return text?.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&amp;/g, "&");
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
