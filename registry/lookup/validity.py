"""What is valid at an instant, for panels and kinds, as of a revision; and what to say when nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.errors import NotValidError
from registry.instants import Instant
from registry.lookup.revisions import Known, as_known, select_known
from registry.lookup.versions import live_record, next_start, select_latest_start, version_columns
from registry.records import Panel, Version

Found = dict[tuple[str, str], Version]
"""What holds, by panel Id and kind."""

_Number = sa.ScalarSelect[int] | None
"""Of a revision, None for the newest."""


def versions_at(
    connection: sa.Connection,
    panels: Sequence[str],
    kinds: Sequence[str],
    instant: Instant,
    known: Known | int,
) -> Found:
    """Return what holds at the instant; gaps too. Where nothing ever began, there is no entry.

    One statement, whose cost does not depend on how many versions the panels have. As of an earlier revision it
    also walks over what was recorded since, or withdrawn before, below the greatest start that was known.
    """
    known = as_known(known)
    parameters: dict[str, Any] = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
    parameters |= {"panels": list(panels), "instant": instant, **known.parameters}
    query = _select_holding(len(kinds), known.by, connection.dialect.name)
    rows = connection.execute(query, parameters).all()
    # By number: what is told of them stands in provenance documents.
    held = sorted((row for row in rows if row.id is not None), key=lambda row: row.id)
    return {(row.identifier, row.kind): live_record(row, row.valid_to) for row in held}


@cache
def _select_holding(kinds: int, known_by: str, dialect: str) -> sa.Select[Any]:
    """Return the statement: for each panel and kind one probe for the greatest start at or before the instant."""
    panel, alias, constants = schema.panel, schema.alias, schema.constants
    known = select_known(known_by)
    # Not a VALUES construct: SQLAlchemy would compile the statement anew for every question.
    asked = sa.union_all(
        *(sa.select(sa.bindparam(f"kind_{number}", type_=sa.Text).label("kind")) for number in range(kinds))
    ).subquery("asked")
    every = panel.join(asked, sa.true())
    if dialect == "postgresql":
        probes = _handing_out_rows(every, asked, known)
        panels = panel.c.identifier == sa.any_(sa.bindparam("panels", type_=sa.ARRAY(sa.Text)))
    else:
        probes = _handing_out_numbers(every, asked, known)
        panels = panel.c.identifier.in_(sa.bindparam("panels", expanding=True))
    version = probes.version
    query = (
        sa.select(*version_columns(version), next_start(known, version, probes.latest).label("valid_to"))
        .select_from(probes.joined)
        .outerjoin(constants, constants.c.id == version.c.constants_id)
        .outerjoin(alias, sa.and_(alias.c.panel_id == panel.c.id, schema.visible(alias, known)))
        .where(panels)
    )
    return query if known is None else query.where(panel.c.recorded_in <= known)


class _Probes(NamedTuple):
    """What was asked, joined with the version that holds, and the greatest start that was known (None: the newest)."""

    joined: sa.FromClause
    version: sa.FromClause
    latest: sa.ColumnElement[int | None] | None


def _handing_out_rows(every: sa.FromClause, asked: sa.Subquery, known: _Number) -> _Probes:
    """Join with rows: PostgreSQL has LATERAL, and one plan serves any number of panels."""
    latest: sa.ColumnElement[int | None] | None = None
    if known is not None:
        stated = select_latest_start(schema.panel.c.id, asked.c.kind, known).lateral("latest")
        every, latest = every.outerjoin(stated, sa.true()), stated.c.latest_start
    version = _select_last(asked, known, latest).lateral("holding")
    return _Probes(every.outerjoin(version, sa.true()), version, latest)


def _handing_out_numbers(every: sa.FromClause, asked: sa.Subquery, known: _Number) -> _Probes:
    """Join by number, for SQLite, which has no LATERAL."""
    version, latest = schema.version, None
    if known is not None:
        latest = select_latest_start(schema.panel.c.id, asked.c.kind, known).scalar_subquery()
    last = _select_last(asked, known, latest)
    number = last.with_only_columns(last.selected_columns.id).scalar_subquery()
    return _Probes(every.outerjoin(version, version.c.id == number), version, latest)


def _select_last(
    asked: sa.Subquery, known: _Number, latest: sa.ColumnElement[int | None] | None
) -> sa.Select[Any]:
    """Return the version of a panel and kind that begins last at or before the instant, and `latest`."""
    panel, version = schema.panel, schema.version.alias("probe")
    instant = sa.bindparam("instant", type_=sa.BigInteger)
    # NULL where nothing was known yet, which no start is before.
    bound = instant if latest is None else sa.case((instant < latest, instant), else_=latest)
    query = (
        sa.select(version)
        .where(version.c.panel_id == panel.c.id, version.c.kind == asked.c.kind)
        .where(version.c.valid_from <= bound, schema.visible(version, known))
        .order_by(version.c.valid_from.desc())
        .limit(schema.ONE)
        .correlate_except(version)
    )
    return schema.over_live_index(query, version, known)


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
