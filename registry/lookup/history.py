"""What the revisions changed, in one line each: the log, and what a write (or its dry run) reports."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.identifiers import run_range
from registry.instants import Instant
from registry.lookup.lines import Lines
from registry.records import Panel, Revision, Version

_PIECE = 500

Line = tuple[int, str]
"""A revision's number, and one thing that it did: ``+`` recorded, ``-`` withdrew."""


def revisions(connection: sa.Connection, upto: int, panels: Sequence[Panel] | None = None) -> list[Revision]:
    """Return the revisions up to that one, the newest first, each with what it changed.

    With `panels`, only those that touched one of them (itself, its aliases, versions or configurations), and
    of what they changed only what names it.
    """
    query = sa.select(schema.revision).where(schema.revision.c.number <= upto)
    if panels is not None:
        query = query.where(schema.revision.c.number.in_(_touching([panel.panel for panel in panels])))
    rows = connection.execute(query.order_by(schema.revision.c.number.desc())).all()
    changed: dict[int, list[str]] = defaultdict(list)
    named = "|".join(re.escape(panel.panel) for panel in panels) if panels is not None else ""
    names_one = re.compile(rf"(?<![0-9a-f-])(?:{named})(?![0-9a-f-])" if named else "")
    for start in range(0, len(rows), _PIECE):
        for number, line in _changes(connection, [row.number for row in rows[start : start + _PIECE]]):
            if names_one.search(line):
                changed[number].append(line)
    return [_revision(row, tuple(changed[row.number])) for row in rows]


def changes_in(
    connection: sa.Connection,
    revision: int,
    recorded: Sequence[Version],
    withdrawn: Sequence[Version],
    tables: Collection[str],
) -> Lines:
    """Return everything that one revision recorded (``+``) or withdrew (``-``), a line each.

    Its versions are known already: there may be very many. Only the named tables hold others of its facts.
    """

    def lines(asked: Mapping[str, Lister]) -> list[str]:
        return [
            line
            for name, changed in asked.items()
            if name in tables
            for _, line in changed(connection, [revision])
        ]

    return Lines(
        (lines(_BEFORE_VERSIONS), str),
        (withdrawn, lambda version: f"- {stated(version)}"),
        (recorded, lambda version: f"+ {stated(version)}"),
        (lines(_AFTER_VERSIONS), str),
    )


def stated(version: Version) -> str:
    """Return what a version states, in one line."""
    return _stated(
        version.version,
        version.kind,
        version.panel,
        version.valid_from,
        version.constants,
        version.carried_from,
    )


def _stated(
    number: int, kind: str, panel: str, valid_from: Instant, constants: object, carried_from: int | None
) -> str:
    what = f"gap in {kind}" if constants is None else kind
    carried = f", carried from version {carried_from}" if carried_from else ""
    return f"version {number}: {what} of {panel} from {valid_from}{carried}"


def _changes(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    """Return what these revisions changed, one query a table."""
    for changed in (*_BEFORE_VERSIONS.values(), _versions, *_AFTER_VERSIONS.values()):
        yield from changed(connection, numbers)


def _happened(table: sa.Table, numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.recorded_in.in_(numbers), table.c.withdrawn_in.in_(numbers))


def _both(row: Any, numbers: Sequence[int], said: str) -> Iterator[Line]:
    """Return the lines of a fact: its withdrawal and its recording, as far as they are asked for."""
    if row.withdrawn_in in numbers:
        yield row.withdrawn_in, f"- {said}"
    if row.recorded_in in numbers:
        yield row.recorded_in, f"+ {said}"


def _panels(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    panel = schema.panel
    query = sa.select(panel).where(panel.c.recorded_in.in_(numbers)).order_by(panel.c.id)
    for row in connection.execute(query):
        yield row.recorded_in, f"+ panel {row.identifier} ({row.detector_type})"


def _aliases(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    alias = schema.alias
    query = (
        sa.select(alias, schema.panel.c.identifier)
        .join(schema.panel, schema.panel.c.id == alias.c.panel_id)
        .where(_happened(alias, numbers))
        .order_by(alias.c.id)
    )
    for row in connection.execute(query):
        yield from _both(row, numbers, f"alias {row.m_number} of {row.identifier}")


def _runs(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    run = schema.run
    for row in connection.execute(sa.select(run).where(_happened(run, numbers)).order_by(run.c.id)):
        begin = "not known" if row.begin_at is None else Instant(row.begin_at)
        times = f"begin {begin}" if row.end_at is None else f"{begin} to {Instant(row.end_at)}"
        yield from _both(row, numbers, f"run exp={row.experiment}:run={row.number}, {times}")


def _configurations(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    table, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    query = (
        sa.select(table, panel.c.identifier)
        .outerjoin(member, member.c.configuration_id == table.c.id)
        .outerjoin(panel, panel.c.id == member.c.panel_id)
        .where(_happened(table, numbers))
        .order_by(table.c.id, member.c.position)
    )
    members: dict[int, list[str]] = defaultdict(list)
    facts: dict[int, Any] = {}
    for row in connection.execute(query):
        facts[row.id] = row
        members[row.id].append(row.identifier or row.object_name)
    for key, row in facts.items():
        runs = run_range(row.first_run, row.last_run)
        said = f"detector of {row.experiment} {row.source} runs {runs}: {'_'.join(members[key])}"
        yield from _both(row, numbers, said)


def _versions(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    version = schema.version
    query = (
        sa.select(version, schema.panel.c.identifier)
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .where(_happened(version, numbers))
        .order_by(version.c.id)
    )
    for row in connection.execute(query):
        start = Instant(row.valid_from)
        said = _stated(row.id, row.kind, row.identifier, start, row.constants_id, row.carried_from)
        yield from _both(row, numbers, said)


def _tags(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[Line]:
    tag = schema.tag
    query = sa.select(tag).where(tag.c.recorded_in.in_(numbers)).order_by(tag.c.name)
    for row in connection.execute(query):
        yield row.recorded_in, f"+ tag {row.name}: revision {row.revision}"


Lister = Callable[[sa.Connection, Sequence[int]], Iterator[Line]]
_BEFORE_VERSIONS: dict[str, Lister] = {
    "panel": _panels,
    "alias": _aliases,
    "run": _runs,
    "configuration": _configurations,
}
_AFTER_VERSIONS: dict[str, Lister] = {"tag": _tags}


def _touching(identifiers: Sequence[str]) -> sa.CompoundSelect[Any]:
    panel, member, configuration = schema.panel, schema.configuration_panel, schema.configuration
    keys = sa.select(panel.c.id).where(panel.c.identifier.in_(identifiers)).scalar_subquery()
    configured = sa.select(member.c.configuration_id).where(member.c.panel_id.in_(keys)).scalar_subquery()
    facts = [
        (table, condition, column)
        for table, condition in (
            (schema.alias, schema.alias.c.panel_id.in_(keys)),
            (schema.version, schema.version.c.panel_id.in_(keys)),
            (configuration, configuration.c.id.in_(configured)),
        )
        for column in (table.c.recorded_in, table.c.withdrawn_in)
    ]
    return sa.union(
        sa.select(panel.c.recorded_in).where(panel.c.id.in_(keys)),
        *(sa.select(column).where(condition, column.is_not(None)) for _, condition, column in facts),
    )


def _revision(row: Any, changes: tuple[str, ...]) -> Revision:
    return Revision(
        revision=row.number,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
        database_role=row.database_role,
        host=row.host,
        command=row.command,
        comment=row.comment,
        software=row.software,
        changes=changes,
    )
