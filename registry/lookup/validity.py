"""What is valid at an instant, for panels and kinds, as of a revision; and what to say when nothing is."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from registry import schema
from registry.errors import NotValidError
from registry.instants import Instant
from registry.lookup.versions import next_start, record, select_versions
from registry.records import Panel, Version

Found = dict[tuple[str, str], Version]
"""What holds, by panel Id and kind."""


def versions_at(
    connection: sa.Connection, panels: Sequence[Panel], kinds: Sequence[str], instant: Instant, revision: int
) -> Found:
    """Return what holds at the instant; gaps too. Where nothing ever began, there is no entry.

    One statement: per panel and kind one probe for the greatest start at or before the instant, and one
    for the next start.
    """
    panel, version, probe = schema.panel, schema.version, schema.version.alias("probe")
    # Not a VALUES construct: SQLAlchemy would compile the statement anew for every question.
    wanted = sa.union_all(*(sa.select(sa.literal(kind).label("kind")) for kind in kinds)).subquery("wanted")
    asked = (
        sa.select(panel.c.id, wanted.c.kind)
        .select_from(panel.join(wanted, sa.true()))
        .where(panel.c.identifier.in_([each.panel for each in panels]))
        .subquery("asked")
    )
    holding = (
        sa.select(probe.c.id)
        .where(probe.c.panel_id == asked.c.id, probe.c.kind == asked.c.kind)
        .where(probe.c.valid_from <= instant, schema.visible(probe, revision))
        .order_by(probe.c.valid_from.desc())
        .limit(1)
        .correlate(asked)
        .scalar_subquery()
    )
    query = (
        select_versions(revision)
        .add_columns(next_start(revision).label("valid_to"))
        .where(version.c.id.in_(sa.select(holding).select_from(asked)))
        .order_by(version.c.id)  # what is told of them stands in provenance documents
    )
    return {
        (row.identifier, row.kind): record(row, revision, row.valid_to) for row in connection.execute(query)
    }


def missing(
    connection: sa.Connection,
    panels: Sequence[Panel],
    kinds: Sequence[str],
    instant: Instant,
    found: Found,
    revision: int,
) -> dict[str, list[str]]:
    """Return by panel Id a sentence for every kind of which nothing is valid, with what is known instead."""
    sentences: dict[str, list[str]] = {}
    for panel in panels:
        for kind in kinds:
            version = found.get((panel.panel, kind))
            if version is None:
                sentence = _never_began(connection, panel, kind, instant, revision)
            elif version.is_gap:
                sentence = _in_a_gap(version, instant)
            else:
                continue
            sentences.setdefault(panel.panel, []).append(sentence)
    return sentences


def _never_began(connection: sa.Connection, panel: Panel, kind: str, instant: Instant, revision: int) -> str:
    version = schema.version
    query = (
        sa.select(version.c.kind, sa.func.min(version.c.valid_from))
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .where(schema.panel.c.identifier == panel.panel, schema.visible(version, revision))
        .group_by(version.c.kind)
    )
    firsts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    begin = f"no {kind} of {panel.panel} is valid at {instant}; "
    if kind in firsts:
        return f"{begin}the first begins {Instant(firsts[kind])}"
    known = f"only {', '.join(sorted(firsts))}" if firsts else "no version of any kind"
    return f"{begin}{known} is registered for this panel"


def _in_a_gap(gap: Version, instant: Instant) -> str:
    until = f" until {gap.valid_to}" if gap.valid_to is not None else ""
    why = f": {gap.comment}" if gap.comment else ""
    return f"no {gap.kind} of {gap.panel} is valid at {instant}; a gap begins {gap.valid_from}{until}{why}"


def refuse_missing(sentences: dict[str, list[str]]) -> None:
    """Refuse with all the sentences at once.

    Raises
    ------
    NotValidError
        There is at least one.
    """
    every = [sentence for panel in sentences.values() for sentence in panel]
    if every:
        raise NotValidError.all_of("constants are missing", every, missing=every)
