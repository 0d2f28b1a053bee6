"""Versions are stated, superseded and withdrawn.

A statement is first held against its batch and against everything ever stated at its panel, kind and
start (`plan`); only a plan without conflicts is carried out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database import Change
from registry.errors import ConflictError, NotValidError
from registry.instants import Instant
from registry.lookup import panels, validity, versions
from registry.lookup.history import stated
from registry.lookup.revisions import refuse_no_comment
from registry.records import Conversion, Panel, Version

_PIECE = 500


@dataclass(frozen=True, slots=True)
class Statement:
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
    def key(self) -> tuple[str, str, Instant]:
        """The place in time for which it speaks."""
        return self.panel, self.kind, self.valid_from


@dataclass(slots=True)
class Plan:
    """What is to be done with a batch of statements."""

    new: list[Statement] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    superseded: list[int] = field(default_factory=list)
    conflicts: dict[Statement, str] = field(default_factory=dict)

    def refuse_conflicts(self) -> None:
        """Refuse with all conflicts at once.

        Raises
        ------
        ConflictError
            There is at least one.
        """
        sentences = list(self.conflicts.values())
        if sentences:
            raise ConflictError.all_of("versions conflict", sentences, conflicts=sentences)


def plan(connection: sa.Connection, statements: Iterable[Statement], *, supersede: bool) -> Plan:
    """Hold the statements against each other and against everything that is recorded."""
    made = Plan()
    first: dict[tuple[str, str, Instant], Statement] = {}
    for piece in _pieces(list(statements)):
        earlier = _stated_before(connection, piece)
        for statement in piece:
            if statement.key in first:
                if first[statement.key].constants != statement.constants:
                    made.conflicts[statement] = f"{_place_of(statement)} is stated twice, with other contents"
                continue
            first[statement.key] = statement
            _place(made, statement, earlier[statement.key], supersede=supersede)
    return made


def _place(made: Plan, statement: Statement, earlier: Sequence[Any], *, supersede: bool) -> None:
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
    connection: sa.Connection, statements: Sequence[Statement]
) -> dict[tuple[str, str, Instant], list[Any]]:
    """Return the rows ever recorded at the places of the statements."""
    version = schema.version
    query = (
        sa.select(
            version.c.id,
            schema.panel.c.identifier,
            version.c.kind,
            version.c.valid_from,
            version.c.withdrawn_in,
            schema.constants.c.sha256,
        )
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .outerjoin(schema.constants, schema.constants.c.id == version.c.constants_id)
        .where(schema.panel.c.identifier.in_({each.panel for each in statements}))
        .where(version.c.kind.in_({each.kind for each in statements}))
        .where(version.c.valid_from.in_({each.valid_from for each in statements}))
        .order_by(version.c.id)
    )
    rows = defaultdict(list)
    for row in connection.execute(query):
        rows[row.identifier, row.kind, Instant(row.valid_from)].append(row)
    return rows


def _pieces(statements: list[Statement]) -> Iterator[list[Statement]]:
    for start in range(0, len(statements), _PIECE):
        yield statements[start : start + _PIECE]


def carry_out(change: Change, made: Plan) -> None:
    """Record a plan without conflicts; the constants that it names are recorded already.

    Raises
    ------
    ConflictError
        The plan has conflicts.
    """
    made.refuse_conflicts()
    change.unchanged += made.unchanged
    if made.superseded:
        change.withdraw(schema.version, made.superseded)
    keys = panels.panel_keys(change.connection, [statement.panel for statement in made.new])
    constants = _constants_keys(change, {each.constants for each in made.new if each.constants})
    change.record(
        schema.version,
        [
            {
                "panel_id": keys[statement.panel],
                "kind": statement.kind,
                "valid_from": statement.valid_from,
                "constants_id": constants[statement.constants] if statement.constants else None,
                "carried_from": statement.carried_from,
                "source_path": statement.source_path,
                "comment": statement.comment,
                "nonfinite_allowed": statement.nonfinite_allowed,
                "conversion": _json(statement.conversion),
            }
            for statement in made.new
        ],
    )


def _json(conversion: Conversion | None) -> str | None:
    return json.dumps(asdict(conversion)) if conversion is not None else None


def _constants_keys(change: Change, sha256s: set[str]) -> dict[str, int]:
    table = schema.constants
    query = sa.select(table.c.sha256, table.c.id).where(table.c.sha256.in_(sha256s))
    return {row.sha256: row.id for row in change.connection.execute(query)}


def state(change: Change, statements: Iterable[Statement], *, supersede: bool) -> None:
    """Plan and carry out; a supersession, and a gap, notes what answers from now on.

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
    made = plan(change.connection, statements, supersede=supersede)
    carry_out(change, made)
    replaced = {version.version for version in versions.withdrawn_in(change.connection, change.view)}
    if replaced or any(statement.constants is None for statement in made.new):
        note_answers(change, [statement.key for statement in made.new])


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


def withdraw_version(change: Change, number: int) -> None:
    """Withdraw a version; the note says which constants answer for the freed range from now on.

    Raises
    ------
    NotFoundError
        There is no such version.
    ConflictError
        It was withdrawn already.
    RequestError
        There is no comment.
    """
    refuse_no_comment(change.comment, "a withdrawal")
    version = versions.find_version(change.connection, number, change.view)
    if version.withdrawn_in is not None:
        raise ConflictError(
            f"version {number} was withdrawn already, by revision {version.withdrawn_in}",
            version=number,
            withdrawn_in=version.withdrawn_in,
        )
    change.withdraw(schema.version, [number])
    note_answers(change, [(version.panel, version.kind, version.valid_from)])


def note_answers(change: Change, places: Sequence[tuple[str, str, Instant]]) -> None:
    """Note for each panel, kind and start which constants answer there from now on."""
    for name, kind, instant in places:
        found = validity.versions_at(change.connection, [name], [kind], instant, change.view)
        later = [
            version.valid_from
            for version in versions.ranges(change.connection, [name], [kind], change.view)
            if version.valid_from > instant
        ]
        change.notes.append(_answer(name, kind, instant, found.get((name, kind)), min(later, default=None)))


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
