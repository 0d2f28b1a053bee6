"""Validity at an instant, for panels and kinds, as of a revision; and the refusal where nothing is valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import detectors, schema
from registry.database.planner import LIMIT_ONE, hint_live_index
from registry.errors import NotValidError
from registry.instants import Instant
from registry.lookup.m_numbers import INSTANT, select_m_number
from registry.lookup.revisions import RevisionRef, as_revision_ref, select_revision_number
from registry.lookup.value_lists import is_listed, list_parameter
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.lookup.versions import (
    build_live_version,
    list_version_columns,
    select_latest_start,
    select_next_start,
)
from registry.records import Panel, Version

ValidVersions = dict[tuple[str, str], Version]
"""By panel Id and kind."""

_PIECE_SIZE = 250  # with more at once PostgreSQL expects that reading a whole table pays
_PAIR = schema.panel.c.identifier, schema.version.c.kind

_RevisionNumber = sa.ScalarSelect[int] | None
"""``None`` means the newest revision."""


def versions_at(
    connection: sa.Connection,
    panels: Sequence[str],
    kinds: Sequence[str],
    instant: Instant,
    as_of: RevisionRef | int,
) -> ValidVersions:
    """Return the versions valid at the instant, gaps too; without any start by then, a key is missing.

    They bear the M-numbers of the instant. One statement, whose cost does not depend on how many versions the
    panels have. As of an earlier revision it also walks over versions recorded later or withdrawn before, up to the
    greatest start of that time.
    """
    as_of = as_revision_ref(as_of)
    parameters: dict[str, Any] = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
    parameters |= {"panels": list(panels), "instant": instant, **as_of.parameters}
    query = _select_valid_versions(len(kinds), as_of.by, connection.dialect.name)
    rows = connection.execute(query, parameters).all()
    # By number: the order of the warnings in provenance documents.
    valid = sorted((row for row in rows if row.id is not None), key=lambda row: row.id)
    return {(row.identifier, row.kind): build_live_version(row, row.valid_to) for row in valid}


@cache
def _select_valid_versions(kinds: int, revision_by: str, dialect: str) -> sa.Select[Any]:
    """Return the statement: for each panel and kind one index probe for the last start at or before the instant."""
    panel, constants = schema.panel, schema.constants
    revision = select_revision_number(revision_by)
    # Not a VALUES construct: SQLAlchemy would compile the statement anew for every look-up.
    kind_rows = sa.union_all(
        *(sa.select(sa.bindparam(f"kind_{number}", type_=sa.Text).label("kind")) for number in range(kinds))
    ).subquery("kinds")
    pairs = panel.join(kind_rows, sa.true())
    if dialect == "postgresql":
        probes = _join_lateral_probes(pairs, kind_rows, revision)
    else:
        probes = _join_scalar_probes(pairs, kind_rows, revision)
    version = probes.version
    query = (
        sa.select(
            *list_version_columns(version, select_m_number(panel.c.id, INSTANT, revision)),
            select_next_start(revision, version, probes.latest_start).label("valid_to"),
        )
        .select_from(probes.joined)
        .outerjoin(constants, constants.c.id == version.c.constants_id)
        .where(is_listed(panel.c.identifier, list_parameter("panels", panel.c.identifier.type)))
    )
    return query if revision is None else query.where(panel.c.recorded_in <= revision)


class _ProbeJoin(NamedTuple):
    """Pairs of panel and kind joined with their valid version; as of a revision also their greatest start then."""

    joined: sa.FromClause
    version: sa.FromClause
    latest_start: sa.ColumnElement[int | None] | None


def _join_lateral_probes(
    pairs: sa.FromClause, kind_rows: sa.Subquery, revision: _RevisionNumber
) -> _ProbeJoin:
    """Join with rows: PostgreSQL has LATERAL, and one plan serves any number of panels."""
    latest_start: sa.ColumnElement[int | None] | None = None
    if revision is not None:
        latest = select_latest_start(schema.panel.c.id, kind_rows.c.kind, revision).lateral("latest")
        pairs, latest_start = pairs.outerjoin(latest, sa.true()), latest.c.latest_start
    version = _select_last_started(kind_rows, revision, latest_start).lateral("valid")
    return _ProbeJoin(pairs.outerjoin(version, sa.true()), version, latest_start)


def _join_scalar_probes(
    pairs: sa.FromClause, kind_rows: sa.Subquery, revision: _RevisionNumber
) -> _ProbeJoin:
    """Join by number, for SQLite, which has no LATERAL."""
    version, latest_start = schema.version, None
    if revision is not None:
        latest_start = select_latest_start(schema.panel.c.id, kind_rows.c.kind, revision).scalar_subquery()
    last = _select_last_started(kind_rows, revision, latest_start)
    number = last.with_only_columns(last.selected_columns.id).scalar_subquery()
    return _ProbeJoin(pairs.outerjoin(version, version.c.id == number), version, latest_start)


def _select_last_started(
    kind_rows: sa.Subquery, revision: _RevisionNumber, latest_start: sa.ColumnElement[int | None] | None
) -> sa.Select[Any]:
    """Return the version of a panel and kind with the last start at or before the instant, and `latest_start`."""
    panel, version = schema.panel, schema.version.alias("probe")
    bound: sa.ColumnElement[Any] = INSTANT
    if latest_start is not None:
        # NULL where nothing was recorded yet: no start is at or before that.
        bound = sa.case((bound < latest_start, bound), else_=latest_start)
    query = (
        sa.select(version)
        .where(version.c.panel_id == panel.c.id, version.c.kind == kind_rows.c.kind)
        .where(version.c.valid_from <= bound, schema.live_condition(version, revision))
        .order_by(version.c.valid_from.desc())
        .limit(LIMIT_ONE)
        .correlate_except(version)
    )
    return hint_live_index(query, version, revision)


def describe_missing(
    connection: sa.Connection,
    panels: Sequence[Panel],
    kinds: Sequence[str],
    instant: Instant,
    valid_versions: ValidVersions,
    revision: int,
) -> dict[str, list[str]]:
    """Return by panel Id a sentence for every kind without valid constants, with what is known instead."""
    unknown = [
        panel.panel for panel in panels if any((panel.panel, kind) not in valid_versions for kind in kinds)
    ]
    firsts = _find_first_starts(connection, unknown, revision)
    sentences: dict[str, list[str]] = {}
    for panel in panels:
        for kind in kinds:
            version = valid_versions.get((panel.panel, kind))
            if version is None:
                sentence = _describe_no_version(panel.panel, kind, instant, firsts[panel.panel])
            elif version.is_gap:
                sentence = _describe_gap(version, instant)
            else:
                continue
            sentences.setdefault(panel.panel, []).append(sentence)
    return sentences


def _describe_no_version(panel: str, kind: str, instant: Instant, firsts: Mapping[str, Instant]) -> str:
    refusal = f"no {kind} of {panel} is valid at {instant}"
    if kind in firsts:
        under = [name for name in firsts if name.partition("/")[0] == kind and name != kind]
        conditions = f"; under a condition there is {', '.join(sorted(under))}" if under else ""
        return f"{refusal}; the first starts at {firsts[kind]}{conditions}"
    known = f"only {', '.join(sorted(firsts))}" if firsts else "no version of any kind"
    return f"{refusal}; {known} is registered for this panel"


def _find_first_starts(
    connection: sa.Connection, panels: Sequence[str], revision: int
) -> dict[str, dict[str, Instant]]:
    """Return by panel Id and kind the first start as of a revision: one probe of an index for each."""
    pairs = [
        (panel, kind.name)
        for panel in dict.fromkeys(panels)
        for kind in detectors.find_panel_type(panel).kinds
    ]
    firsts: dict[str, dict[str, Instant]] = {panel: {} for panel in panels}
    dialect = connection.dialect.name
    for begin in range(0, len(pairs), _PIECE_SIZE):
        rows = values_table_parameters(dialect, pairs[begin : begin + _PIECE_SIZE], *_PAIR)
        query = _select_first_starts(dialect)
        for panel, kind, first in connection.execute(query, {**rows, "revision": revision}):
            if first is not None:
                firsts[panel][kind] = Instant(first)
    return firsts


@cache
def _select_first_starts(dialect: str) -> sa.Select[Any]:
    panel, version = schema.panel, schema.version
    wanted = values_table_template(dialect, *_PAIR)
    revision: sa.BindParameter[int] = sa.bindparam("revision", type_=sa.Integer)
    first = (
        sa.select(version.c.valid_from)
        .where(version.c.panel_id == panel.c.id, version.c.kind == wanted.c.kind)
        .where(schema.live_condition(version, revision))
        .order_by(version.c.valid_from)
        .limit(LIMIT_ONE)
        .correlate_except(version)
    )
    return sa.select(wanted.c.identifier, wanted.c.kind, first.scalar_subquery()).select_from(
        wanted.join(panel, panel.c.identifier == wanted.c.identifier)
    )


def _describe_gap(gap: Version, instant: Instant) -> str:
    until = f" until {gap.valid_to}" if gap.valid_to is not None else ""
    why = f": {gap.comment}" if gap.comment else ""
    return f"no {gap.kind} of {gap.panel} is valid at {instant}; there is a gap from {gap.valid_from}{until}{why}"


def refuse_missing(sentences: dict[str, list[str]]) -> None:
    """Refuse with all sentences of `describe_missing` at once, if there are any."""
    missing = list(chain.from_iterable(sentences.values()))
    if missing:
        raise NotValidError.combine("constants are missing", missing, missing=missing, panels=list(sentences))
