"""Versions are stated, superseded and withdrawn.

A statement is first held against its batch and against everything ever stated at its panel, kind and
start; only a batch without conflicts is recorded. A batch is worked through in pieces, of any length in
little memory.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby, islice
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from registry import schema
from registry.database import Change, Row
from registry.errors import ConflictError, NotValidError
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.history import stated
from registry.lookup.listing import given, listing
from registry.lookup.revisions import refuse_no_comment
from registry.records import Conversion, Panel, Version

_PIECE = 250  # of more at once PostgreSQL expects that reading a whole table pays

Place = tuple[str, str, Instant]
"""A panel, a kind, and a start."""


class Statement(NamedTuple):
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
    def key(self) -> Place:
        """The place in time for which it speaks."""
        return self.panel, self.kind, self.valid_from


@dataclass(slots=True)
class _Before:
    """What is recorded already of a place and of what is to be stated there; keys are the database's.

    ``latest_start`` is the greatest start ever stated of the panel and kind, that of the place where there is none.
    """

    panel_id: int
    constants_id: int | None
    latest_start: int
    versions: list[sa.Row[Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    """What is to be done with some statements of a batch, and what is recorded of their places."""

    before: dict[Place, _Before]
    new: list[Statement] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    conflicts: dict[Statement, str] = field(default_factory=dict)


def conflicts(
    connection: sa.Connection, statements: Iterable[Statement], *, supersede: bool
) -> dict[Statement, str]:
    """Return for each statement that cannot be recorded the sentence that says why not.

    The statements are held against each other and against everything that is recorded.
    """
    found = {}
    for made in _planned(connection, statements, supersede=supersede):
        found.update(made.conflicts)
    return found


def refuse_conflicts(found: Mapping[Statement, str]) -> None:
    """Refuse with all conflicts at once.

    Raises
    ------
    ConflictError
        There is at least one.
    """
    if found:
        sentences = list(found.values())
        raise ConflictError.all_of("versions conflict", sentences, conflicts=sentences)


def _planned(
    connection: sa.Connection,
    statements: Iterable[Statement],
    *,
    supersede: bool,
    new_panels: Collection[str] = frozenset(),
) -> Iterator[_Plan]:
    """Plan a batch piece by piece: of the whole of it only its places are kept."""
    stated: dict[Place, str | None] = {}
    coming = iter(statements)
    while piece := list(islice(coming, _PIECE)):
        made = _Plan(_stated_before(connection, piece, new_panels))
        for statement in piece:
            if statement.key not in stated:
                stated[statement.key] = statement.constants
                _place(made, statement, supersede=supersede)
            elif stated[statement.key] != statement.constants:
                made.conflicts[statement] = f"{_place_of(statement)} is stated twice, with other contents"
        yield made


def _place(made: _Plan, statement: Statement, *, supersede: bool) -> None:
    before = made.before.get(statement.key)
    earlier = before.versions if before else ()
    live = next((row for row in earlier if row.withdrawn_in is None), None)
    if live is not None and live.sha256 == statement.constants:
        made.unchanged.append(live.id)
        return
    same = next((row for row in earlier if row.sha256 == statement.constants), None)
    if not supersede and live is not None:
        made.conflicts[statement] = (
            f"{_place_of(statement)} is stated already, otherwise, by version {live.id};"
            " --supersede with a comment replaces it"
        )
    elif not supersede and same is not None:
        made.conflicts[statement] = (
            f"{_place_of(statement)} was stated so by version {same.id}, which revision {same.withdrawn_in}"
            " withdrew; --supersede with a comment brings it back"
        )
    else:
        made.new.append(statement)
        if live is not None:
            made.superseded.append(live.id)


def _place_of(statement: Statement) -> str:
    return f"{statement.kind} of {statement.panel} from {statement.valid_from}"


def _stated_before(
    connection: sa.Connection, statements: Sequence[Statement], new_panels: Collection[str]
) -> dict[Place, _Before]:
    """Return what is recorded of the places of the statements, as far as their panels are."""
    found: dict[Place, _Before] = {}
    first = {each.key: each for each in reversed(statements)}
    for panel_is_new in (False, True):
        asked = [each for each in first.values() if (each.panel in new_panels) is panel_is_new]
        if not asked:
            continue
        dialect = connection.dialect.name
        rows = given(dialect, [(*each.key, each.constants) for each in asked], *_ASKED)
        for row in connection.execute(_select_before(dialect, stated=not panel_is_new), rows):
            place = row.identifier, row.kind, Instant(row.valid_from)
            latest_start = row.valid_from if row.latest_start is None else row.latest_start
            before = found.setdefault(place, _Before(row.panel_id, row.constants_id, latest_start))
            if row.id is not None:
                before.versions.append(row)
    return found


_ASKED = (
    schema.panel.c.identifier,
    schema.version.c.kind,
    schema.version.c.valid_from,
    schema.constants.c.sha256,
)


@cache
def _select_before(dialect: str, *, stated: bool) -> sa.Select[Any]:
    """Return the statement for places and constants; `stated`: and for the versions ever recorded at the places."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    meant = constants.alias("meant")
    asked = listing(dialect, *_ASKED)
    place = [asked.c.identifier, asked.c.kind, asked.c.valid_from]
    latest = versions.select_latest_start(panel.c.id, asked.c.kind, None).scalar_subquery()
    keys = [panel.c.id.label("panel_id"), meant.c.id.label("constants_id"), latest.label("latest_start")]
    found = asked.join(panel, panel.c.identifier == asked.c.identifier)
    found = found.outerjoin(meant, meant.c.sha256 == asked.c.sha256)
    if not stated:
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


def _carry_out(change: Change, made: _Plan) -> None:
    """Record a plan without conflicts; the panels and constants that it names are recorded already."""
    change.unchanged += made.unchanged
    if made.superseded:
        change.withdraw(schema.version, made.superseded)
    change.record(schema.version, _rows(made))


def _rows(made: _Plan) -> list[Row]:
    rows: list[Row] = []
    so_far: dict[tuple[int, str], int] = {}  # the greatest start of a panel and kind
    for statement in made.new:
        before = made.before[statement.key]
        if statement.constants is not None and before.constants_id is None:
            raise LookupError(
                f"the constants {statement.constants} are not recorded"
            )  # it would become a gap
        line = before.panel_id, statement.kind
        so_far[line] = max(statement.valid_from, so_far.get(line, before.latest_start))
        rows.append(
            {
                "panel_id": before.panel_id,
                "kind": statement.kind,
                "valid_from": statement.valid_from,
                "constants_id": before.constants_id,
                "carried_from": statement.carried_from,
                "source_path": statement.source_path,
                "comment": statement.comment,
                "nonfinite_allowed": statement.nonfinite_allowed,
                "conversion": _json(statement.conversion),
                "latest_start": so_far[line],
            }
        )
    return rows


def _json(conversion: Conversion | None) -> str | None:
    return msgspec.json.encode(conversion).decode() if conversion is not None else None


def state(
    change: Change,
    statements: Iterable[Statement],
    *,
    supersede: bool,
    new_panels: Collection[str] = frozenset(),
) -> None:
    """Plan and carry out; a supersession, and a gap, notes what answers from now on.

    Parameters
    ----------
    new_panels
        Those that the change itself has recorded: nothing can have been stated of them before.

    Raises
    ------
    ConflictError
        A start is taken by other content, or by content that was withdrawn, and `supersede` is not set;
        or the batch contradicts itself. All conflicts are listed.
    RequestError
        `supersede` without a comment.
    """
    if supersede:
        refuse_no_comment(change.comment, "--supersede")
    found: dict[Statement, str] = {}
    concerned: list[Place] = []
    notable = False
    for made in _planned(change.connection, statements, supersede=supersede, new_panels=new_panels):
        found.update(made.conflicts)
        if not found:
            _carry_out(change, made)
            concerned += [each.key for each in made.new if supersede or each.constants is None]
            notable = notable or bool(made.superseded) or any(each.constants is None for each in made.new)
    refuse_conflicts(found)
    if notable:
        note_answers(change, concerned)


def state_gap(
    change: Change,
    targets: Sequence[Panel],
    kinds: Sequence[str] | None,
    valid_from: Instant,
    *,
    supersede: bool,
) -> None:
    """State that from an instant on nothing is valid; without `kinds`, of every kind that each panel has live.

    Raises
    ------
    NotValidError
        No kinds are given and none of the panels has one.
    ConflictError, RequestError
        As `state`; the comment is needed in any case.
    """
    refuse_no_comment(change.comment, "a gap")
    ended = {panel.panel: list(kinds) if kinds else _live_kinds(change, panel) for panel in targets}
    idle = [
        f"no version of any kind is live for {name}: nothing to end"
        for name, found in ended.items()
        if not found
    ]
    if len(idle) == len(ended):
        raise NotValidError.all_of("panels have nothing live", idle)
    change.notes += idle
    statements = [
        Statement(name, kind, valid_from, None, comment=change.comment)
        for name, found in ended.items()
        for kind in found
    ]
    state(change, statements, supersede=supersede)


def _live_kinds(change: Change, panel: Panel) -> list[str]:
    version = schema.version
    query = (
        sa.select(version.c.kind)
        .distinct()
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .where(schema.panel.c.identifier == panel.panel, version.c.constants_id.is_not(None))
        .where(schema.visible(version, change.view))
        .order_by(version.c.kind)
    )
    return list(change.connection.execute(query).scalars())


def withdraw_versions(change: Change, numbers: Iterable[int]) -> None:
    """Withdraw versions, all or none; the notes say which constants answer for the freed ranges from now on.

    Raises
    ------
    NotFoundError
        There is no such version.
    ConflictError
        One was withdrawn already.
    RequestError
        There is no comment.
    """
    refuse_no_comment(change.comment, "a withdrawal")
    found = [_find_live(change, number) for number in dict.fromkeys(numbers)]
    change.withdraw(schema.version, [version.version for version in found])
    note_answers(change, sorted((version.panel, version.kind, version.valid_from) for version in found))


def _find_live(change: Change, number: int) -> Version:
    version = versions.find_version(change.connection, number, change.view)
    if version.withdrawn_in is not None:
        raise ConflictError(
            f"version {number} was withdrawn already, by revision {version.withdrawn_in}",
            version=number,
            withdrawn_in=version.withdrawn_in,
        )
    return version


def note_answers(change: Change, places: Iterable[Place]) -> None:
    """Note for each panel, kind and start which constants answer there from now on."""
    for name, group in groupby(places, key=itemgetter(0)):
        ranges: dict[str, list[Version]] = defaultdict(list)
        for version in versions.ranges(change.connection, [name], None, change.view):
            ranges[version.kind].append(version)
        for _, kind, instant in group:
            index = bisect_right(ranges[kind], instant, key=attrgetter("valid_from"))
            answering = ranges[kind][index - 1] if index else None
            following = next((later.valid_from for later in ranges[kind][index : index + 1]), None)
            change.notes.append(_answer(name, kind, instant, answering, following))


def _answer(
    panel: str, kind: str, instant: Instant, answering: Version | None, following: Instant | None
) -> str:
    if answering is None:
        until = f" until {following}" if following is not None else ""
        return f"from {instant} on, no {kind} of {panel} is valid{until}: nothing began before"
    until = f" until {answering.valid_to}" if answering.valid_to is not None else ""
    if answering.is_gap:
        return (
            f"from {instant} on, no {kind} of {panel} is valid{until}: version {answering.version} is a gap"
        )
    return f"from {instant} on{until}, {stated(answering)} answers"
