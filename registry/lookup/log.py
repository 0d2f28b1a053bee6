"""The log: revisions, with a line for each fact that they recorded or withdrew."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, overload

import sqlalchemy as sa

from registry import schema
from registry.detectors import format_segment_numbers
from registry.identifiers import format_run_range
from registry.instants import Instant, format_range
from registry.records import Panel, Revision, Version

_CHUNK_SIZE = 500

ChangeLine = tuple[int, str]
"""A revision's number, and a fact that it recorded (``+``) or withdrew (``-``)."""

Part = tuple[Sequence[Any], Callable[[Any], str]]
"""Records, and the function that formats the line of one."""


class LazyLines(Sequence[str]):
    """The lines of several parts, formatted when they are read, so that large results do not keep them in memory.

    Equal to every sequence of the same lines.
    """

    __slots__ = ("_parts",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(records) for records, _ in self._parts)

    def __iter__(self) -> Iterator[str]:
        return (format_line(record) for records, format_line in self._parts for record in records)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        position = range(len(self))[index]
        for records, format_line in self._parts:
            if position < len(records):
                return format_line(records[position])
            position -= len(records)
        raise AssertionError("the position is within the length")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __repr__(self) -> str:
        return repr(tuple(self))


def list_revisions(
    connection: sa.Connection, upto: int, panels: Sequence[Panel] | None = None
) -> list[Revision]:
    """Return the revisions up to that one, the newest first, each with its changes.

    With `panels`, only the revisions that changed one of them (or its aliases, versions or configurations), and
    only the lines that name it.
    """
    query = sa.select(schema.revision).where(schema.revision.c.number <= upto)
    pattern = re.compile("")
    if panels is not None:
        identifiers = [panel.panel for panel in panels]
        query = query.where(schema.revision.c.number.in_(_select_revisions_touching(identifiers)))
        pattern = re.compile(rf"(?<![0-9a-f-])(?:{'|'.join(map(re.escape, identifiers))})(?![0-9a-f-])")
    rows = connection.execute(query.order_by(schema.revision.c.number.desc())).all()
    lines: dict[int, list[str]] = defaultdict(list)
    for start in range(0, len(rows), _CHUNK_SIZE):
        numbers = [row.number for row in rows[start : start + _CHUNK_SIZE]]
        for read_changes in (*_BEFORE_VERSIONS.values(), _read_versions, *_AFTER_VERSIONS.values()):
            for number, line in read_changes(connection, numbers):
                if pattern.search(line):
                    lines[number].append(line)
    return [_build_revision(row, tuple(lines[row.number])) for row in rows]


def list_changes(
    connection: sa.Connection,
    revision: int,
    recorded: Sequence[Version],
    withdrawn: Sequence[Version],
    tables: Collection[str],
) -> LazyLines:
    """Return a line for each fact that one revision recorded or withdrew: these versions, and facts of other tables."""

    def lines(readers: Mapping[str, ChangeReader]) -> list[str]:
        return [
            line
            for table, read_changes in readers.items()
            if table in tables
            for _, line in read_changes(connection, [revision])
        ]

    return LazyLines(
        (lines(_BEFORE_VERSIONS), str),
        (withdrawn, lambda version: f"- {describe_version(version)}"),
        (recorded, lambda version: f"+ {describe_version(version)}"),
        (lines(_AFTER_VERSIONS), str),
    )


def describe_version(version: Version | sa.Row[Any]) -> str:
    """Return one line on a version, given as its record or as a row with the same names."""
    what = f"gap in {version.kind}" if version.constants is None else version.kind
    carried = f", carried from version {version.carried_from}" if version.carried_from else ""
    return f"version {version.version}: {what} of {version.panel} from {Instant(version.valid_from)}{carried}"


def _is_changed_in(table: sa.Table, numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    return sa.or_(table.c.recorded_in.in_(numbers), table.c.withdrawn_in.in_(numbers))


def _change_lines(row: Any, numbers: Sequence[int], description: str) -> Iterator[ChangeLine]:
    """Return the lines of a fact: its withdrawal and its recording, if in these revisions."""
    if row.withdrawn_in in numbers:
        yield row.withdrawn_in, f"- {description}"
    if row.recorded_in in numbers:
        yield row.recorded_in, f"+ {description}"


def _read_panels(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    panel = schema.panel
    query = sa.select(panel).where(panel.c.recorded_in.in_(numbers)).order_by(panel.c.id)
    for row in connection.execute(query):
        yield row.recorded_in, f"+ panel {row.identifier} ({row.detector_type})"


def _read_aliases(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    alias, panel = schema.alias, schema.panel
    query = sa.select(alias, panel.c.identifier).join(panel, panel.c.id == alias.c.panel_id)
    for row in connection.execute(query.where(_is_changed_in(alias, numbers)).order_by(alias.c.id)):
        start = format_range(Instant(row.valid_from), None)
        same = ", the same module" if row.same_module else ""
        yield from _change_lines(row, numbers, f"alias {row.m_number} of {row.identifier}{start}{same}")


def _read_timezones(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    zone = schema.timezone
    for row in connection.execute(sa.select(zone).where(_is_changed_in(zone, numbers)).order_by(zone.c.id)):
        yield from _change_lines(row, numbers, f"time zone {row.name}")


def _read_runs(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    run = schema.run
    for row in connection.execute(sa.select(run).where(_is_changed_in(run, numbers)).order_by(run.c.id)):
        start = "not known" if row.begin_at is None else Instant(row.begin_at)
        times = f"begin {start}" if row.end_at is None else f"{start} to {Instant(row.end_at)}"
        yield from _change_lines(row, numbers, f"run exp={row.experiment}:run={row.number}, {times}")


def _read_configurations(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    table, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    query = (
        sa.select(table, panel.c.identifier, member.c.segment)
        .outerjoin(member, member.c.configuration_id == table.c.id)
        .outerjoin(panel, panel.c.id == member.c.panel_id)
        .where(_is_changed_in(table, numbers))
        .order_by(table.c.id, member.c.position)
    )
    for _, group in groupby(connection.execute(query).all(), attrgetter("id")):
        rows = list(group)
        row = rows[0]
        runs = format_run_range(row.first_run, row.last_run)
        panels = "_".join(member.identifier or row.object_name for member in rows)
        description = f"detector of {row.experiment} {row.source} runs {runs}: {panels}"
        yield from _change_lines(row, numbers, description + _describe_segments(rows))


def _describe_segments(rows: Sequence[Any]) -> str:
    """Return the segment numbers of panels, unless they are 0, 1, 2 ..., those of a whole detector."""
    segments = [row.segment for row in rows if row.segment is not None]
    is_usual = segments == list(range(len(rows)))
    return "" if not segments or is_usual else f", segments {format_segment_numbers(segments)}"


def _read_versions(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    version, panel = schema.version, schema.panel
    query = (
        sa.select(
            version,
            version.c.id.label("version"),
            version.c.constants_id.label("constants"),
            panel.c.identifier.label("panel"),
        )
        .join(panel, panel.c.id == version.c.panel_id)
        .where(_is_changed_in(version, numbers))
        .order_by(version.c.id)
    )
    for row in connection.execute(query):
        yield from _change_lines(row, numbers, describe_version(row))


def _read_tags(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[ChangeLine]:
    tag = schema.tag
    query = sa.select(tag).where(tag.c.recorded_in.in_(numbers)).order_by(tag.c.name)
    for row in connection.execute(query):
        yield row.recorded_in, f"+ tag {row.name}: revision {row.revision}"


ChangeReader = Callable[[sa.Connection, Sequence[int]], Iterator[ChangeLine]]
_BEFORE_VERSIONS: dict[str, ChangeReader] = {
    "timezone": _read_timezones,
    "panel": _read_panels,
    "alias": _read_aliases,
    "run": _read_runs,
    "configuration": _read_configurations,
}
_AFTER_VERSIONS: dict[str, ChangeReader] = {"tag": _read_tags}


def _select_revisions_touching(identifiers: Sequence[str]) -> sa.CompoundSelect[Any]:
    panel, member, configuration = schema.panel, schema.configuration_panel, schema.configuration
    keys = sa.select(panel.c.id).where(panel.c.identifier.in_(identifiers)).scalar_subquery()
    configured = sa.select(member.c.configuration_id).where(member.c.panel_id.in_(keys)).scalar_subquery()
    conditions = (
        (schema.alias, schema.alias.c.panel_id.in_(keys)),
        (schema.version, schema.version.c.panel_id.in_(keys)),
        (configuration, configuration.c.id.in_(configured)),
    )
    return sa.union(
        sa.select(panel.c.recorded_in).where(panel.c.id.in_(keys)),
        *(
            sa.select(column).where(condition, column.is_not(None))
            for table, condition in conditions
            for column in (table.c.recorded_in, table.c.withdrawn_in)
        ),
    )


def _build_revision(row: Any, changes: tuple[str, ...]) -> Revision:
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
