import { hostname } from "node:os";

/** This machine's name; "collector" where it may not be asked for (it needs --allow-sys=hostname). */
export function hostName(): string {
  try {
    return hostname();
  } catch {
    return "collector";
  }
}
