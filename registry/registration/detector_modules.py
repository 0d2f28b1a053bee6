"""Detectors that hold a module twice at any time, so that it can be said before the time of a run is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations
from operator import itemgetter

from registry.database.change import Change
from registry.errors import ConflictError
from registry.lookup.aliases import list_aliases_of_panels
from registry.lookup.timelines import Timeline, build_timelines
from registry.records import Alias


def read_aliases(change: Change, panels: Iterable[str]) -> Mapping[str, list[tuple[int, Alias]]]:
    """Return by panel its aliases, each with its place among those of all panels."""
    by_panel: dict[str, list[tuple[int, Alias]]] = defaultdict(list)
    read = list_aliases_of_panels(change.connection, panels, change.visible_revision)
    for place, alias in enumerate(read):
        by_panel[alias.panel].append((place, alias))
    return by_panel


def refuse_modules_always_held_twice(
    known: Mapping[str, list[tuple[int, Alias]]], panels: Sequence[str]
) -> None:
    """Refuse panels of which two bear the same M-number whenever they bear one.

    Where they do so at some times only, the time of a run decides, see `lookup.modules`.
    """
    placed = sorted(chain.from_iterable(known.get(panel, ()) for panel in set(panels)), key=itemgetter(0))
    aliases = [alias for _, alias in placed]
    ordered = sorted(aliases, key=lambda alias: alias.valid_from)
    timelines = build_timelines((alias.panel, alias.valid_from, alias.alias) for alias in ordered)
    bearing: dict[str, set[str]] = defaultdict(set)
    for alias in aliases:
        bearing[alias.alias].add(alias.panel)
    twice = [
        f"{one} and {other} both bear {m_number} at all times: a detector holds a module once"
        for m_number, fellows in bearing.items()
        for one, other in combinations(sorted(fellows, key=panels.index), 2)
        if _is_always_same(timelines[one], timelines[other])
    ]
    if twice:
        raise ConflictError.combine("modules are held twice", twice, panels=list(panels))


def _is_always_same(one: Timeline[str], other: Timeline[str]) -> bool:
    return all(one.at(start) == other.at(start) for start in (*one.starts, *other.starts))
