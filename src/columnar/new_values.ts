import type { ByteAccount } from "./byte_account.ts";
import {
  BigintValues,
  BooleanValues,
  DateValues,
  DoubleValues,
  IntegerValues,
  TimestampValues,
} from "./fixed_values.ts";
import { BIGINT, BOOLEAN, DATE, DOUBLE, INTEGER, JSON_TEXT, type Kind, TIMESTAMP, VARCHAR } from "./kinds.ts";
import type { TimestampForm } from "./types.ts";
import type { Values } from "./values.ts";
import { VarcharValues } from "./varchar_values.ts";
import { InvariantError } from "../runtime/errors.ts";

/** Empty storage for a kind of single values. `form` matters for TIMESTAMP only. */
export function newScalarValues(kind: Kind, account: ByteAccount, form: TimestampForm): Values {
  switch (kind) {
    case VARCHAR:
    case JSON_TEXT:
      return new VarcharValues(account, kind);
    case INTEGER:
      return new IntegerValues(account);
    case BIGINT:
      return new BigintValues(account);
    case DOUBLE:
      return new DoubleValues(account);
    case BOOLEAN:
      return new BooleanValues(account);
    case DATE:
      return new DateValues(account);
    case TIMESTAMP:
      return new TimestampValues(account, form);
    default:
      throw new InvariantError(`no storage for kind ${kind}`);
  }
}
