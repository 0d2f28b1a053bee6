"""Every live use of the files that can tell of a mix-up: those with a pattern, and those that several versions have."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.lookup.file_uses import Module
from registry.lookup.m_numbers import select_m_number
from registry.patterns import ALGORITHM


class LiveMap(NamedTuple):
    """The use of a file by one live version.

    Attributes
    ----------
    module
        That of the panel at the start of the version.
    same_as, pattern_allowed
        What was stated as meant when the version was recorded.
    is_flat
        Whether every pixel has the same value.
    """

    file: str
    kind: str
    gain_range: int
    version: int
    panel: str
    module: Module
    same_as: str | None
    pattern_allowed: bool
    is_flat: bool


def list_live_maps(connection: sa.Connection) -> list[LiveMap]:
    """Return the uses by live versions of files with a pattern, and of files that more than one live version has."""
    version, panel, part, blob = schema.version, schema.panel, schema.constants_file, schema.blob
    query = (
        sa.select(
            part.c.sha256,
            version.c.kind,
            part.c.gain_range,
            version.c.id,
            panel.c.identifier,
            select_m_number(version.c.panel_id, version.c.valid_from, None),
            panel.c.serial_number,
            version.c.same_as,
            version.c.pattern_allowed,
            blob.c.minimum,
            blob.c.maximum,
        )
        .join(version, version.c.constants_id == part.c.constants_id)
        .join(panel, panel.c.id == version.c.panel_id)
        .join(blob, blob.c.sha256 == part.c.sha256)
        .where(schema.live_condition(version, None))
        .where(part.c.sha256.in_(_select_files_with_pattern()) | part.c.sha256.in_(_select_shared_files()))
        .order_by(version.c.id, part.c.gain_range)
    )
    return [
        LiveMap(
            row.sha256,
            row.kind,
            row.gain_range,
            row.id,
            row.identifier,
            Module(row.m_number, row.serial_number),
            row.same_as,
            bool(row.pattern_allowed),
            row.minimum is not None and row.minimum == row.maximum,
        )
        for row in connection.execute(query)
    ]


def _select_files_with_pattern() -> sa.Select[tuple[str]]:
    pattern = schema.blob_pattern
    return sa.select(pattern.c.blob).where(pattern.c.algorithm == ALGORITHM, pattern.c.samples.is_not(None))


def _select_shared_files() -> sa.Select[tuple[str]]:
    version, part = schema.version, schema.constants_file
    return (
        sa.select(part.c.sha256)
        .join(version, version.c.constants_id == part.c.constants_id)
        .where(schema.live_condition(version, None))
        .group_by(part.c.sha256)
        .having(sa.func.count() > 1)
    )
