"""Writes the fixtures of this directory with fastavro (PyPI): python write_fastavro.py <directory>"""
import datetime as dt
import decimal
import json
import sys
import uuid

import fastavro

SCHEMA = {
    "type": "record",
    "name": "Everything",
    "namespace": "golden",
    "fields": [
        {"name": "_time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "_user", "type": ["null", "string"], "default": None},
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "large", "type": "long"},
        {"name": "ratio", "type": "double"},
        {"name": "half", "type": "float"},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}},
        {"name": "mac", "type": {"type": "fixed", "name": "Mac", "size": 6}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "huge", "type": {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 5}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "clock_us", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "at_us", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "scores", "type": {"type": "map", "values": ["null", "double"]}},
        {"name": "either", "type": ["null", "long", "string", {"type": "array", "items": "int"}]},
        {
            "name": "tree",
            "type": {
                "type": "record",
                "name": "Tree",
                "fields": [
                    {"name": "label", "type": "string"},
                    {"name": "children", "type": {"type": "array", "items": "Tree"}},
                ],
            },
        },
    ],
}

decimal.getcontext().prec = 60
UTC = dt.timezone.utc


def row(i):
    return {
        "_time": dt.datetime(2026, 11, 1, tzinfo=UTC) + dt.timedelta(milliseconds=1001 * i),
        "_user": None if i % 5 == 0 else f"user-{i}",
        "flag": i % 2 == 0,
        "small": (-1) ** i * i * 1000,
        "large": (-1) ** i * (2**62 + i),
        "ratio": i / 3,
        "half": i / 4,
        "raw": bytes([i, 255, 0]),
        "text": f"grün \U0001f600 \"{i}\" \\ \n",
        "color": ["RED", "GREEN"][i % 2],
        "mac": bytes(range(i, i + 6)),
        "price": decimal.Decimal(i * 100 - 5).scaleb(-2),
        "huge": decimal.Decimal((-1) ** i * (10**38 + i)).scaleb(-5),
        "day": dt.date(2026, 11, 1) - dt.timedelta(days=20000 * (i % 3)),
        "clock": dt.time(13, 45, i % 60, 7000),
        "clock_us": dt.time(23, 59, 59, 999999 - i),
        "at_us": dt.datetime(1969, 12, 31, 23, 59, 59, 999999 - i, tzinfo=UTC),
        "local": dt.datetime(2026, 3, 29, 2, 30, 0, 1000 * i),
        "id": uuid.UUID(int=i),
        "tags": [f"t{k}" for k in range(i % 4)],
        "scores": {f"k{k}": None if k == 1 else k / 2 for k in range(i % 3)},
        "either": [None, 2**40 + i, f"s{i}", [i, -i]][i % 4],
        "tree": {"label": "a", "children": [{"label": f"b{i}", "children": []}] * (i % 3)},
    }


def expected(record, i):
    iso = lambda t, spec: t.isoformat(timespec=spec).replace("+00:00", "Z")
    import base64

    out = dict(record)
    out["_time"] = int(record["_time"].timestamp() * 1000 + 0.5)
    out["raw"] = base64.b64encode(record["raw"]).decode()
    out["mac"] = base64.b64encode(record["mac"]).decode()
    out["price"] = f"@@{record['price']}@@"
    out["huge"] = f"@@{record['huge']:f}@@"
    out["day"] = record["day"].isoformat()
    out["clock"] = record["clock"].isoformat("milliseconds")
    out["clock_us"] = record["clock_us"].isoformat("microseconds")
    out["at_us"] = iso(record["at_us"], "microseconds")
    out["local"] = record["local"].isoformat(timespec="milliseconds")
    out["id"] = str(record["id"])
    if out["_user"] is None:
        del out["_user"]
    if out["either"] is None:
        del out["either"]
    return json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('"@@', "").replace('@@"', "")


def main(directory):
    parsed = fastavro.parse_schema(SCHEMA)
    rows = [row(i) for i in range(100)]
    for codec in ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"]:
        with open(f"{directory}/fastavro.{codec}.avro", "wb") as out:
            fastavro.writer(out, parsed, rows, codec=codec, sync_interval=4000, sync_marker=bytes(range(16)))
    with open(f"{directory}/fastavro.expected.ndjson", "w") as out:
        for i, record in enumerate(rows):
            out.write(expected(record, i) + "\n")
    with open(f"{directory}/everything.avsc", "w") as out:
        json.dump(SCHEMA, out, indent=2)
        out.write("\n")
    with open(f"{directory}/fastavro.fingerprint.txt", "w") as out:
        out.write(fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(parsed), "CRC-64-AVRO") + "\n")


main(sys.argv[1])
