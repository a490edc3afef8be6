/** Keys of other programs that do the same work, and what they are called here. */

/** Theirs, in lower case and with dots for "_" and "-": ours. Each under the program that has it first; several share many. */
export const FOREIGN_KEYS: Readonly<Record<string, string>> = {
  // Kafka's own clients, and librdkafka
  "bootstrap.servers": "kafka.nodes",
  "metadata.broker.list": "kafka.nodes",
  "group.id": "kafka.group.id",
  "auto.offset.reset": "kafka.offset",
  "client.id": "kafka.client.id",
  "client.rack": "kafka.client.rack",
  "group.instance.id": "kafka.group.instance.id",
  "session.timeout.ms": "kafka.session.timeout.ms",
  "request.timeout.ms": "kafka.request.timeout.ms",
  "max.poll.interval.ms": "kafka.rebalance.timeout",
  "partition.assignment.strategy": "kafka.partition.assignment.strategy",
  "isolation.level": "kafka.isolation.level",
  "fetch.min.bytes": "kafka.fetch.min-bytes",
  "fetch.max.wait.ms": "kafka.fetch.max-wait",
  "fetch.max.bytes": "kafka.fetch.max-bytes",
  "max.partition.fetch.bytes": "kafka.fetch.partition-max-bytes",
  "metadata.max.age.ms": "kafka.metadata.max-age",
  "security.protocol": "kafka.security.protocol",
  "sasl.mechanism": "kafka.sasl.mechanism",
  "sasl.username": "kafka.sasl.username",
  "sasl.password": "kafka.sasl.password",
  "sasl.jaas.config": "kafka.sasl.username, kafka.sasl.password",
  "ssl.truststore.location": "kafka.ssl.ca (a PEM file)",
  "ssl.ca.location": "kafka.ssl.ca",
  "ssl.keystore.location": "kafka.ssl.certificate, kafka.ssl.key (PEM files)",
  "ssl.certificate.location": "kafka.ssl.certificate",
  "ssl.key.location": "kafka.ssl.key",
  "ssl.key.password": "kafka.ssl.key.password",
  "basic.auth.user.info": "schema.registry.username, schema.registry.password",
  // Kafka Connect's S3 sink
  "topics": "kafka.topic",
  "topics.regex": "kafka.topic",
  "connector.class": "stream.source, target",
  "s3.bucket.name": "target.aws.s3-bucket",
  "s3.region": "target.aws.region",
  "s3.part.size": "target.aws.s3-part-size",
  "store.url": "target.aws.s3-endpoint",
  "topics.dir": "target.aws.s3-prefix",
  "flush.size": "middleware.max-flush-records",
  "rotate.interval.ms": "middleware.max-flush-duration",
  "rotate.schedule.interval.ms": "middleware.max-flush-duration",
  "s3.compression.type": "target.compression",
  "path.format": "target.key-template",
  "partitioner.class": "target.key-template",
  "aws.access.key.id": "target.access-key",
  "aws.secret.access.key": "target.secret-access-key",
  "s3.ssea.name": "target.aws.s3-encryption",
  "s3.sse.kms.key.id": "target.aws.s3-kms-key-id",
  "s3.acl.canned": "target.aws.s3-acl",
  "tasks.max": "pipeline.workers",
  "errors.deadletterqueue.topic.name": "dead-letter.policy, dead-letter.directory",
  // Redpanda Connect
  "seed.brokers": "kafka.nodes",
  "addresses": "kafka.nodes",
  "consumer.group": "kafka.group.id",
  "start.from.oldest": "kafka.offset",
  "batching.count": "middleware.max-flush-records",
  "batching.period": "middleware.max-flush-duration",
  "batching.byte.size": "middleware.max-flush-size",
  "aws.s3.path": "target.key-template",
  // Vector
  "bucket": "target.aws.s3-bucket",
  "region": "target.aws.region",
  "endpoint": "target.aws.s3-endpoint",
  "key.prefix": "target.aws.s3-prefix",
  "batch.timeout.secs": "middleware.max-flush-duration",
  "batch.max.events": "middleware.max-flush-records",
  "batch.max.bytes": "middleware.max-flush-size",
  "data.dir": "file.checkpoint",
  "include": "file.path",
  "exclude": "file.exclude",
  "read.from": "file.offset",
  "compression": "target.compression",
  // Fluent Bit
  "brokers": "kafka.nodes",
  "path": "file.path",
  "exclude.path": "file.exclude",
  "db": "file.checkpoint",
  "read.from.head": "file.offset",
  "refresh.interval": "file.scan-interval",
  "rotate.wait": "file.rotate-wait",
  "mem.buf.limit": "memory.limit",
  "total.file.size": "target.aws.s3-max-data-size",
  "upload.timeout": "middleware.max-flush-duration",
  "s3.key.format": "target.key-template",
  // Logstash
  "topics.pattern": "kafka.topic",
  "consumer.threads": "pipeline.workers",
  "decorate.events": "source.metadata-columns",
  "sincedb.path": "file.checkpoint",
  "start.position": "file.offset",
  "stat.interval": "file.scan-interval",
  "size.file": "target.aws.s3-max-data-size",
  "time.file": "middleware.max-flush-duration",
  "server.side.encryption.algorithm": "target.aws.s3-encryption",
  "canned.acl": "target.aws.s3-acl",
};

/**
 * What another program's key is called here; undefined when no such program is known.
 *
 * @param nested whether the key may stand below others: "sinks.archive.batch.max_bytes".
 */
export function counterpartOf(key: string, { nested }: { nested: boolean }): string | undefined {
  const normal = key.toLowerCase().replaceAll(/[_-]/g, ".");
  for (let rest = normal;; rest = rest.slice(rest.indexOf(".") + 1)) {
    if (Object.hasOwn(FOREIGN_KEYS, rest)) return FOREIGN_KEYS[rest];
    if (!nested || !rest.includes(".")) return undefined;
  }
}
