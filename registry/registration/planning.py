"""What statements of versions come to: held against each other, and against everything ever stated there.

A batch is planned in pieces, of any length in little memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.errors import ConflictError
from registry.instants import Instant
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.lookup.versions import select_latest_start
from registry.records import Conversion

_BATCH_SIZE = 250  # of more at once PostgreSQL expects that reading a whole table pays

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

    @property
    def key(self) -> VersionKey:
        """The place in time for which it speaks."""
        return self.panel, self.kind, self.valid_from


@dataclass(slots=True)
class RecordedStart:
    """What is recorded already of a place and of what is to be stated there; keys are the database's.

    ``latest_start`` is the greatest start ever stated of the panel and kind, that of the place where there is none.
    """

    panel_id: int
    constants_id: int | None
    latest_start: int
    versions: list[sa.Row[Any]] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """What is to be done with some statements of a batch, and what is recorded of their places."""

    recorded: dict[VersionKey, RecordedStart]
    new: list[VersionStatement] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    conflicts: dict[VersionStatement, str] = field(default_factory=dict)


def find_conflicts(
    connection: sa.Connection, statements: Iterable[VersionStatement], *, supersede: bool
) -> dict[VersionStatement, str]:
    """Return for each statement that cannot be recorded the sentence that says why not.

    The statements are held against each other and against everything that is recorded.
    """
    found = {}
    for made in plan_batches(connection, statements, supersede=supersede):
        found.update(made.conflicts)
    return found


def refuse_conflicts(conflicts: Mapping[VersionStatement, str]) -> None:
    """Refuse with all conflicts at once.

    Raises
    ------
    ConflictError
        There is at least one.
    """
    if conflicts:
        sentences = list(conflicts.values())
        raise ConflictError.combine("versions conflict", sentences, conflicts=sentences)


def plan_batches(
    connection: sa.Connection,
    statements: Iterable[VersionStatement],
    *,
    supersede: bool,
    new_panels: Collection[str] = frozenset(),
) -> Iterator[Plan]:
    """Plan a batch piece by piece: of the whole of it only its places are kept.

    A piece is held against what is recorded when it is asked for: the pieces before it may be recorded by then.
    """
    stated: dict[VersionKey, str | None] = {}
    coming = iter(statements)
    while piece := list(islice(coming, _BATCH_SIZE)):
        made = Plan(_find_recorded(connection, piece, new_panels))
        for statement in piece:
            if statement.key not in stated:
                stated[statement.key] = statement.constants
                _plan_statement(made, statement, supersede=supersede)
            elif stated[statement.key] != statement.constants:
                made.conflicts[statement] = f"{_describe(statement)} is stated twice, with other contents"
        yield made


def _plan_statement(plan: Plan, statement: VersionStatement, *, supersede: bool) -> None:
    before = plan.recorded.get(statement.key)
    earlier = before.versions if before else ()
    live = next((row for row in earlier if row.withdrawn_in is None), None)
    if live is not None and live.sha256 == statement.constants:
        plan.unchanged.append(live.id)
        return
    same = next((row for row in earlier if row.sha256 == statement.constants), None)
    if not supersede and live is not None:
        plan.conflicts[statement] = (
            f"{_describe(statement)} is stated already, otherwise, by version {live.id};"
            " --supersede with a comment replaces it"
        )
    elif not supersede and same is not None:
        plan.conflicts[statement] = (
            f"{_describe(statement)} was stated so by version {same.id}, which revision {same.withdrawn_in}"
            " withdrew; --supersede with a comment brings it back"
        )
    else:
        plan.new.append(statement)
        if live is not None:
            plan.superseded.append(live.id)


def _describe(statement: VersionStatement) -> str:
    return f"{statement.kind} of {statement.panel} from {statement.valid_from}"


def _find_recorded(
    connection: sa.Connection, statements: Sequence[VersionStatement], new_panels: Collection[str]
) -> dict[VersionKey, RecordedStart]:
    """Return what is recorded of the places of the statements, as far as their panels are."""
    found: dict[VersionKey, RecordedStart] = {}
    first = {each.key: each for each in reversed(statements)}
    for panel_is_new in (False, True):
        asked = [each for each in first.values() if (each.panel in new_panels) is panel_is_new]
        if not asked:
            continue
        dialect = connection.dialect.name
        rows = values_table_parameters(dialect, [(*each.key, each.constants) for each in asked], *_COLUMNS)
        for row in connection.execute(_select_recorded(dialect, with_versions=not panel_is_new), rows):
            place = row.identifier, row.kind, Instant(row.valid_from)
            latest_start = row.valid_from if row.latest_start is None else row.latest_start
            before = found.setdefault(place, RecordedStart(row.panel_id, row.constants_id, latest_start))
            if row.id is not None:
                before.versions.append(row)
    return found


_COLUMNS = (
    schema.panel.c.identifier,
    schema.version.c.kind,
    schema.version.c.valid_from,
    schema.constants.c.sha256,
)


@cache
def _select_recorded(dialect: str, *, with_versions: bool) -> sa.Select[Any]:
    """Return the statement for places and constants; `stated`: and for the versions ever recorded at the places."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    meant = constants.alias("meant")
    asked = values_table_template(dialect, *_COLUMNS)
    place = [asked.c.identifier, asked.c.kind, asked.c.valid_from]
    latest = select_latest_start(panel.c.id, asked.c.kind, None).scalar_subquery()
    keys = [panel.c.id.label("panel_id"), meant.c.id.label("constants_id"), latest.label("latest_start")]
    found = asked.join(panel, panel.c.identifier == asked.c.identifier)
    found = found.outerjoin(meant, meant.c.sha256 == asked.c.sha256)
    if not with_versions:
        return sa.select(*place, *keys, sa.null().label("id")).select_from(found)
    here = sa.and_(
        version.c.panel_id == panel.c.id,
        version.c.kind == asked.c.kind,
        version.c.valid_from == asked.c.valid_from,
    )
    found = found.outerjoin(version, here).outerjoin(constants, constants.c.id == version.c.constants_id)
    return (
        sa.select(*place, *keys, version.c.id, version.c.withdrawn_in, constants.c.sha256)
        .select_from(found)
        .order_by(version.c.id)
    )
