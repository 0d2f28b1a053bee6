"""Modules in two places: read out under two sources in one run, or in runs that go on at the same time.

One module is known by its panel Id, its serial number, or the M-number that its panel Ids bear at that time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from registry.identifiers import MAX_RUN, format_count, format_run_range, shorten
from registry.instants import BEGINNING, NEVER, Instant
from registry.lookup.aliases import list_aliases_of_panels
from registry.lookup.overlaps import Interval, Range, find_overlap, intersect_ranges
from registry.lookup.readouts import Readout, list_intervals, list_members
from registry.run_ranges import format_runs
from registry.sql import sa

_ALWAYS = (BEGINNING, NEVER)

_Span = tuple[int, int]
_Runs = Mapping[str, Sequence[Interval]]
"""Runs by experiment, in the order of their numbers."""


class _Side(Struct, frozen=True):
    """A place in which a module is read out, under which panel Id, and when it is known to be that module."""

    place: tuple[str, str]
    panel: str
    span: _Span


class _Encounter(Struct, frozen=True):
    """The runs of two places in which the same panels are read out, and when they are known to be the same."""

    places: tuple[tuple[str, str], tuple[str, str]]
    ranges: tuple[tuple[Range, ...], tuple[Range, ...]]
    span: _Span


_Sides = dict[_Side, set[Range]]
_Pairs = dict[tuple[str, str], None]


def list_simultaneous_readouts(
    connection: sa.Connection, touched: Sequence[Readout], fellows: Sequence[Readout], revision: int
) -> list[str]:
    """Return a sentence on each module that is in two places at once, one of them among the readouts `touched`.

    `fellows` are all that there are of the same modules, see `list_fellow_readouts`. Where they have no other
    place nothing is asked; their panels are read only where their runs, or the times of these, meet.
    """
    places = {readout.place for readout in touched}
    others = [fellow for fellow in fellows if len(places) > 1 or fellow.place not in places]
    if not others:
        return []
    runs = list_intervals(connection, touched, revision)
    known = [interval for intervals in runs.values() for interval in intervals]
    during = (min(begin for begin, _, _ in known), max(end for _, end, _ in known)) if known else None
    nearby = list_intervals(connection, others, revision, during) if during else {}
    near = [other for other in others if _may_meet(other, touched, nearby)]
    if not near:
        return []
    sentences = [
        _describe(encounter, pairs, (runs, nearby))
        for encounter, pairs in _group_encounters(connection, touched, near, revision).items()
    ]
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def _may_meet(other: Readout, touched: Sequence[Readout], nearby: _Runs) -> bool:
    """Tell whether a configuration has runs at the time in question, or runs in common with another source."""
    return bool(_select_runs(nearby, other.experiment, other.ranges)) or any(
        other.experiment == readout.experiment
        and other.place != readout.place
        and intersect_ranges(other.ranges, readout.ranges)
        for readout in touched
    )


def _select_runs(runs: _Runs, experiment: str, ranges: Iterable[Range]) -> list[Interval]:
    listed = runs.get(experiment, ())
    return [
        interval
        for first, last in ranges
        for interval in listed[
            bisect_left(listed, first, key=_get_number) : bisect_right(listed, last, key=_get_number)
        ]
    ]


def _get_number(interval: Interval) -> int:
    return interval[2]


def _group_encounters(
    connection: sa.Connection, touched: Sequence[Readout], near: Sequence[Readout], revision: int
) -> dict[_Encounter, _Pairs]:
    """Return the pairs of panel Ids of one module by where, in which runs, and since when they can be there at once."""
    members = list_members(connection, {readout.configuration for readout in (*touched, *near)})
    module_of = {panel: module for _, panel, module in members}
    spans: dict[str, list[tuple[str, _Span]]] = {
        panel: [(module, _ALWAYS)] for panel, module in module_of.items()
    }
    for alias in list_aliases_of_panels(connection, module_of, revision):
        spans[alias.panel].append(
            (alias.alias, (alias.valid_from, _ALWAYS[1] if alias.valid_to is None else alias.valid_to))
        )
    own, others = (_group_sides(readouts, members, spans) for readouts in (touched, near))
    encounters: dict[_Encounter, _Pairs] = defaultdict(dict)
    for label, sides in own.items():
        for side, ranges in sides.items():
            for other, other_ranges in others[label].items():
                span = max(side.span[0], other.span[0]), min(side.span[1], other.span[1])
                same = label != module_of[side.panel] == module_of[other.panel]  # known by the serial number
                if side.place != other.place and span[0] < span[1] and not same:
                    encounter = _Encounter(
                        (side.place, other.place), (tuple(sorted(ranges)), tuple(sorted(other_ranges))), span
                    )
                    encounters[encounter][side.panel, other.panel] = None
    return encounters


def _group_sides(
    readouts: Iterable[Readout],
    members: Iterable[tuple[int, str, str]],
    spans: Mapping[str, Sequence[tuple[str, _Span]]],
) -> defaultdict[str, _Sides]:
    """Return by serial or M-number where and in which runs the panels are read out."""
    by_key: dict[int, list[Readout]] = defaultdict(list)
    for readout in readouts:
        by_key[readout.configuration].append(readout)
    sides: defaultdict[str, _Sides] = defaultdict(lambda: defaultdict(set))
    for key, panel, _ in members:
        for readout in by_key[key]:
            for label, span in spans[panel]:
                sides[label][_Side(readout.place, panel, span)].update(readout.ranges)
    return sides


def _describe(encounter: _Encounter, pairs: _Pairs, runs: tuple[_Runs, _Runs]) -> str | None:
    """Return a sentence on an encounter; None if it never came to one."""
    (experiment, _), (other_experiment, _) = encounter.places
    sides = [
        _select_runs(listed, experiment, ranges)
        for listed, (experiment, _), ranges in zip(runs, encounter.places, encounter.ranges, strict=True)
    ]
    common = intersect_ranges(*encounter.ranges) if experiment == other_experiment else []
    if common:
        together = _select_runs(runs[0], experiment, common)
        times = (min(run[0] for run in together), max(run[1] for run in together)) if together else None
        numbers = (_format_ranges(common), _format_ranges(common))
    else:
        overlap = find_overlap(*sides)
        if overlap is None:
            return None
        times = overlap.begin, overlap.end
        numbers = format_runs(overlap.runs), format_runs(overlap.other_runs)
    if times and (times[1] < encounter.span[0] or times[0] >= encounter.span[1]):
        return None  # the panel Ids are not known to be one module then
    where = "in one run" if common else "at the same time"
    return f"{_name_modules(pairs)} read out twice {where}{_format_times(times)}: " + " and ".join(
        sorted(_describe_places(encounter.places, numbers, pairs))
    )


def _name_modules(pairs: _Pairs) -> str:
    verb = "is" if len(pairs) == 1 else "are"
    if any(panel != other for panel, other in pairs):
        return f"{format_count(len(pairs), 'module')} {verb}"
    names = shorten([panel for panel, _ in pairs])
    return f"{format_count(len(pairs), 'panel')} ({names}) {verb}" if len(pairs) > 1 else f"panel {names} is"


def _format_times(times: _Span | None) -> str:
    if times is None:
        return ""
    begin, end = map(Instant, times)
    return f", at {begin}" if begin == end else f", from {begin} to {end}"


def _describe_places(
    places: Sequence[tuple[str, str]], numbers: Sequence[str], pairs: _Pairs
) -> Iterator[str]:
    several = any(panel != other for panel, other in pairs)
    for index, ((experiment, source), runs) in enumerate(zip(places, numbers, strict=True)):
        panels = f" as {shorten([pair[index] for pair in pairs])}" if several else ""
        noun = "run" if runs.isdigit() else "runs"
        yield f"by {source} in {noun} {runs} of {experiment}{panels}"


def _format_ranges(ranges: Iterable[Range]) -> str:
    return ",".join(format_run_range(first, None if last == MAX_RUN else last) for first, last in ranges)
