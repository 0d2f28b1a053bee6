"""The parts of a schema in PostgreSQL: the one in which the session finds its tables, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from registry import schema
from registry.database.catalogue import queries
from registry.database.catalogue.expressions import is_same_condition
from registry.database.catalogue.parts import Part, Parts
from registry.database.catalogue.view_texts import is_same_view
from registry.database.guards.postgresql import SCHEMA, SETTINGS, build_functions, build_triggers
from registry.schema.views import build_views

_Row = dict[str, str]


def read_parts(connection: sa.Connection) -> Parts:
    """Return the parts that the schema has."""
    tables = schema.metadata.tables
    parts: dict[Part, _Row] = {}
    for row in _read(connection, queries.TABLES):
        kind, name = row.pop("kind"), row.pop("part")
        if name in tables:
            parts[Part("table", name)] = row | {"kind": kind}
        elif kind != "view" and name != "alembic_version":
            parts[Part(kind, name)] = row
    for kind, query in (
        ("column", queries.COLUMNS),
        ("constraint", queries.CONSTRAINTS),
        ("index", queries.INDEXES),
    ):
        for row in _read(connection, query):
            table, name = row.pop("location"), row.pop("part")
            actual = row.pop("sort", kind)
            if table in tables:
                parts[Part(actual, table, name)] = row
    return parts | _read_views(connection) | read_guards(connection)


def build_parts(connection: sa.Connection, live: Parts) -> Parts:
    """Return the parts that this software makes; a rule or view that `live` has in other words is not another one."""
    parts: dict[Part, _Row] = {}
    for table in schema.metadata.sorted_tables:
        parts |= _describe_table(table)
        for constraint in _list_constraints(table):
            kind = "foreign key" if isinstance(constraint, sa.ForeignKeyConstraint) else "constraint"
            part = Part(kind, table.name, str(constraint.name))
            definition = _format_constraint(constraint, live.get(part, {}).get("definition", ""))
            parts[part] = {"definition": definition, "state": "valid"}
    for name, text in build_views("postgresql").items():
        part = Part("view", name)
        same = part in live and is_same_view(live[part]["text"], text)
        parts[part] = {"text": live[part]["text"] if same else text, "kind": "view", "options": "none"}
    return _name_schemas(connection, parts | _describe_guards())


def read_guards(connection: sa.Connection) -> dict[Part, _Row]:
    """Return the guards that the schema has, without the time that its tables take."""
    parts: dict[Part, _Row] = {}
    for row in _read(connection, queries.TRIGGERS):
        table, name = row.pop("location"), row.pop("part")
        parts[Part(row.pop("sort", "trigger"), table, name)] = row
    for row in _read(connection, queries.FUNCTIONS):
        parts[Part("function", "", row.pop("part"))] = row
    return parts


def describe_guards(connection: sa.Connection) -> dict[Part, _Row]:
    """Return the guards that this software makes."""
    return _name_schemas(connection, _describe_guards())


def _name_schemas(connection: sa.Connection, parts: dict[Part, _Row]) -> dict[Part, _Row]:
    name = connection.execute(sa.text("SELECT quote_ident(current_schema()::text)")).scalar_one()
    return {part: _name_schema(row, name) for part, row in parts.items()}


def find_guard_oddities(connection: sa.Connection) -> list[str]:
    """Return what changes writes beside the triggers: rules, and the security of rows."""
    return _find_oddities(connection, queries.GUARD_ODDITIES)


def find_identity_oddities(_connection: sa.Connection) -> list[str]:
    """Return nothing: a database of a server does not say what it is."""
    return []


def find_oddities(connection: sa.Connection, *, thorough: bool) -> list[str]:  # noqa: ARG001 - of SQLite
    """Return what else weakens the schema: inheriting tables, operators that are not PostgreSQL's ..."""
    return _find_oddities(connection, queries.ODDITIES)


def _find_oddities(connection: sa.Connection, texts: Sequence[str]) -> list[str]:
    tables = {"tables": list(schema.metadata.tables)}
    return [sentence for text in texts for sentence in connection.execute(sa.text(text), tables).scalars()]


def _read(connection: sa.Connection, query: str) -> Iterator[_Row]:
    for row in connection.execute(sa.text(query)).mappings():
        yield {name: str(value) for name, value in row.items()}


def _read_views(connection: sa.Connection) -> dict[Part, _Row]:
    rows = {row.pop("part"): row for row in _read(connection, queries.VIEWS)}
    return {Part("view", name): rows[name] for name in build_views("postgresql") if name in rows}


def _describe_guards() -> dict[Part, _Row]:
    parts = {
        Part("function", "", f"{function.name}()"): {
            "body": function.body,
            "language": "plpgsql",
            "result": "trigger",
            "settings": SETTINGS,
            "security": "invoker",
            "volatility": "volatile",
            "strictness": "called on NULL",
        }
        for function in build_functions()
    }
    for trigger in build_triggers():
        text, _, _ = trigger.statement.partition(" EXECUTE ")
        parts[Part("trigger", trigger.table, trigger.name)] = {
            "text": text,
            "function": f"{SCHEMA}.{trigger.function}()",
            "state": "enabled always",
        }
    return parts


def _name_schema(row: _Row, name: str) -> _Row:
    # Definitions are compared without quotes.
    plain = name.replace('"', "")
    return {
        word: value.replace(SCHEMA, plain if word == "definition" else name) for word, value in row.items()
    }


def _describe_table(table: sa.Table) -> dict[Part, _Row]:
    """Describe a table, its columns and indexes."""
    row = {"kind": "table", "persistence": "logged"}
    return {
        Part("table", table.name): row,
        **{Part("column", table.name, column.name): _describe_column(column) for column in table.columns},
        **{
            Part("index", table.name, str(index.name)): {
                "definition": _format_index(index, table.name),
                "state": "valid",
            }
            for index in table.indexes
        },
    }


def _list_constraints(table: sa.Table) -> list[sa.Constraint]:
    return [*table.constraints, *(constraint for column in table.c for constraint in column.constraints)]


def _describe_column(column: sa.Column[Any]) -> _Row:
    return {
        "type": column.type.compile(postgresql.dialect()),  # type: ignore[no-untyped-call]
        "NULL": "allowed" if column.nullable else "refused",
        "default": "none",
        "collation": "default",
    }


def _format_index(index: sa.Index, table: str) -> str:
    columns = ", ".join(column.name for column in index.columns)
    where = f" WHERE ({index.info['where']})" if "where" in index.info else ""
    unique = "UNIQUE " if index.unique else ""
    return f"CREATE {unique}INDEX {index.name} ON {SCHEMA}.{table} USING btree ({columns}){where}"


def _format_constraint(constraint: sa.Constraint, live: str) -> str:
    """Return the definition as PostgreSQL writes it; of a condition that is the same, the `live` one."""
    if isinstance(constraint, sa.CheckConstraint):
        condition = str(constraint.sqltext)
        same = live.startswith("CHECK (") and is_same_condition(live.removeprefix("CHECK "), condition)
        return live if same else f"CHECK (({condition}))"
    columns = f"({', '.join(column.name for column in constraint.columns)})"  # type: ignore[attr-defined]
    if isinstance(constraint, sa.ForeignKeyConstraint):
        (reference,) = (element.column for element in constraint.elements)
        return f"FOREIGN KEY {columns} REFERENCES {reference.table.name}({reference.name})"
    return f"{'PRIMARY KEY' if isinstance(constraint, sa.PrimaryKeyConstraint) else 'UNIQUE'} {columns}"
