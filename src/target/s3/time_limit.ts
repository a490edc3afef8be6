export * from "../../runtime/time_limit.ts";
