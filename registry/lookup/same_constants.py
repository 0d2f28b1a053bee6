"""Live versions with the same constants as those that a revision withdrew: what is wrong with one is with all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.identifiers import format_count, shorten
from registry.records import SameConstants


def list_same_constants(connection: sa.Connection, revision: int) -> list[SameConstants]:
    """Return the live versions, of any panel, with constants of which the revision withdrew a version.

    By constants and panel. Not those that the revision itself recorded.
    """
    rows = connection.execute(_select_versions(), {"revision": revision})
    by_key: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row in rows:
        by_key[row.sha256, row.kind, row.identifier].append(row.id)
    return [SameConstants(*key, tuple(numbers)) for key, numbers in by_key.items()]


@cache
def _select_versions() -> sa.Select[Any]:
    version, panel, constants = schema.version, schema.panel, schema.constants
    gone = schema.version.alias("gone")
    revision = sa.bindparam("revision", type_=sa.Integer)
    withdrawn = (
        sa.select(gone.c.constants_id)
        .distinct()
        .where(gone.c.withdrawn_in == revision, gone.c.constants_id.is_not(None))
        .cte("withdrawn")
    )
    return (
        sa.select(constants.c.sha256, version.c.kind, panel.c.identifier, version.c.id)
        .select_from(withdrawn)
        .join(version, version.c.constants_id == withdrawn.c.constants_id)
        .join(panel, panel.c.id == version.c.panel_id)
        .join(constants, constants.c.id == version.c.constants_id)
        .where(version.c.withdrawn_in.is_(None), version.c.recorded_in < revision)
        .order_by(version.c.kind, constants.c.sha256, panel.c.identifier, version.c.id)
    )


def describe_same_constants(rows: Sequence[SameConstants]) -> str:
    """Return one sentence on these versions."""
    total = sum(len(row.versions) for row in rows)
    verb = "has" if total == 1 else "have"
    names = [
        f"{row.kind} of {row.panel} ({'version' if len(row.versions) == 1 else 'versions'}"
        f" {shorten([str(number) for number in row.versions])})"
        for row in rows
    ]
    return f"{format_count(total, 'live version')} {verb} the same constants as what was withdrawn: {shorten(names)}"
