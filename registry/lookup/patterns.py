"""Stored patterns: their signs, through all of which a search goes, and the samples of the few that come closest."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from registry import schema
from registry.database.driver_connections import use_sqlalchemy
from registry.errors import CorruptionError
from registry.lookup.file_uses import Module
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.patterns import ALGORITHM, SIGNS_SIZE, parse_pattern


class StoredSigns(NamedTuple):
    """The files that have patterns, by SHA-256, and their signs, an array (file, byte)."""

    files: list[str]
    signs: NDArray[np.uint8]


def read_signs(connection: sa.Connection, revision: int | None = None) -> StoredSigns:
    """Return the signs of all patterns of today's algorithm; of 10,000 they are 5 MB."""
    pattern = schema.blob_pattern
    query = _select_signs()
    if revision is not None:
        # The sum: not by the index of revisions, which has nearly all, but in the order of the table.
        query = query.where(pattern.c.recorded_in + 0 <= revision)
    rows = _read_with_driver(connection, query)
    if any(len(row[1]) != SIGNS_SIZE for row in rows):
        raise CorruptionError("the database is damaged: signs of patterns have another size than 512 bytes")
    signs = np.frombuffer(b"".join([row[1] for row in rows]), np.uint8)
    return StoredSigns([row[0] for row in rows], signs.reshape(len(rows), SIGNS_SIZE))


def _read_with_driver(connection: sa.Connection, query: sa.Select[Any]) -> list[tuple[str, bytes]]:
    """Return rows as the driver has them, PostgreSQL's without making texts of the bytes: in half of the time."""
    connection = use_sqlalchemy(connection)
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    dbapi_connection: Any = connection.connection
    options = {"binary": True} if dialect.name == "postgresql" else {}
    cursor = dbapi_connection.cursor(**options)
    try:
        cursor.execute(text)
        rows: list[tuple[str, bytes]] = cursor.fetchall()
    except driver.Error as error:
        raise sa.exc.DBAPIError.instance(text, None, error, driver.Error, dialect=dialect) from error
    finally:
        cursor.close()
    return rows


@cache
def _select_signs() -> sa.Select[Any]:
    pattern = schema.blob_pattern
    return sa.select(pattern.c.blob, pattern.c.signs).where(
        pattern.c.algorithm == ALGORITHM, pattern.c.signs.is_not(None)
    )


def read_samples(connection: sa.Connection, files: Iterable[str]) -> dict[str, NDArray[np.int8]]:
    """Return the samples of the patterns of these files."""
    dialect, pattern = connection.dialect.name, schema.blob_pattern
    wanted = values_table_parameters(dialect, [(sha256,) for sha256 in files], pattern.c.blob)
    return {
        row.blob: parse_pattern(row.samples, ALGORITHM).samples
        for row in connection.execute(_select_samples(dialect), wanted)
    }


@cache
def _select_samples(dialect: str) -> sa.Select[Any]:
    pattern = schema.blob_pattern
    wanted = values_table_template(dialect, pattern.c.blob)
    return (
        sa.select(pattern.c.blob, pattern.c.samples)
        .join(wanted, wanted.c.blob == pattern.c.blob)
        .where(pattern.c.algorithm == ALGORITHM, pattern.c.samples.is_not(None))
    )


def list_files_of_module(
    connection: sa.Connection, module: Module, kind: str, revision: int | None = None
) -> set[str]:
    """Return the files of live versions of panels that have ever borne the M-number or have the serial number."""
    version, part = schema.version, schema.constants_file
    query = (
        sa.select(part.c.sha256)
        .distinct()
        .join(version, version.c.constants_id == part.c.constants_id)
        .where(version.c.panel_id.in_(_select_panels(module, revision)), version.c.kind == kind)
        .where(schema.live_condition(version, revision))
    )
    return set(connection.execute(query).scalars())


def _select_panels(module: Module, revision: int | None) -> sa.Select[tuple[int]] | sa.CompoundSelect[int]:
    """Select the panels of a module; not by OR, for which PostgreSQL would read every version."""
    panel, alias = schema.panel, schema.alias
    of_module = sa.select(panel.c.id).where(panel.c.serial_number == module.serial_number)
    if module.m_number is None:
        return of_module
    bearing = sa.select(alias.c.panel_id).where(
        alias.c.m_number == module.m_number, schema.live_condition(alias, revision)
    )
    return sa.union(of_module, bearing)
