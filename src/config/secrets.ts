/** What stands in the place of a secret, wherever values are printed. */
export const HIDDEN = "***";

/** The second form: a password with "/", "?" or "#" in it that nobody percent-encoded. */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s,/?#]*|[^\s,:/]*:[^\s,]*)@/gi;
const SECRET_PARAMETER =
  /([?&;](?:[^=&;\s]*[_-])?(?:password|passwd|pwd|secret|token|signature|sig|key|credential)=)[^&;\s]*/gi;

/** Hides `user:password@` of URLs and parameters that are named like secrets. */
export function redactUrls(text: string): string {
  return text.replace(USER_INFO, `$1${HIDDEN}@`).replace(SECRET_PARAMETER, `$1${HIDDEN}`);
}

/** A value as it may be printed. */
export function redact(text: string, secret: boolean): string {
  return secret ? HIDDEN : redactUrls(text);
}
