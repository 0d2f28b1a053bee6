"""The parts of a SQLite database: the texts in ``sqlite_master`` are all that defines them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from registry import schema
from registry.database.catalogue.parts import Part, Parts
from registry.database.guards.sqlite import build_guards
from registry.schema.views import APPLICATION_ID, build_views

_IGNORED = re.compile("alembic_version|sqlite_stat[1-4]")  # of Alembic, and of ANALYZE


def read_parts(connection: sa.Connection) -> Parts:
    """Return the parts that the database has."""
    query = sa.text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    parts: dict[Part, dict[str, str]] = {}
    for sort, name, table, sql in connection.execute(query):
        if sort == "trigger":
            parts[Part("trigger", table, name)] = {"text": sql}
        elif sort == "index":
            parts[Part("index", table, name)] = {"definition": _fold_space(sql)}
        elif sort == "table" and name in schema.metadata.tables:
            parts |= _split_table(name, sql)
        elif sort == "view" and name in build_views("sqlite"):
            parts[Part("view", name)] = {"text": _fold_space(sql)}
        elif not _IGNORED.fullmatch(name) and (sort != "view" or name in schema.metadata.tables):
            parts[Part(sort, name)] = {}
    return parts


def build_parts(connection: sa.Connection, _live: Parts) -> Parts:
    """Return the parts that this software makes."""
    parts = describe_guards(connection)
    for name, table in schema.metadata.tables.items():
        parts |= _split_table(name, str(CreateTable(table).compile(dialect=sqlite.dialect())))
        for index in table.indexes:
            parts[Part("index", name, str(index.name))] = {"definition": _format_index(index, name)}
    for name, text in build_views("sqlite").items():
        parts[Part("view", name)] = {"text": _fold_space(f"CREATE VIEW {name} AS {text}")}
    return parts


def read_guards(connection: sa.Connection) -> Parts:
    """Return the guards that the database has, without the time that its tables take."""
    query = sa.text(
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND sql IS NOT NULL"
    )
    return {Part("trigger", table, name): {"text": sql} for name, table, sql in connection.execute(query)}


def describe_guards(_connection: sa.Connection) -> dict[Part, dict[str, str]]:
    """Return the guards that this software makes."""
    return {
        Part("trigger", guard.table or "", guard.name): {"text": guard.statements[0]}
        for guard in build_guards()
    }


def find_guard_oddities(_connection: sa.Connection) -> list[str]:
    """Return nothing: on SQLite only triggers change what is written to a table."""
    return []


def find_identity_oddities(connection: sa.Connection) -> list[str]:
    """Return what the file says that it is, where that is not a registry."""
    number = connection.execute(sa.text("PRAGMA application_id")).scalar_one()
    if number == APPLICATION_ID:
        return []
    return [f"the file has application_id {number} instead of {APPLICATION_ID}"]


def find_oddities(connection: sa.Connection, *, thorough: bool) -> Iterator[str]:
    """Yield the contradictions that SQLite finds in its file, all pages of which it reads for that."""
    if not thorough:
        return
    for text in connection.execute(sa.text("PRAGMA integrity_check")).scalars():
        if text != "ok":
            yield f"integrity: {text}"


def _format_index(index: sa.Index, table: str) -> str:
    columns = ",".join(column.name for column in index.columns)
    where = f" WHERE {index.info['where']}" if "where" in index.info else ""
    unique = "UNIQUE " if index.unique else ""
    return _fold_space(f"CREATE {unique}INDEX {index.name} ON {table}({columns}){where}")


def _split_table(table: str, sql: str) -> dict[Part, dict[str, str]]:
    """Return a table's columns and constraints, which may stand in any order."""
    _, _, rest = _fold_space(sql).partition("(")
    body, _, end = rest.rpartition(")")
    parts = {Part("table", table): {"options": end or "none"}}
    for text in _split_at_commas(body):
        words = text.split(" ")
        kind, name, definition = "column", words[0], " ".join(words[1:])
        if words[0] == "CONSTRAINT":
            kind, name, definition = "constraint", words[1], " ".join(words[2:])
            kind = "foreign key" if definition.startswith("FOREIGN") else kind
        parts[Part(kind, table, name)] = {"definition": definition or "none"}
    return parts


def _split_at_commas(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _fold_space(sql: str) -> str:
    """Return a statement of CREATE without what has no meaning: white space, and quotes around names."""
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", sql.replace('"', ""))).strip()
