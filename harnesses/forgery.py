"""Rewrite seals so that they fit edited rows: the chain is whole again, and only a head that was kept tells.

The seals are computed here from ``docs/seals.md``, and not by the code that is tested.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from harnesses.edits import Statements
from harnesses.facts import SEALED_TABLES, Facts, Row, list_sealed_columns
from registry import schema

_RECORDED = [table for table in SEALED_TABLES if "recorded_in" in table.c or "parent" in table.info]
_PARTS_OF_EXPORTS = (
    (schema.export, "id"),
    (schema.export_output, "export_id"),
    (schema.export_input, "export_id"),
)


def reseal(facts: Facts) -> Statements:
    """Return the statements that make every seal that of the present rows."""
    links = _link_exports(facts)
    statements: Statements = [
        sa.update(schema.export_seal)
        .where(schema.export_seal.c.export == number)
        .values(digest=digest, link=link)
        for number, (digest, link) in links.items()
    ]
    for number, (text, digest) in compute_seals(facts).items():
        change = {"text": text, "digest": digest}
        statements.append(sa.update(schema.seal).where(schema.seal.c.revision == number).values(change))
    return statements


def compute_seals(facts: Facts) -> dict[int, tuple[str, str]]:
    """Return the text and the seal of each revision that has one."""
    links = _link_exports(facts)
    lines = _collect_lines(facts)
    seals = {}
    previous = _seal_registry(facts)
    for (number,), row in sorted(facts["seal"].items()):
        parts = [f"{name} {len(encoded)} {_sha256(b''.join(encoded))}" for name, encoded in lines[number]]
        head = ["calreg seal 1", f"number {number}", f"previous {previous}"]
        tail = [] if row["export"] is None else [f"exports {row['export']} {links[row['export']][1]}"]
        if row["late"] is not None:
            tail.append(f"late 1 {_sha256((row['late'] + chr(10)).encode())}")
        text = "".join(f"{line}\n" for line in (*head, *parts, *tail))
        previous = _sha256(text.encode())
        seals[number] = (text, previous)
    return seals


def _collect_lines(facts: Facts) -> dict[int, list[tuple[str, list[bytes]]]]:
    """Return the lines of each revision by what they are of, in the order of a seal's text."""
    lines: dict[int, list[tuple[str, list[bytes]]]] = defaultdict(list)
    for (number,), row in facts["revision"].items():
        lines[number].append(("revision", [_encode(schema.revision, row)]))
    tables = sorted(_RECORDED, key=lambda table: table.name)
    for name, group in (
        *((table.name, _collect_recorded(table, facts)) for table in tables),
        *((f"withdrawn {table.name}", _collect_withdrawn(table, facts)) for table in tables),
    ):
        for number, encoded in group.items():
            lines[number].append((name, encoded))
    return lines


def _collect_recorded(table: sa.Table, facts: Facts) -> dict[int, list[bytes]]:
    recorded = defaultdict(list)
    for row in _sort(facts[table.name].values(), table):
        recorded[_find_revision(table, row, facts)].append(_encode(table, row))
    return recorded


def _collect_withdrawn(table: sa.Table, facts: Facts) -> dict[int, list[bytes]]:
    withdrawn = defaultdict(list)
    for row in _sort(facts[table.name].values(), table):
        if row.get("withdrawn_in") is not None:
            withdrawn[row["withdrawn_in"]].append(b"%d\n" % row["id"])
    return withdrawn


def _find_revision(table: sa.Table, row: Row, facts: Facts) -> int:
    if "parent" in table.info:
        parent, key = table.info["parent"]
        return int(facts[parent][row[key],]["recorded_in"])
    return int(row["recorded_in"])


def _link_exports(facts: Facts) -> dict[int, tuple[str, str]]:
    """Return the digest and the link of each export that has one."""
    links = {}
    previous = _seal_registry(facts)
    for (number,) in sorted(facts["export_seal"]):
        encoded = b""
        for table, key in _PARTS_OF_EXPORTS:
            rows = [row for row in facts[table.name].values() if row[key] == number]
            encoded += b"".join(_encode(table, row) for row in _sort(rows, table))
        digest = _sha256(encoded)
        previous = _sha256(
            f"calreg export 1\nnumber {number}\nprevious {previous}\ndigest {digest}\n".encode()
        )
        links[number] = (digest, previous)
    return links


def _seal_registry(facts: Facts) -> str:
    (row,) = facts["registry"].values()
    return _sha256(f"calreg registry 1\nid {row['id']}\ncreated {row['created_at']}\n".encode())


def _sort(rows: Iterable[Row], table: sa.Table) -> Sequence[Row]:
    keys = [column.name for column in table.primary_key]
    return sorted(
        rows, key=lambda row: [row[key].encode() if isinstance(row[key], str) else row[key] for key in keys]
    )


def _encode(table: sa.Table, row: Row) -> bytes:
    values = {"table": table.name}
    for column in sorted(list_sealed_columns(table), key=lambda column: column.name):
        value = _convert(row[column.name])
        if value is not None:
            values[column.name] = value
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _convert(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return None if math.isnan(value) else struct.pack(">d", value + 0.0).hex()
    return value


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
