/** Prints two tokens for MSK, made from whatever credentials this process finds, one a line. */
import { mskIamTokens } from "../../src/source/kafka/network/msk_iam.ts";
import { testRuntime } from "./stored_object.ts";

const tokens = mskIamTokens("eu-west-1", testRuntime());
await Deno.stdout.write(new TextEncoder().encode(`${await tokens()}\n${await tokens()}\n`));
