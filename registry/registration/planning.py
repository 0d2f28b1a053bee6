"""Plans: statements of versions compared with each other, and with everything ever stated there.

A batch is planned in pieces, so that one of any length takes little memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from registry import schema
from registry.errors import ConflictError, Remedy
from registry.instants import BEGINNING, Instant
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.lookup.versions import select_latest_start
from registry.records import Conversion
from registry.sql import sa

_PIECE_SIZE = 250  # with more at once PostgreSQL expects that reading a whole table pays

VersionKey = tuple[str, str, Instant]
"""A panel, a kind, and a start."""


class VersionStatement(NamedTuple):
    """From ``valid_from`` on the panel has these recorded constants (SHA-256), or None: a gap."""

    panel: str
    kind: str
    valid_from: Instant
    constants: str | None
    source_path: str | None = None
    comment: str | None = None
    nonfinite_allowed: bool = False
    carried_from: int | None = None
    conversion: Conversion | None = None
    odd_allowed: bool = False
    same_as: str | None = None
    pattern_allowed: bool = False

    @property
    def key(self) -> VersionKey:
        """The panel, kind and start for which it speaks."""
        return self[:3]


@dataclass(slots=True)
class RecordedStart:
    """The rows recorded for a key, and the database's ids of the panel and of the constants to be stated there.

    ``latest_start`` is the greatest start ever stated of the panel and kind; the key's own if there is none.
    """

    panel_id: int
    constants_id: int | None
    latest_start: int
    versions: Sequence[sa.Row[Any]] = ()


NOT_RECORDED = RecordedStart(0, None, BEGINNING)
"""Of a panel that is not recorded."""


@dataclass(slots=True)
class Plan:
    """The consequences of some statements of a batch, and what is recorded for their keys."""

    recorded: dict[VersionKey, RecordedStart]
    new: list[VersionStatement] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    conflicts: dict[VersionStatement, str] = field(default_factory=dict)

    def add(self, statement: VersionStatement, recorded: RecordedStart, *, supersede: bool) -> None:
        """Plan a statement for whose key versions are recorded: new, unchanged, or a conflict."""
        earlier = recorded.versions
        live = next((row for row in earlier if row.withdrawn_in is None), None)
        same = next((row for row in earlier if row.sha256 == statement.constants), None)
        if live is not None and live.sha256 == statement.constants:
            self.unchanged.append(live.id)
        elif not supersede and live is not None:
            gap = "the gap that is " if live.sha256 is None else ""
            self.conflicts[statement] = f"{_describe(statement)} conflicts with {gap}version {live.id}"
        elif not supersede and same is not None:
            self.conflicts[statement] = (
                f"{_describe(statement)} was stated before by version {same.id}, which revision {same.withdrawn_in}"
                " withdrew"
            )
        else:
            self.new.append(statement)
            if live is not None:
                self.superseded.append(live.id)


def _describe(statement: VersionStatement) -> str:
    return f"{statement.kind} of {statement.panel} from {statement.valid_from}"


def find_conflicts(
    connection: sa.Connection, statements: Iterable[VersionStatement], *, supersede: bool
) -> dict[VersionStatement, str]:
    """Return a sentence on each statement that cannot be recorded beside the others and what is recorded."""
    conflicts = {}
    for plan in plan_pieces(connection, statements, supersede=supersede):
        conflicts.update(plan.conflicts)
    return conflicts


def refuse_conflicts(conflicts: Mapping[VersionStatement, str]) -> None:
    """Raise a `ConflictError` that lists all conflicts, if there are any."""
    if conflicts:
        sentences = list(conflicts.values())
        raise ConflictError.combine(
            "versions conflict", sentences, remedy=Remedy.SUPERSEDE, conflicts=sentences
        )


def plan_pieces(
    connection: sa.Connection,
    statements: Iterable[VersionStatement],
    *,
    supersede: bool,
    new_panels: Collection[str] = frozenset(),
) -> Iterator[Plan]:
    """Plan a batch piece by piece; of the whole only its keys and the checksums of their constants are kept.

    What is recorded is read as each piece is asked for, so the pieces before it may be recorded by then.
    """
    stated: dict[VersionKey, str | None] = {}
    first_starts = _FirstStarts()
    remaining = iter(statements)
    while piece := list(islice(remaining, _PIECE_SIZE)):
        plan = Plan(_find_recorded(connection, piece, new_panels, first_starts))
        for statement in piece:
            key, constants = statement.key, statement.constants
            if key not in stated:
                stated[key] = constants
                recorded = plan.recorded.get(key)
                if recorded is not None and recorded.versions:
                    plan.add(statement, recorded, supersede=supersede)
                else:
                    plan.new.append(statement)
            elif stated[key] != constants:
                plan.conflicts[statement] = f"{_describe(statement)} is stated twice, with other contents"
        yield plan


class _FirstStarts:
    """Panels and kinds without any version, and the constants that were looked up: nothing has to be asked again.

    What the batch itself records of them is known to it.
    """

    def __init__(self) -> None:
        # By panel and kind; None for a panel that is not recorded.
        self._panels: dict[tuple[str, str], int | None] = {}
        self._constants: dict[str | None, int | None] = {None: None}
        self._starts: dict[tuple[str, str, str | None], RecordedStart] = {}

    def find_start(self, statement: VersionStatement) -> RecordedStart | None:
        """Return what there is for a statement, `NOT_RECORDED` for one of a panel that is not recorded.

        None where more may be recorded.
        """
        key = statement.panel, statement.kind, statement.constants
        start = self._starts.get(key)
        if start is None and key[:2] in self._panels:
            panel_id = self._panels[key[:2]]
            if panel_id is None:
                return NOT_RECORDED
            if statement.constants in self._constants:
                start = RecordedStart(panel_id, self._constants[statement.constants], BEGINNING)
                self._starts[key] = start
        return start

    def learn(self, statement: VersionStatement, rows: Sequence[sa.Row[Any]] | None) -> None:
        """Note what was read for a statement, None where its panel is not recorded."""
        line = statement.panel, statement.kind
        if rows is None:
            self._panels[line] = None
            return
        self._constants[statement.constants] = rows[0].constants_id
        if not rows[0].has_versions:
            self._panels[line] = rows[0].panel_id


def _find_recorded(
    connection: sa.Connection,
    statements: Sequence[VersionStatement],
    new_panels: Collection[str],
    first_starts: _FirstStarts,
) -> dict[VersionKey, RecordedStart]:
    """Return what is recorded for the keys of the statements, as far as their panels are."""
    recorded: dict[VersionKey, RecordedStart] = {}
    unknown: dict[VersionKey, VersionStatement] = {}
    for statement in statements:
        start = first_starts.find_start(statement)
        if start is None:
            unknown.setdefault(statement.key, statement)
        elif start is not NOT_RECORDED:
            recorded[statement.key] = start
    for panel_is_new in (False, True):
        selection = [
            statement for statement in unknown.values() if (statement.panel in new_panels) is panel_is_new
        ]
        if selection:
            rows = _read_recorded(connection, selection, with_versions=not panel_is_new)
            for statement in selection:
                first_starts.learn(statement, rows.get(statement.key))
            recorded |= {key: _build_recorded_start(key, of_key) for key, of_key in rows.items()}
    return recorded


def _read_recorded(
    connection: sa.Connection, statements: Sequence[VersionStatement], *, with_versions: bool
) -> dict[VersionKey, list[sa.Row[Any]]]:
    """Return by key what is recorded: a row for each version, or one without a version."""
    rows: dict[VersionKey, list[sa.Row[Any]]] = {}
    dialect = connection.dialect.name
    keys = [(*statement.key, statement.constants) for statement in statements]
    parameters = values_table_parameters(dialect, keys, *_COLUMNS)
    for row in connection.execute(_select_recorded(dialect, with_versions=with_versions), parameters):
        rows.setdefault((row.identifier, row.kind, Instant(row.valid_from)), []).append(row)
    return rows


def _build_recorded_start(key: VersionKey, rows: Sequence[sa.Row[Any]]) -> RecordedStart:
    first = rows[0]
    latest_start = key[2] if first.latest_start is None else first.latest_start
    versions = [row for row in rows if row.id is not None]
    return RecordedStart(first.panel_id, first.constants_id, latest_start, versions)


_COLUMNS = (
    schema.panel.c.identifier,
    schema.version.c.kind,
    schema.version.c.valid_from,
    schema.constants.c.sha256,
)


@cache
def _select_recorded(dialect: str, *, with_versions: bool) -> sa.Select[Any]:
    """Return the statement for the ids of panels and constants, and for the versions ever recorded for the keys."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    stated = constants.alias("stated")
    wanted = values_table_template(dialect, *_COLUMNS)
    key = [wanted.c.identifier, wanted.c.kind, wanted.c.valid_from]
    latest = select_latest_start(panel.c.id, wanted.c.kind, None).scalar_subquery()
    any_version = version.alias("any_version")
    has_versions = sa.exists().where(
        any_version.c.panel_id == panel.c.id, any_version.c.kind == wanted.c.kind
    )
    ids = [
        panel.c.id.label("panel_id"),
        stated.c.id.label("constants_id"),
        latest.label("latest_start"),
        has_versions.label("has_versions"),
    ]
    joined = wanted.join(panel, panel.c.identifier == wanted.c.identifier)
    joined = joined.outerjoin(stated, stated.c.sha256 == wanted.c.sha256)
    if not with_versions:
        return sa.select(*key, *ids, sa.null().label("id")).select_from(joined)
    same_key = sa.and_(
        version.c.panel_id == panel.c.id,
        version.c.kind == wanted.c.kind,
        version.c.valid_from == wanted.c.valid_from,
    )
    joined = joined.outerjoin(version, same_key).outerjoin(
        constants, constants.c.id == version.c.constants_id
    )
    return (
        sa.select(*key, *ids, version.c.id, version.c.withdrawn_in, constants.c.sha256)
        .select_from(joined)
        .order_by(version.c.id)
    )
