"""Characteristic maps that were recorded before their patterns were: files without a pattern of today's algorithm."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.detectors import DETECTOR_TYPES
from registry.patterns import ALGORITHM


class PatternlessFile(NamedTuple):
    """A characteristic map of which no pattern is recorded, with the first use that makes it one."""

    sha256: str
    size: int
    blake3: str | None
    detector_type: str
    kind: str
    gain_range: int


def list_files_without_pattern(connection: sa.Connection) -> list[PatternlessFile]:
    """Return the characteristic maps without a pattern of today's algorithm, by SHA-256."""
    constants, part, blob = schema.constants, schema.constants_file, schema.blob
    query = (
        _join_patternless(
            sa.select(
                blob.c.sha256,
                blob.c.size,
                blob.c.blake3,
                constants.c.detector_type,
                constants.c.kind,
                part.c.gain_range,
            )
        )
        .join(blob, blob.c.sha256 == part.c.sha256)
        .order_by(blob.c.sha256, constants.c.id, part.c.gain_range)
    )
    files: dict[str, PatternlessFile] = {}
    for row in connection.execute(query):
        files.setdefault(row.sha256, PatternlessFile(*row))
    return list(files.values())


def count_files_without_pattern(connection: sa.Connection) -> int:
    """Return the number of characteristic maps without a pattern of today's algorithm."""
    part = schema.constants_file
    query = _join_patternless(sa.select(sa.func.count(part.c.sha256.distinct())))
    return int(connection.execute(query).scalar_one())


def _join_patternless(query: sa.Select[Any]) -> sa.Select[Any]:
    constants, part, pattern = schema.constants, schema.constants_file, schema.blob_pattern
    characteristic = [
        (constants.c.detector_type == detector.name)
        & (constants.c.kind == kind.name)
        & part.c.gain_range.in_(kind.characteristic)
        for detector in DETECTOR_TYPES.values()
        for kind in detector.kinds
        if kind.characteristic
    ]
    known = sa.select(pattern.c.blob).where(pattern.c.blob == part.c.sha256, pattern.c.algorithm == ALGORITHM)
    # Of nearly all. SQLite finds them in the index, which is small, in its order, as long as the constants, of which it
    # has the revision, come first: the sum keeps it from beginning with the files.
    with_constants = known.where(pattern.c.recorded_in == constants.c.recorded_in)
    with_constants = with_constants.with_hint(pattern, "INDEXED BY ix_blob_pattern_recorded_in", "sqlite")
    return (
        query.select_from(constants)
        .join(part, part.c.constants_id == constants.c.id + 0)
        .where(sa.or_(*characteristic), ~with_constants.exists(), ~known.exists())
    )
