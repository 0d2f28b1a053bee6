"""Versions, live and withdrawn, with their validity ranges.

A version is valid from its start, inclusive, to the next start of the same panel and kind, exclusive. As of any
revision the live versions of a panel and kind have different starts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain
from sys import intern
from types import MappingProxyType
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from registry import schema
from registry.database.planner import hint_live_index, limit_one
from registry.errors import CorruptionError, NotFoundError
from registry.instants import Instant
from registry.lookup.m_numbers import select_m_number
from registry.lookup.revisions import RevisionRef, as_revision_ref, select_revision_number
from registry.lookup.timelines import build_timelines
from registry.lookup.value_lists import is_listed
from registry.records import Conversion, Version, Withdrawal
from registry.sql import sa

_CHUNK_SIZE = 1000


def list_version_columns(
    version: sa.FromClause, m_number: sa.ColumnElement[str | None]
) -> list[sa.ColumnElement[Any]]:
    """Return the columns of a version's record, in the order that `build_live_version` expects."""
    return [
        version.c.id,
        schema.panel.c.identifier,
        m_number,
        version.c.kind,
        version.c.valid_from,
        schema.constants.c.sha256,
        version.c.recorded_in,
        version.c.withdrawn_in,
        version.c.comment,
        version.c.carried_from,
        version.c.source_path,
        version.c.nonfinite_allowed,
        version.c.conversion,
        version.c.odd_allowed,
        version.c.same_as,
        version.c.pattern_allowed,
    ]


def select_versions(revision: int | sa.ColumnElement[int] | None) -> sa.Select[Any]:
    """Return `list_version_columns` of every version, with the M-number that its panel bears at its start."""
    version = schema.version
    m_number = select_m_number(version.c.panel_id, version.c.valid_from, revision)
    return (
        sa.select(*list_version_columns(version, m_number))
        .select_from(version)
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .outerjoin(schema.constants, schema.constants.c.id == version.c.constants_id)
    )


def select_next_start(
    revision: int | sa.ColumnElement[int] | None,
    version: sa.FromClause | None = None,
    latest: sa.ColumnElement[int | None] | None = None,
) -> sa.ScalarSelect[int | None]:
    """Return the smallest start after that of the row's version, of the same panel and kind.

    The row is by default of the table itself. The search ends at `latest`, the greatest start as of the revision.
    """
    later, version = schema.version.alias("later"), schema.version if version is None else version
    query = (
        sa.select(sa.func.min(later.c.valid_from))
        .where(later.c.panel_id == version.c.panel_id, later.c.kind == version.c.kind)
        .where(later.c.valid_from > version.c.valid_from, schema.live_condition(later, revision))
    )
    if latest is not None:
        query = query.where(later.c.valid_from <= latest)
    return hint_live_index(query, later, revision).scalar_subquery()


def select_latest_start(
    panel_id: sa.ColumnElement[int], kind: sa.ColumnElement[str], revision: int | sa.ColumnElement[int] | None
) -> sa.Select[Any]:
    """Return the greatest start ever recorded of a panel and kind as of a revision: one probe of an index.

    The last recorded row has it in ``latest_start``. Withdrawn versions count too, so no live one starts later.
    """
    last = schema.version.alias("last_recorded")
    query = (
        sa.select(last.c.latest_start)
        .where(last.c.panel_id == panel_id, last.c.kind == kind)
        .order_by(last.c.recorded_in.desc(), last.c.latest_start.desc())
        .limit(limit_one())
        .correlate_except(last)
    )
    return query if revision is None else query.where(last.c.recorded_in <= revision)


def build_live_version(row: Any, valid_to: int | None) -> Version:
    """Return the record of a row of `list_version_columns` that is live, even if it is withdrawn later."""
    # By position: this takes most of the time of 64 answers.
    (
        number,
        panel,
        alias,
        kind,
        start,
        constants,
        recorded,
        _,
        comment,
        carried,
        path,
        allowed,
        conversion,
        odd,
        same_as,
        pattern_allowed,
    ) = row[:16]
    return Version(
        number,
        panel,
        alias,
        kind,
        _make_instant(start),
        None if valid_to is None else _make_instant(valid_to),
        constants,
        recorded,
        None,
        comment,
        carried,
        path,
        bool(allowed),
        None if conversion is None else _decode_conversion(number, conversion),
        None,
        odd is not None,
        same_as,
        pattern_allowed is not None,
    )


# The panels of a detector have few starts, and the hundreds of thousands of versions of one revision have few, too:
# each is made once, and kept in memory once.
_make_instant = lru_cache(maxsize=256)(Instant)


def _decode_conversion(number: int, text: str) -> Conversion:
    try:
        return msgspec.json.decode(text, type=Conversion)
    except msgspec.DecodeError as error:
        raise CorruptionError(
            f"the conversion of version {number} cannot be read: {error}", version=number
        ) from None


def build_version(
    row: Any,
    revision: int | None,
    valid_to: int | None,
    withdrawals: Mapping[int, Withdrawal] = MappingProxyType({}),
) -> Version:
    """Return the record of a row of `list_version_columns` as of a revision; ``None`` means the newest."""
    if is_live(row, revision):
        return build_live_version(row, valid_to)
    return replace(
        build_live_version(row, None),
        withdrawn_in=row.withdrawn_in,
        withdrawal=withdrawals.get(row.withdrawn_in),
    )


def is_live(row: Any, revision: int | None) -> bool:
    """Tell whether a fact was not withdrawn yet as of a revision; ``None`` means the newest."""
    return row.withdrawn_in is None or (revision is not None and row.withdrawn_in > revision)


def list_validity_ranges(
    connection: sa.Connection, panels: Sequence[str], kinds: Sequence[str] | None, as_of: RevisionRef | int
) -> list[Version]:
    """Return all validity ranges of the panels, gaps too: by panel in the given order, kind and start.

    One query, however many ranges there are.
    """
    as_of = as_revision_ref(as_of)
    number = select_revision_number(as_of.by)
    query = select_versions(number).where(schema.live_condition(schema.version, number))
    if kinds is not None:
        query = query.where(schema.version.c.kind.in_(kinds))
    rows = _read_rows(connection, query, panels, as_of.parameters)
    return [build_live_version(row, end) for row, end in _find_ranges(rows)]


def list_recorded_versions(connection: sa.Connection, panels: Sequence[str], revision: int) -> list[Version]:
    """Return every version ever recorded of the panels, in the order of `list_validity_ranges`.

    A withdrawn version has no range, so no ``valid_to``.
    """
    query = select_versions(revision).where(schema.version.c.recorded_in <= revision)
    rows = _read_rows(connection, query, panels, {})
    live = (row for row in rows if is_live(row, revision))
    ends = {row.id: end for row, end in _find_ranges(live)}
    withdrawals = _read_withdrawals(connection, {row.withdrawn_in for row in rows if row.id not in ends})
    return [build_version(row, revision, ends.get(row.id), withdrawals) for row in rows]


def _read_rows(
    connection: sa.Connection, query: sa.Select[Any], panels: Sequence[str], parameters: Mapping[str, Any]
) -> list[sa.Row[Any]]:
    """Return the rows by panel in the given order, kind and start."""
    version = schema.version
    of_panels = query.where(is_listed(schema.panel.c.identifier, panels))
    by_panel: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    ordered = of_panels.order_by(version.c.kind, version.c.valid_from, version.c.id)
    for row in connection.execute(ordered, parameters):
        by_panel[row.identifier].append(row)
    return [row for panel in panels for row in by_panel[panel]]


def _find_ranges(live: Iterable[sa.Row[Any]]) -> Iterator[tuple[sa.Row[Any], int | None]]:
    """Return the rows of live versions, which come by panel, kind and start, with the ends of their ranges."""
    timelines = build_timelines(((row.identifier, row.kind), row.valid_from, row) for row in live)
    return chain.from_iterable(timeline.ranges() for timeline in timelines.values())


def _read_withdrawals(connection: sa.Connection, numbers: set[int]) -> dict[int, Withdrawal]:
    if not numbers:
        return {}
    table = schema.revision
    query = sa.select(table.c.number, table.c.recorded_at, table.c.author, table.c.comment)
    return {
        row.number: Withdrawal(row.number, Instant(row.recorded_at), row.author, row.comment)
        for row in connection.execute(query.where(is_listed(table.c.number, numbers)))
    }


def find_version(connection: sa.Connection, number: int, revision: int) -> Version:
    """Return the version with that number, withdrawn or not; refuse one that is not recorded as of the revision."""
    version = schema.version
    largest = find_largest_number(connection, revision)
    # Checked first: SQLite takes no number of more than 64 bits.
    if not 1 <= number <= largest:
        raise NotFoundError(
            describe_unknown_version(number, largest), version=number, largest=largest or None
        )
    return _list_versions_where(connection, version.c.id == number, revision, 1)[0]


def describe_unknown_version(number: int, largest: int) -> str:
    """Return a sentence on a version that is not recorded, where this is the greatest number of one."""
    known = f"1 to {largest} are known" if largest else "none is recorded yet"
    return f"there is no version {number}; {known}"


def find_largest_number(connection: sa.Connection, revision: int) -> int:
    """Return the greatest number of a version recorded by a revision, 0 without any: one probe of an index."""
    version = schema.version
    query = sa.select(version.c.id).where(version.c.recorded_in <= revision)
    query = query.order_by(version.c.recorded_in.desc(), version.c.id.desc()).limit(limit_one())
    return int(connection.execute(query).scalar() or 0)


def list_versions_with_numbers(
    connection: sa.Connection, numbers: Sequence[int], revision: int | None
) -> list[Version]:
    """Return the versions with these numbers, by number; ``None`` means the newest revision."""
    if not numbers:
        return []
    condition = is_listed(schema.version.c.id, numbers)
    return _list_versions_where(connection, condition, revision, len(numbers))


def list_versions_with_constants(
    connection: sa.Connection, sha256s: Collection[str], revision: int
) -> dict[str, list[Version]]:
    """Return by constants the versions that have them, withdrawn ones too, by number."""
    by_constants: dict[str, list[Version]] = {sha256: [] for sha256 in sha256s}
    if by_constants:
        constants, version = schema.constants, schema.version
        wanted = sa.select(constants.c.id).where(is_listed(constants.c.sha256, by_constants))
        condition = sa.and_(version.c.constants_id.in_(wanted), version.c.recorded_in <= revision)
        for known in _list_versions_where(connection, condition, revision, None):
            by_constants[known.constants or ""].append(known)
    return by_constants


def list_versions_of_revision(
    connection: sa.Connection, revision: int, column: Literal["recorded_in", "withdrawn_in"], count: int
) -> list[Version]:
    """Return the `count` versions that a revision recorded or withdrew, by number, as of the newest revision."""
    return _read_versions(connection, _select_versions_of_revision(column), None, count, {"number": revision})


@cache
def _select_versions_of_revision(column: str) -> sa.Select[Any]:
    version = schema.version
    return _select_with_ends(None).where(version.c[column] == sa.bindparam("number")).order_by(version.c.id)


def _list_versions_where(
    connection: sa.Connection, condition: sa.ColumnElement[bool], revision: int | None, count: int | None
) -> list[Version]:
    query = _select_with_ends(revision).where(condition).order_by(schema.version.c.id)
    return _read_versions(connection, query, revision, count, {})


def _read_versions(
    connection: sa.Connection,
    query: sa.Select[Any],
    revision: int | None,
    count: int | None,
    parameters: Mapping[str, Any],
) -> list[Version]:
    """Return the records of the `count` rows, ``None`` where their number is not known."""
    # A cursor on the server saves memory for many rows, and costs several round trips.
    options = {"yield_per": _CHUNK_SIZE} if count is None or count > _CHUNK_SIZE else {}
    rows = connection.execute(query, parameters, execution_options=options)
    versions: list[Version] = []
    for chunk in rows.partitions(_CHUNK_SIZE):
        numbers = {row.withdrawn_in for row in chunk if not is_live(row, revision)}
        withdrawals = _read_withdrawals(connection, numbers)
        versions += [_intern_values(build_version(row, revision, row.valid_to, withdrawals)) for row in chunk]
    return versions


# A change needs it several times; to build a statement takes longer than to execute it.
@lru_cache(maxsize=4)
def _select_with_ends(revision: int | None) -> sa.Select[Any]:
    version, latest = schema.version, None
    if revision is not None:  # the search for the next start would walk over all that were recorded later
        latest = select_latest_start(version.c.panel_id, version.c.kind, revision).scalar_subquery()
    return select_versions(revision).add_columns(
        select_next_start(revision, version, latest).label("valid_to")
    )


# Instants are those of `_make_instant`.
def _intern_values(version: Version) -> Version:
    return replace(
        version,
        panel=intern(version.panel),
        alias=_intern_text(version.alias),
        kind=intern(version.kind),
        constants=_intern_text(version.constants),
        comment=_intern_text(version.comment),
        source_path=_intern_text(version.source_path),
    )


def _intern_text(text: str | None) -> str | None:
    return text and intern(text)
