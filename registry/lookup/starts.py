"""Validity at many starts at once, each of a panel and kind of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.planner import hint_live_index
from registry.instants import Instant
from registry.lookup.value_lists import is_listed
from registry.lookup.values_table import values_table, values_table_parameters, values_table_template

_PIECE_SIZE = 250  # with more at once PostgreSQL expects that reading a whole table pays
_COLUMNS = (schema.panel.c.identifier, schema.version.c.kind, schema.version.c.valid_from)

Start = tuple[str, str, Instant]
"""A panel Id, a kind, and a start of validity."""


class ValidVersion(NamedTuple):
    """The number of a version, its own start, the SHA-256 of its constants (None: a gap), and its source."""

    version: int
    valid_from: Instant
    constants: str | None
    source_path: str | None


def versions_at_starts(connection: sa.Connection, starts: Sequence[Start]) -> dict[Start, ValidVersion]:
    """Return the live versions, gaps too, that are valid at these starts; a start without one is missing.

    One probe of an index for each start, whatever the panels have beside it.
    """
    valid: dict[Start, ValidVersion] = {}
    dialect = connection.dialect.name
    for index in range(0, len(starts), _PIECE_SIZE):
        parameters = values_table_parameters(dialect, starts[index : index + _PIECE_SIZE], *_COLUMNS)
        for row in connection.execute(_select_valid_versions(dialect), parameters):
            key = row.identifier, row.kind, Instant(row.start)
            valid[key] = ValidVersion(row.id, Instant(row.valid_from), row.sha256, row.source_path)
    return valid


def find_panels_with_versions(connection: sa.Connection, panels: Iterable[str]) -> set[str]:
    """Return those of the panels that have a version, or had one."""
    panel, version = schema.panel, schema.version
    any_version = sa.exists().where(version.c.panel_id == panel.c.id)
    query = sa.select(panel.c.identifier).where(is_listed(panel.c.identifier, panels), any_version)
    return set(connection.execute(query).scalars())


def sources_near_starts(
    connection: sa.Connection, starts: Sequence[Start], distance: int
) -> Iterator[tuple[Start, Instant, str | None]]:
    """Yield by start the live versions that start at most `distance` microseconds before or after it.

    Of each its own start, and its source.
    """
    for index in range(0, len(starts), _PIECE_SIZE):
        panel, version = schema.panel, schema.version
        wanted = values_table(connection, starts[index : index + _PIECE_SIZE], *_COLUMNS)
        start = sa.type_coerce(wanted.c.valid_from, sa.BigInteger)
        is_near = sa.and_(
            version.c.panel_id == panel.c.id,
            version.c.kind == wanted.c.kind,
            sa.type_coerce(version.c.valid_from, sa.BigInteger).between(start - distance, start + distance),
            schema.live_condition(version, None),
        )
        query = (
            sa.select(*wanted.c, version.c.valid_from.label("own_start"), version.c.source_path)
            .select_from(wanted.join(panel, panel.c.identifier == wanted.c.identifier).join(version, is_near))
            .order_by(version.c.id)
        )
        for row in connection.execute(hint_live_index(query, version, None)):
            yield (row.identifier, row.kind, Instant(row.valid_from)), Instant(row.own_start), row.source_path


@cache
def _select_valid_versions(dialect: str) -> sa.Select[Any]:
    """Return the statement for the last live version of a panel and kind at or before each start."""
    panel, version, constants = schema.panel, schema.version, schema.constants
    wanted = values_table_template(dialect, *_COLUMNS)
    probe = version.alias("probe")
    last = (
        sa.select(sa.func.max(probe.c.valid_from))
        .where(probe.c.panel_id == panel.c.id, probe.c.kind == wanted.c.kind)
        .where(probe.c.valid_from <= wanted.c.valid_from, schema.live_condition(probe, None))
        .correlate_except(probe)
    )
    is_valid = sa.and_(
        version.c.panel_id == panel.c.id,
        version.c.kind == wanted.c.kind,
        version.c.valid_from == hint_live_index(last, probe, None).scalar_subquery(),
        schema.live_condition(version, None),
    )
    query = (
        sa.select(wanted.c.identifier, wanted.c.kind, wanted.c.valid_from.label("start"))
        .add_columns(version.c.id, version.c.valid_from, constants.c.sha256, version.c.source_path)
        .select_from(wanted.join(panel, panel.c.identifier == wanted.c.identifier).join(version, is_valid))
        .outerjoin(constants, constants.c.id == version.c.constants_id)
    )
    return hint_live_index(query, version, None)
