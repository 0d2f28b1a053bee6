"""Integrity rules: statements that find rows which calreg cannot have written.

The seals prove that the rows are those that the guards let in. The rules find what no guard asks, of rows that came in
through SQL, and what no seal is of: types and texts, which SQLite does not hold to; names; ``latest_start``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import detectors, schema
from registry.database.driver_connections import use_sqlalchemy
from registry.errors import RegistryError
from registry.identifiers import shorten
from registry.instants import BEGINNING, EARLIEST, LATEST
from registry.lookup.sealed_sources import read_batches

_MAX_SHOWN = 100
_CHUNK_SIZE = 10_000

_INSTANTS = (
    (schema.revision, "recorded_at"),
    (schema.version, "valid_from"),
    (schema.alias, "valid_from"),
    (schema.run, "begin_at"),
    (schema.run, "end_at"),
    (schema.export, "instant"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A statement whose first column names the rows of a table that violate the rule."""

    table: str
    violation: str
    query: sa.Select[Any] | sa.CompoundSelect[Any]

    def find_problem(self, connection: sa.Connection) -> str | None:
        """Return a description of the rows that violate the rule, ``None`` where there are none."""
        keys = [str(key) for key in connection.execute(self.query.limit(_MAX_SHOWN)).scalars()]
        return f"{self.table} {shorten(keys)}: {self.violation}" if keys else None


def has_all_columns(connection: sa.Connection) -> bool:
    """Tell whether the database has every column that the rules use."""
    tables = sa.inspect(use_sqlalchemy(connection)).get_multi_columns()
    names = {table: {column["name"] for column in columns} for (_, table), columns in tables.items()}
    return all(set(table.c.keys()) <= names.get(table.name, set()) for table in schema.metadata.sorted_tables)


def list_rules() -> Iterator[Rule]:
    """Yield the rules of what no guard asks."""
    version, constants, panel = schema.version, schema.constants, schema.panel
    for table, name in _INSTANTS:
        instant = table.c[name]
        outside = sa.and_(~instant.between(EARLIEST, LATEST), instant != BEGINNING)
        yield Rule(table.name, f"{name} is not an instant", sa.select(_primary_key(table)).where(outside))
    with_constants = sa.select(version.c.id).join(constants, constants.c.id == version.c.constants_id)
    other_kind = with_constants.where(constants.c.kind != version.c.kind)
    yield Rule("version", "its constants are of another kind", other_kind)
    with_panel = with_constants.join(panel, panel.c.id == version.c.panel_id)
    other_type = with_panel.where(constants.c.detector_type != panel.c.detector_type)
    yield Rule("version", "its constants are of another detector type than its panel", other_type)


def find_wrong_latest_starts(connection: sa.Connection) -> Iterator[str]:
    """Yield a description of versions whose ``latest_start`` is not the greatest start of the panel and kind so far."""
    version = schema.version
    columns = (version.c.id, version.c.panel_id, version.c.kind, version.c.valid_from, version.c.latest_start)
    query = sa.select(*columns).where(version.c.valid_from.is_not(None))
    latest: dict[tuple[int, str], int] = {}
    wrong: list[str] = []
    for batch in read_batches(connection, query.order_by(version.c.recorded_in, version.c.id)):
        for number, panel, kind, start, latest_start in batch:
            so_far = latest.get((panel, kind))
            if so_far is None or start > so_far:
                latest[panel, kind] = so_far = start
            if latest_start != so_far and len(wrong) < _MAX_SHOWN:
                wrong.append(str(number))
    if wrong:
        yield f"version {shorten(wrong)}: latest_start is not the greatest start of its panel and kind so far"


def find_invalid_names(connection: sa.Connection) -> Iterator[str]:
    """Yield a description of each panel Id and kind that its detector type does not have."""
    panel, version = schema.panel, schema.version
    for row in connection.execute(sa.select(panel)):
        try:
            parsed = detectors.parse_panel_id(row.identifier)
            detector_type_name = detectors.find_panel_type(row.identifier).name
        except RegistryError as error:
            yield f"panel {row.id}: {error}"
            continue
        fields = (detector_type_name, parsed.module_version, parsed.firmware_version, parsed.serial_number)
        if fields != (row.detector_type, row.module_version, row.firmware_version, row.serial_number):
            yield f"panel {row.id}: its fields are not those of its panel Id {row.identifier}"
    query = sa.select(panel.c.detector_type, version.c.kind).join(version, version.c.panel_id == panel.c.id)
    for name, kind in connection.execute(query.distinct()):
        detector_type = detectors.DETECTOR_TYPES.get(name)
        if detector_type and kind not in [known.name for known in detector_type.kinds]:
            yield f"version: there are versions of the kind {kind!r}, which {name} does not have"


def has_late_seals(connection: sa.Connection) -> bool:
    """Tell whether a revision was sealed later than its writer: its rows may be any that SQLite keeps."""
    late = sa.select(schema.seal.c.revision).where(schema.seal.c.late.is_not(None))
    return connection.execute(late.limit(1)).first() is not None


def list_type_rules(connection: sa.Connection, tables: Iterable[sa.Table]) -> Iterator[Rule]:
    """Yield the rules that all others rely on: SQLite takes any value in any column."""
    if connection.dialect.name == "postgresql":
        return
    for table in tables:
        wrong = sa.or_(*(sa.func.typeof(column).not_in((_sqlite_type(column), "null")) for column in table.c))
        yield Rule(table.name, "a value has the wrong type", sa.select(_primary_key(table)).where(wrong))


def _sqlite_type(column: sa.Column[Any]) -> str:
    if isinstance(column.type, sa.String):  # Text, too
        return "text"
    if isinstance(column.type, sa.LargeBinary):
        return "blob"
    return "real" if isinstance(column.type, sa.Double) else "integer"


def read_texts(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """Read every text of tables: SQLite takes bytes that are not text, which `translate_database_errors` refuses."""
    if connection.dialect.name == "postgresql":
        return
    for table in tables:
        texts = [column for column in table.c if isinstance(column.type, sa.String)]
        if texts:
            rows = connection.execute(sa.select(*texts), execution_options={"yield_per": _CHUNK_SIZE})
            for _ in rows.partitions():
                pass


def _primary_key(table: sa.Table) -> sa.ColumnElement[Any]:
    """Return the column that names a row."""
    return next(iter(table.primary_key))
