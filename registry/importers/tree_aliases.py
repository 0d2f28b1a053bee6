"""The M-numbers that a legacy directory states: each link puts its panel into a module, from a start time on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from itertools import chain
from operator import attrgetter

from registry.errors import Remedy
from registry.importers.legacy_tree import Entry
from registry.instants import BEGINNING
from registry.lookup.timelines import Timeline
from registry.registration.alias_rules import AliasConflict, parse_serial_number
from registry.registration.borne_ranges import (
    AliasStatement,
    BorneRange,
    build_alias_timelines,
    intersect,
    list_borne_ranges,
)

KnownAliases = Mapping[str, Timeline[AliasStatement]]
"""The M-numbers that the registry has, by panel Id."""


def plan_aliases(
    entries: Iterable[Entry], known: KnownAliases, left_out: Iterable[Entry] = ()
) -> dict[str, AliasStatement]:
    """Return by link the statement on which it relies; none for what the registry has for that time already.

    The first M-number of a panel that bears none at that time counts from the beginning, another one from the start of
    its link on; so does the first if a link that is left out leads to another module before.
    """
    by_panel = _group_by_panel(entries)
    before = _group_by_panel(left_out)
    return {
        name: statement
        for panel, links in by_panel.items()
        for name, statement in _plan_panel(links, before[panel], known.get(panel, Timeline()))
    }


def _group_by_panel(entries: Iterable[Entry]) -> defaultdict[str, list[Entry]]:
    by_panel = defaultdict(list)
    for entry in entries:
        if entry.m_number is not None:
            by_panel[entry.panel].append(entry)
    return by_panel


def _plan_panel(
    links: list[Entry], left_out: list[Entry], known: Timeline[AliasStatement]
) -> Iterator[tuple[str, AliasStatement]]:
    latest: AliasStatement | None = None
    for link in sorted(links, key=attrgetter("valid_from")):
        borne = known.at(link.valid_from)
        if latest is not None and (borne is None or borne.valid_from <= latest.valid_from):
            borne = latest
        if borne is None or borne.m_number != link.m_number:
            is_first = borne is None and not any(
                other.valid_from < link.valid_from and other.m_number != link.m_number for other in left_out
            )
            start = BEGINNING if is_first else link.valid_from
            borne = latest = AliasStatement(link.m_number or "", link.panel, start)
        if borne is latest:
            yield link.name, borne


def follow_moves(
    statements: Collection[AliasStatement], known: KnownAliases, entries: Iterable[Entry]
) -> dict[AliasStatement, AliasStatement]:
    """Return what follows from the moves among these statements, each with the statement from which it follows.

    A board moves with all of its panel Ids: those that bear the M-number that it leaves, and of which nothing else is
    stated from then on, move too. Where something else is stated the two contradict each other.

    Parameters
    ----------
    entries
        All links of the directory, also those that state nothing new.
    """
    links = _group_by_panel(entries)
    new = {row for row in statements if row.valid_from != BEGINNING}
    stated: defaultdict[object, dict[AliasStatement, None]] = defaultdict(dict)  # by serial number
    for row in chain(chain.from_iterable(timeline.values for timeline in known.values()), statements):
        stated[parse_serial_number(row.panel)][row] = None
    followed: dict[AliasStatement, AliasStatement] = {}
    for rows in stated.values():
        if len({row.panel for row in rows}) > 1:
            followed.update(_follow_moves_of_board(list(rows), set(rows) & new, links))
    return followed


def _follow_moves_of_board(
    stated: list[AliasStatement], new: Set[AliasStatement], links: Mapping[str, list[Entry]]
) -> dict[AliasStatement, AliasStatement]:
    timelines = build_alias_timelines(stated)
    followed: dict[AliasStatement, AliasStatement] = {}
    for move in sorted(new, key=attrgetter("valid_from", "panel")):
        left = timelines[move.panel].at(move.valid_from - 1)
        for panel, timeline in timelines.items() if left else ():
            last = timeline.values[-1]
            if (
                panel != move.panel
                and left
                and last.valid_from < move.valid_from
                and last.m_number == left.m_number
                and not _leads_elsewhere(links.get(panel, ()), move)
            ):
                follower = AliasStatement(move.m_number, panel, move.valid_from)
                timeline.append(move.valid_from, follower)
                followed[follower] = move
    return followed


def _leads_elsewhere(links: Iterable[Entry], move: AliasStatement) -> bool:
    """Tell whether a link of the time after a move leads to another module."""
    return any(link.valid_from >= move.valid_from and link.m_number != move.m_number for link in links)


def find_contradictions(
    statements: Iterable[AliasStatement], known: KnownAliases, *, same_module: bool
) -> dict[AliasStatement, AliasConflict]:
    """Return the conflict of every statement that contradicts another one of the directory at the same time.

    It is the later of the two. Of two with the same start time nobody knows which is mistyped: both are there.

    Parameters
    ----------
    same_module
        Let an M-number have several serial numbers at a time.
    """
    new = set(statements)
    recorded = [
        statement
        for panel in {row.panel for row in new}
        if panel in known
        for statement in known[panel].values
    ]
    ranges = [borne for borne in list_borne_ranges([*recorded, *new]) if borne.statement in new]
    by_serial: dict[object, list[BorneRange]] = defaultdict(list)
    by_m_number: dict[str, list[BorneRange]] = defaultdict(list)
    for borne in ranges:
        by_serial[parse_serial_number(borne.statement.panel)].append(borne)
        by_m_number[borne.statement.m_number].append(borne)
    contradictions: dict[AliasStatement, AliasConflict] = {}
    for group in by_serial.values():
        contradictions.update(_find_two_modules(group))
    for group in () if same_module else by_m_number.values():
        rest = [borne for borne in group if borne.statement not in contradictions]
        contradictions.update(_find_two_serial_numbers(rest))
    return contradictions


def _find_two_modules(ranges: list[BorneRange]) -> Iterator[tuple[AliasStatement, AliasConflict]]:
    """Yield the statements that put one serial number into two modules at the same time."""
    for one, other in _list_overlaps(ranges):
        if one.statement.m_number != other.statement.m_number:
            serial = parse_serial_number(one.statement.panel).text
            modules = " and ".join(sorted((one.statement.m_number, other.statement.m_number)))
            sentence = f"the serial number {serial} is linked to two modules, {modules}"
            yield from _blame(one, other, AliasConflict(sentence))


def _find_two_serial_numbers(ranges: list[BorneRange]) -> Iterator[tuple[AliasStatement, AliasConflict]]:
    """Yield the statements that put two serial numbers into one module at the same time."""
    for one, other in _list_overlaps(ranges):
        serials = [parse_serial_number(borne.statement.panel).text for borne in (one, other)]
        if serials[0] != serials[1]:
            texts = " and ".join(sorted(serials))
            sentence = f"{one.statement.m_number} is linked by two serial numbers, {texts}"
            yield from _blame(one, other, AliasConflict(sentence, Remedy.STATE_SAME_MODULE))


def _blame(
    one: BorneRange, other: BorneRange, conflict: AliasConflict
) -> Iterator[tuple[AliasStatement, AliasConflict]]:
    """Yield the later of two statements with the time at which they meet; both, if they start together."""
    latest = max(one.statement.valid_from, other.statement.valid_from)
    for shared in intersect(one, [other]):
        for statement in (one.statement, other.statement):
            if statement.valid_from == latest:
                yield statement, conflict._replace(sentence=f"{conflict.sentence}{shared}")


def _list_overlaps(ranges: Iterable[BorneRange]) -> Iterator[tuple[BorneRange, BorneRange]]:
    """Yield the pairs of ranges that meet; those of one panel never do."""
    open_ranges: list[BorneRange] = []
    for borne in sorted(ranges, key=attrgetter("start")):
        open_ranges = [other for other in open_ranges if other.end > borne.start]
        yield from ((other, borne) for other in open_ranges)
        open_ranges.append(borne)
