import {
  type AttributeValue,
  CreateTableCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { serviceError } from "../../../runtime/aws/service_error.ts";
import { FatalError } from "../../../runtime/errors.ts";
import { withTimeLimit } from "../../../runtime/time_limit.ts";
import type { AwsConnection } from "../aws/connect.ts";
import type { Conditions, Item, ItemChange, LeaseStore, TableState } from "./lease_store.ts";

type Operation = "DescribeTable" | "CreateTable" | "Scan" | "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem";
type SdkItem = Record<string, AttributeValue>;

/** A page has 1 MB, some thousands of leases. */
const MAX_PAGES = 1000;

/** The lease table in DynamoDB, behind the AWS SDK. Its own retries are off. */
export class DynamoLeaseStore implements LeaseStore {
  readonly #connection: AwsConnection;
  readonly #client: DynamoDBClient;
  readonly #table: string;
  /** A request that takes longer than this could cost us our leases. */
  readonly #timeoutMs: number;

  constructor(connection: AwsConnection) {
    const { leaseTable, dynamodbEndpoint, requestTimeoutMs, failoverTimeMs } = connection.settings;
    this.#connection = connection;
    this.#client = new DynamoDBClient({ ...connection.clientConfig, endpoint: dynamodbEndpoint });
    this.#table = leaseTable;
    this.#timeoutMs = Math.min(requestTimeoutMs, failoverTimeMs / 3);
  }

  async describeTable(signal: AbortSignal): Promise<TableState> {
    const command = new DescribeTableCommand({ TableName: this.#table });
    try {
      const { Table } = await this.#send(
        "DescribeTable",
        signal,
        (abortSignal) => this.#client.send(command, { abortSignal }),
      );
      const keys = Table?.KeySchema ?? [];
      if (keys.length !== 1 || keys[0].AttributeName !== "leaseKey") {
        throw new FatalError(
          `table ${this.#table} is no lease table: its key must be leaseKey alone; ` +
            "correct kinesis.consumer-dynamodb-table",
        );
      }
      // A table whose capacity is being changed can be used.
      return Table?.TableStatus === "ACTIVE" || Table?.TableStatus === "UPDATING" ? "active" : "not ready";
    } catch (error) {
      if (isNamed(error, "ResourceNotFoundException")) return "missing";
      throw error;
    }
  }

  async createTable(signal: AbortSignal): Promise<void> {
    const { billingMode, readCapacity, writeCapacity, tags } = this.#connection.settings;
    const command = new CreateTableCommand({
      TableName: this.#table,
      AttributeDefinitions: [{ AttributeName: "leaseKey", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "leaseKey", KeyType: "HASH" }],
      BillingMode: billingMode,
      ...(billingMode === "PROVISIONED"
        ? { ProvisionedThroughput: { ReadCapacityUnits: readCapacity, WriteCapacityUnits: writeCapacity } }
        : {}),
      ...(tags.length === 0 ? {} : { Tags: tags.map(({ name, value }) => ({ Key: name, Value: value })) }),
    });
    try {
      await this.#send("CreateTable", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
    } catch (error) {
      if (!isNamed(error, "ResourceInUseException")) throw error; // another worker was faster
    }
  }

  scan(signal: AbortSignal): Promise<Item[]> {
    return this.#scan(this.#table, signal);
  }

  async get(key: string, signal: AbortSignal): Promise<Item | undefined> {
    return await this.#get(this.#table, { leaseKey: { S: key } }, signal);
  }

  put(item: Item, signal: AbortSignal): Promise<boolean> {
    const command = new PutItemCommand({
      TableName: this.#table,
      Item: item as unknown as SdkItem,
      ConditionExpression: "attribute_not_exists(leaseKey)",
    });
    return this.#conditional("PutItem", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
  }

  update(key: string, { when, set = {}, add = {}, remove = [] }: ItemChange, signal: AbortSignal): Promise<boolean> {
    const names = new Names();
    const clauses = [
      clause("SET", Object.entries(set).map(([name, value]) => `${names.of(name)} = ${names.value(value)}`)),
      clause("ADD", Object.entries(add).map(([name, by]) => `${names.of(name)} ${names.value({ N: String(by) })}`)),
      clause("REMOVE", remove.map((name) => names.of(name))),
    ];
    const command = new UpdateItemCommand({
      TableName: this.#table,
      Key: { leaseKey: { S: key } },
      UpdateExpression: clauses.filter((text) => text !== "").join(" "),
      ConditionExpression: names.condition(when),
      ...names.fields(),
    });
    return this.#conditional("UpdateItem", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
  }

  delete(key: string, when: Conditions, signal: AbortSignal): Promise<boolean> {
    const names = new Names();
    const command = new DeleteItemCommand({
      TableName: this.#table,
      Key: { leaseKey: { S: key } },
      ConditionExpression: names.condition(when),
      ...names.fields(),
    });
    return this.#conditional("DeleteItem", signal, (abortSignal) => this.#client.send(command, { abortSignal }));
  }

  async putWorkerRow(row: Item, signal: AbortSignal): Promise<boolean> {
    const TableName = this.#workerTable;
    const command = new PutItemCommand({ TableName, Item: row as unknown as SdkItem });
    const put = async () => {
      await this.#send("PutItem", signal, (abortSignal) => this.#client.send(command, { abortSignal }), TableName);
      return true;
    };
    return await ifThere(put) ?? false;
  }

  async workerRows(signal: AbortSignal): Promise<Item[]> {
    return await ifThere(() => this.#scan(this.#workerTable, signal)) ?? [];
  }

  async coordinatorState(key: string, signal: AbortSignal): Promise<Item | undefined> {
    return await ifThere(() => this.#get(`${this.#table}-CoordinatorState`, { key: { S: key } }, signal));
  }

  close(): void {
    this.#client.destroy();
  }

  get #workerTable(): string {
    return `${this.#table}-WorkerMetricStats`;
  }

  async #scan(table: string, signal: AbortSignal): Promise<Item[]> {
    const items: Item[] = [];
    let from: SdkItem | undefined;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const command = new ScanCommand({ TableName: table, ConsistentRead: true, ExclusiveStartKey: from });
      const send = (abortSignal: AbortSignal) => this.#client.send(command, { abortSignal });
      const page = await this.#send("Scan", signal, send, table);
      for (const item of page.Items ?? []) items.push(item as unknown as Item);
      from = page.LastEvaluatedKey;
      if (from === undefined) return items;
    }
    throw new FatalError(`table ${table} has more than ${MAX_PAGES} MB: is it another table?`);
  }

  async #get(table: string, Key: SdkItem, signal: AbortSignal): Promise<Item | undefined> {
    const command = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
    const send = (abortSignal: AbortSignal) => this.#client.send(command, { abortSignal });
    const { Item } = await this.#send("GetItem", signal, send, table);
    return Item as unknown as Item | undefined;
  }

  async #conditional(
    operation: Operation,
    signal: AbortSignal,
    send: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<boolean> {
    try {
      await this.#send(operation, signal, send);
      return true;
    } catch (error) {
      if (isNamed(error, "ConditionalCheckFailedException")) return false;
      throw error;
    }
  }

  async #send<T>(
    operation: Operation,
    signal: AbortSignal,
    send: (signal: AbortSignal) => Promise<T>,
    table = this.#table,
  ): Promise<T> {
    const { settings, clock, where, onTableCall } = this.#connection;
    const what = `${operation} of table ${table} at ${where(settings.dynamodbEndpoint)}`;
    onTableCall(operation);
    try {
      return await withTimeLimit({ what, limitMs: this.#timeoutMs, clock, signal }, send);
    } catch (error) {
      signal.throwIfAborted();
      throw serviceError(error, {
        what,
        right: `dynamodb:${operation}`,
        whenMissing: "the table was deleted: restart to create it, or correct kinesis.consumer-dynamodb-table",
        fixedKeys: settings.accessKey !== undefined,
      });
    }
  }
}

/** Undefined when there is no such table. */
async function ifThere<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isNamed(error, "ResourceNotFoundException")) return undefined;
    throw error;
  }
}

/** Attributes may have the names of reserved words: all get a placeholder. */
class Names {
  readonly #names: Record<string, string> = {};
  readonly #values: SdkItem = {};

  of(name: string): string {
    this.#names[`#${name}`] = name;
    return `#${name}`;
  }

  value(value: Item[string]): string {
    const placeholder = `:v${Object.keys(this.#values).length}`;
    this.#values[placeholder] = value as unknown as AttributeValue;
    return placeholder;
  }

  /** No condition creates an item that isn't there. */
  condition(when: Conditions): string {
    const parts = Object.entries(when).map(([name, value]) =>
      value === null ? `attribute_not_exists(${this.of(name)})` : `${this.of(name)} = ${this.value(value)}`
    );
    return ["attribute_exists(leaseKey)", ...parts].join(" AND ");
  }

  fields() {
    const some = (map: object) => Object.keys(map).length > 0;
    return {
      ...(some(this.#names) ? { ExpressionAttributeNames: this.#names } : {}),
      ...(some(this.#values) ? { ExpressionAttributeValues: this.#values } : {}),
    };
  }
}

function clause(verb: string, parts: readonly string[]): string {
  return parts.length === 0 ? "" : `${verb} ${parts.join(", ")}`;
}

/** Whether it is this error of the service, or one that was made of it. */
function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && (error.name === name || (error.cause as Error | undefined)?.name === name);
}
