import { createHash, createHmac } from "node:crypto";

/** A request as it came over the wire. Header names are in lower case. */
export interface RawRequest {
  readonly method: string;
  /** As in the request line: path and query, still encoded. */
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export interface Keys {
  readonly accessKey: string;
  readonly secretAccessKey: string;
}

/** S3's refusal: its error code, and what is wrong. Undefined: the request may pass. */
export type Refusal = { readonly status: number; readonly code: string; readonly message: string } | undefined;

const MAX_SKEW_MS = 15 * 60_000;

/**
 * Checks a request as S3 would: "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", S3
 * API reference. Written from that page, apart from the SDK's own signer.
 */
export function verifySignature(request: RawRequest, keys: Keys, serverTimeMs: number): Refusal {
  const refuse = (status: number, code: string, message: string) => ({ status, code, message });
  const authorization = request.headers.get("authorization") ?? "";
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/([^/]+)\/s3\/aws4_request), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
      .exec(authorization);
  if (match === null) return refuse(403, "AccessDenied", `unsigned request: ${authorization}`);
  const [, accessKey, scope, region, signedHeaders, signature] = match;
  if (accessKey !== keys.accessKey) return refuse(403, "InvalidAccessKeyId", "The access key does not exist.");
  const date = request.headers.get("x-amz-date") ?? "";
  const sentMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!(Math.abs(sentMs - serverTimeMs) <= MAX_SKEW_MS)) {
    return refuse(403, "RequestTimeTooSkewed", `${date} is too far from the server's time.`);
  }
  const payload = request.headers.get("x-amz-content-sha256") ?? "";
  if (payload !== "UNSIGNED-PAYLOAD" && payload !== sha256(request.body)) {
    return refuse(400, "XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 is not what was computed.");
  }
  const toSign = ["AWS4-HMAC-SHA256", date, scope, sha256(canonicalRequest(request, signedHeaders, payload))].join(
    "\n",
  );
  const day = hmac(`AWS4${keys.secretAccessKey}`, scope.slice(0, 8));
  const key = hmac(hmac(hmac(day, region), "s3"), "aws4_request");
  if (hmac(key, toSign).toString("hex") === signature) return undefined;
  return refuse(403, "SignatureDoesNotMatch", "The calculated signature does not match the provided one.");
}

function canonicalRequest(request: RawRequest, signedHeaders: string, payload: string): string {
  const [path, query = ""] = request.target.split("?");
  const parameters = query.split("&").filter((part) => part !== "").map((part) =>
    part.includes("=") ? part : `${part}=`
  );
  const headers = signedHeaders.split(";").map((name) => `${name}:${(request.headers.get(name) ?? "").trim()}\n`);
  const canonicalPath = path.split("/").map((segment) => encode(decodeURIComponent(segment))).join("/");
  return [request.method, canonicalPath, parameters.sort().join("&"), headers.join(""), signedHeaders, payload].join(
    "\n",
  );
}

function encode(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Uint8Array, data: string) {
  return createHmac("sha256", key).update(data).digest();
}
