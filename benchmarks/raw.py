"""The baseline of the look-ups: one statement with the same answer, on an open cursor of the bare driver.

It works for the head only, where it uses the partial index of live versions: one probe for the valid version
and one for the next start, by panel and kind. On PostgreSQL it is prepared and its answer binary. It does not
check that the panels are known and the answer complete.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from benchmarks.history import History
from registry.records import Version
from testing.registries import RegistryLocation

RawRow = tuple[object, ...]

_COLUMNS = """v.id, asked.identifier, a.m_number, v.kind, v.valid_from,
    (SELECT l.valid_from FROM version l
     WHERE l.panel_id = asked.id AND l.kind = asked.kind AND l.valid_from > v.valid_from
       AND l.withdrawn_in IS NULL
     ORDER BY l.valid_from LIMIT 1) AS valid_to,
    c.sha256, v.recorded_in, v.withdrawn_in, v.comment, v.carried_from, v.source_path, v.nonfinite_allowed,
    v.conversion"""
_JOINED = """LEFT JOIN constants c ON c.id = v.constants_id
LEFT JOIN alias a ON a.panel_id = asked.id AND a.withdrawn_in IS NULL"""
_VALID_VERSION = """version p WHERE p.panel_id = asked.id AND p.kind = asked.kind AND p.valid_from <= {instant}
      AND p.withdrawn_in IS NULL ORDER BY p.valid_from DESC LIMIT 1"""

_SQLITE = f"""SELECT {_COLUMNS}
FROM (SELECT p.id, p.identifier, k.column1 AS kind
      FROM panel p CROSS JOIN (VALUES ('gain'), ('offset')) k WHERE p.identifier IN ({{panels}})) asked
JOIN version v ON v.id = (SELECT p.id FROM {_VALID_VERSION.format(instant="?")})
{_JOINED}"""
_POSTGRESQL = f"""SELECT {_COLUMNS}
FROM (SELECT p.id, p.identifier, k.kind
      FROM panel p CROSS JOIN (VALUES ('gain'), ('offset')) k(kind) WHERE p.identifier = ANY(%s)) asked
CROSS JOIN LATERAL (SELECT * FROM {_VALID_VERSION.format(instant="%s")}) v
{_JOINED}"""

# What the field asks: the payload, and since when it is valid. PostgreSQL has LATERAL for it, SQLite a row's number.
_FIELD_COLUMNS = "v.id, asked.identifier, asked.kind, v.valid_from, c.sha256"
_FIELD_SQLITE = f"""SELECT {_FIELD_COLUMNS}
FROM (SELECT p.id, p.identifier, k.column1 AS kind
      FROM panel p CROSS JOIN (VALUES ('gain'), ('offset')) k WHERE p.identifier IN ({{panels}})) asked
JOIN version v ON v.id = (SELECT p.id FROM {_VALID_VERSION.format(instant="?")})
JOIN constants c ON c.id = v.constants_id"""
_FIELD_POSTGRESQL = f"""SELECT {_FIELD_COLUMNS}
FROM (SELECT p.id, p.identifier, k.kind
      FROM panel p CROSS JOIN (VALUES ('gain'), ('offset')) k(kind) WHERE p.identifier = ANY(%s)) asked
CROSS JOIN LATERAL (SELECT * FROM {_VALID_VERSION.format(instant="%s")}) v
JOIN constants c ON c.id = v.constants_id"""

_RANGES = """SELECT v.id, p.identifier, a.m_number, v.kind, v.valid_from,
    lead(v.valid_from) OVER (PARTITION BY v.kind ORDER BY v.valid_from) AS valid_to,
    c.sha256, v.recorded_in, v.withdrawn_in, v.comment, v.carried_from, v.source_path, v.nonfinite_allowed,
    v.conversion
FROM panel p JOIN version v ON v.panel_id = p.id AND v.withdrawn_in IS NULL
LEFT JOIN constants c ON c.id = v.constants_id
LEFT JOIN alias a ON a.panel_id = p.id AND a.withdrawn_in IS NULL
WHERE p.identifier = {place}"""


def prepare_raw_look_up(
    location: RegistryLocation, history: History, instant: int, closing: ExitStack
) -> Callable[[], list[RawRow]]:
    """Return a function that executes the statement for all panels of a history and both kinds."""
    ask: Callable[[Sequence[object]], list[RawRow]]
    parameters: list[object]
    if location.file:
        statement = _SQLITE.format(panels=", ".join("?" * history.panels))
        ask, parameters = _prepare_sqlite(location, statement, closing), [*history.panel_ids, instant]
    else:
        ask, parameters = _prepare_postgresql(location, _POSTGRESQL, closing), [history.panel_ids, instant]
    return lambda: ask(parameters)


def prepare_field_look_up(
    location: RegistryLocation, history: History, closing: ExitStack
) -> Callable[[int], list[RawRow]]:
    """Return a function that executes the field's statement at an instant, for all panels and both kinds."""
    if location.file:
        statement = _FIELD_SQLITE.format(panels=", ".join("?" * history.panels))
        ask = _prepare_sqlite(location, statement, closing)
        return lambda instant: ask([*history.panel_ids, instant])
    ask = _prepare_postgresql(location, _FIELD_POSTGRESQL, closing)
    return lambda instant: ask([history.panel_ids, instant])


def prepare_raw_ranges(
    location: RegistryLocation, panel: str, closing: ExitStack
) -> Callable[[], list[RawRow]]:
    """Return a function that executes the statement for all live ranges of one panel."""
    if location.file:
        ask = _prepare_sqlite(location, _RANGES.format(place="?"), closing)
    else:
        ask = _prepare_postgresql(location, _RANGES.format(place="%s"), closing)
    return lambda: ask([panel])


def to_raw_row(version: Version) -> RawRow:
    """Return a version as a row of these statements."""
    return (
        version.version,
        version.panel,
        version.alias,
        version.kind,
        version.valid_from,
        version.valid_to,
        version.constants,
        version.recorded_in,
        version.withdrawn_in,
        version.comment,
        version.carried_from,
        version.source_path,
        version.nonfinite_allowed,
        version.conversion,
    )


def _prepare_sqlite(
    location: RegistryLocation, statement: str, closing: ExitStack
) -> Callable[[Sequence[object]], list[RawRow]]:
    connection = sqlite3.connect(str(location.file), isolation_level=None)
    closing.callback(connection.close)
    cursor = connection.cursor()
    return lambda parameters: cursor.execute(statement, parameters).fetchall()


def _prepare_postgresql(
    location: RegistryLocation, statement: str, closing: ExitStack
) -> Callable[[Sequence[object]], list[RawRow]]:
    import psycopg

    connection = psycopg.connect(location.database, autocommit=True)
    closing.callback(connection.close)
    cursor = connection.cursor(binary=True)
    return lambda parameters: cursor.execute(statement, parameters, prepare=True).fetchall()
