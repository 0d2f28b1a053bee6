"""Corrections: the last change of what is valid at an instant, for panels and kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.instants import BEGINNING, Instant
from registry.lookup.validity import ValidVersions, versions_at
from registry.lookup.value_lists import is_listed
from registry.records import Correction, Version

_MAX_REVISIONS = 20  # that are looked at, the newest ones

_Place = tuple[str, str]
"""A panel Id and a kind."""


def list_corrections(
    connection: sa.Connection,
    panels: Sequence[str],
    kinds: Sequence[str],
    instant: Instant,
    valid: ValidVersions,
    revision: int,
) -> tuple[Correction, ...]:
    """Return for each panel and kind the last change of its answer, if it had another one before; the newest first.

    `valid` is what is valid as of the revision. Of at most twenty revisions.
    """
    changed = _find_last_changes(connection, panels, kinds, instant, valid, revision)
    corrections = []
    for number in sorted(changed, reverse=True)[:_MAX_REVISIONS]:
        if number > 1:
            before = versions_at(
                connection,
                list(dict.fromkeys(panel for panel, _ in changed[number])),
                list(dict.fromkeys(kind for _, kind in changed[number])),
                instant,
                number - 1,
            )
            places = [place for place in changed[number] if place in before]
            corrections += _compare(connection, number, places, before, valid)
    return tuple(corrections)


def _find_last_changes(
    connection: sa.Connection,
    panels: Sequence[str],
    kinds: Sequence[str],
    instant: Instant,
    valid: ValidVersions,
    revision: int,
) -> dict[int, list[_Place]]:
    """Return by revision the panels and kinds whose answer it was the last one to change.

    That is the revision that recorded the valid version, or withdrew one that went before it.
    """
    last = {place: version.recorded_in for place, version in valid.items()}
    version, panel = schema.version, schema.panel
    query = (
        sa.select(
            panel.c.identifier,
            version.c.kind,
            version.c.valid_from,
            sa.func.max(version.c.withdrawn_in).label("number"),
        )
        .join(panel, panel.c.id == version.c.panel_id)
        .where(is_listed(panel.c.identifier, panels))
        .where(version.c.withdrawn_in.is_not(None), version.c.withdrawn_in <= revision)
        .where(version.c.valid_from <= instant)
        .group_by(panel.c.identifier, version.c.kind, version.c.valid_from)
    )
    for row in connection.execute(query):
        place = row.identifier, row.kind
        start = valid[place].valid_from if place in valid else BEGINNING
        if row.kind in kinds and row.valid_from >= start:
            last[place] = max(row.number, last.get(place, 0))
    changed = defaultdict(list)
    for place, number in last.items():
        changed[number].append(place)
    return changed


def _compare(
    connection: sa.Connection,
    number: int,
    places: Iterable[_Place],
    before: Mapping[_Place, Version],
    valid: ValidVersions,
) -> list[Correction]:
    """Return the places at which a revision replaced constants by others."""
    different = [place for place in places if _has_other_constants(before[place], valid.get(place))]
    if not different:
        return []
    row = connection.execute(sa.select(schema.revision).where(schema.revision.c.number == number)).one()
    return [_build_correction(row, place, before[place], valid.get(place)) for place in sorted(different)]


def _has_other_constants(before: Version, after: Version | None) -> bool:
    return after is None or before.constants != after.constants


def _build_correction(row: Any, place: _Place, before: Version, after: Version | None) -> Correction:
    panel, kind = place
    return Correction(
        revision=row.number,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
        comment=row.comment,
        panel=panel,
        alias=(after or before).alias,
        kind=kind,
        before=before.version,
        after=after.version if after else None,
    )
