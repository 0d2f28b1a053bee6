"""The constants that contain stored files, for many files at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from registry import schema
from registry.lookup.value_lists import is_listed


def find_constants_with_files(
    connection: sa.Connection, sha256s: Collection[str], kind: str, revision: int
) -> Mapping[tuple[str, int], set[str]]:
    """Return by SHA-256 of a file and gain range the constants of a kind that contain it there."""
    part, constants = schema.constants_file, schema.constants
    query = (
        sa.select(part.c.sha256.label("file"), part.c.gain_range, constants.c.sha256)
        .join(constants, constants.c.id == part.c.constants_id)
        .where(is_listed(part.c.sha256, set(sha256s)))
        .where(constants.c.kind == kind, constants.c.recorded_in <= revision)
    )
    by_file: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for row in connection.execute(query):
        by_file[row.file, row.gain_range].add(row.sha256)
    return by_file


def list_constants_of_panel(
    connection: sa.Connection, identifier: str, kind: str, revision: int, limit: int
) -> list[str]:
    """Return the constants that a panel has or had, withdrawn ones too: those of the latest starts."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    query = (
        sa.select(constants.c.sha256)
        .join(version, version.c.constants_id == constants.c.id)
        .join(panel, panel.c.id == version.c.panel_id)
        .where(panel.c.identifier == identifier, version.c.kind == kind, version.c.recorded_in <= revision)
        .order_by(version.c.valid_from.desc())
        .limit(limit)
    )
    return list(dict.fromkeys(connection.execute(query).scalars()))


def describe_constants(connection: sa.Connection, sha256: str, revision: int) -> str:
    """Return which panel has constants, as a clause: of its newest version with them, live ones first."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    query = (
        sa.select(version.c.id, version.c.kind, panel.c.identifier, version.c.withdrawn_in)
        .join(panel, panel.c.id == version.c.panel_id)
        .join(constants, constants.c.id == version.c.constants_id)
        .where(constants.c.sha256 == sha256, version.c.recorded_in <= revision)
        .order_by(version.c.withdrawn_in.is_not(None), version.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return f"constants {sha256[:8]}"
    withdrawn = " (withdrawn)" if row.withdrawn_in is not None and row.withdrawn_in <= revision else ""
    return f"{row.kind} of {row.identifier}, version {row.id}{withdrawn}"
