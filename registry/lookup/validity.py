"""Validity at an instant, for panels and kinds, as of a revision; and the refusal where nothing is valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from registry import detectors, schema
from registry.database.driver_reads import read_rows
from registry.database.planner import limit_one
from registry.errors import NotValidError
from registry.instants import BEGINNING, LATEST, Instant
from registry.lookup.revisions import RevisionRef, as_revision_ref
from registry.lookup.valid_versions import looks_nearby, select_valid_versions
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.lookup.versions import build_live_version
from registry.records import Panel, Version
from registry.sql import sa

ValidVersions = dict[tuple[str, str], Version]
"""By panel Id and kind."""

_PIECE_SIZE = 250  # with more at once PostgreSQL expects that reading a whole table pays

# How far around an instant starts are looked for at first, in microseconds; kept with each connection.
_USUAL_WIDTH = "calreg_usual_width"
_FIRST_WIDTH = 86_400_000_000
_LARGEST_WIDTH = 36_525 * _FIRST_WIDTH


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
    dialect = connection.dialect.name
    parameters: dict[str, Any] = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
    parameters |= {"panels": list(panels), "instant": instant, **as_of.parameters}
    is_near = looks_nearby(dialect, as_of.by)
    if is_near:
        width = connection.info.get(_USUAL_WIDTH, _FIRST_WIDTH)
        parameters["near_before"] = max(instant - width, BEGINNING)
        parameters["near_after"] = min(instant + width, LATEST)
    rows = read_rows(connection, select_valid_versions(len(kinds), as_of.by, dialect), parameters)
    # By number, the first column: the order of the warnings in provenance documents.
    valid = sorted((row for row in rows if row[0] is not None), key=itemgetter(0))
    versions = [build_live_version(row, row[-1]) for row in valid]
    if is_near:
        _note_usual_width(connection, valid)
    return {(version.panel, version.kind): version for version in versions}


def _note_usual_width(connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Keep with the connection how long the longest range of an answer is: the next one will have such ranges, too."""
    widths = [row[-1] - row[4] for row in rows if row[-1] is not None]  # from valid_from to valid_to
    if widths:
        connection.info[_USUAL_WIDTH] = min(max(widths), _LARGEST_WIDTH)


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
        under = [name for name in firsts if name != kind and detectors.find_base(name) == kind]
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
        rows = values_table_parameters(dialect, pairs[begin : begin + _PIECE_SIZE], "identifier", "kind")
        query = _select_first_starts(dialect)
        for panel, kind, first in connection.execute(query, {**rows, "revision": revision}):
            if first is not None:
                firsts[panel][kind] = Instant(first)
    return firsts


@cache
def _select_first_starts(dialect: str) -> sa.Select[Any]:
    panel, version = schema.panel, schema.version
    wanted = values_table_template(dialect, panel.c.identifier, version.c.kind)
    revision: sa.BindParameter[int] = sa.bindparam("revision", type_=sa.Integer)
    first = (
        sa.select(version.c.valid_from)
        .where(version.c.panel_id == panel.c.id, version.c.kind == wanted.c.kind)
        .where(schema.live_condition(version, revision))
        .order_by(version.c.valid_from)
        .limit(limit_one())
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
