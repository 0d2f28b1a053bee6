"""The panels that the names in a delivery mean at the start of validity: exactly one, or a refusal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from registry.errors import NotFoundError, RegistryError, Remedy, RequestError
from registry.identifiers import find_near, suggestion
from registry.importers.deliveries import DeliveredConstants, Delivery, Names
from registry.instants import Instant, format_range
from registry.lookup.aliases import list_aliases, list_aliases_with_m_number
from registry.lookup.panels import find_known_panels, list_panels
from registry.lookup.targets import find_target
from registry.records import Panel
from registry.registration.stated_constants import build_module


class Match(NamedTuple):
    """Constants in a delivery, the panels that they are of, and the M-number by which these were found, if so.

    ``is_single`` is false where the delivery has others for the same module.
    """

    item: DeliveredConstants
    panels: tuple[Panel, ...]
    m_number: str | None
    is_single: bool = True


def match_delivery(
    connection: sa.Connection,
    delivery: Delivery,
    chosen: Sequence[str],
    revision: int | None,
    start: Instant,
) -> tuple[list[Match], list[RegistryError]]:
    """Return the constants with their panels, and what is wrong with the names of the others.

    Parameters
    ----------
    chosen
        Panel Ids that are meant where a module has several at that time.
    """
    candidates = {panel for item in delivery.items for names in item.names for panel in names.panels}
    known = find_known_panels(connection, sorted({*candidates, *chosen}), revision, start)
    matching = _Matching(connection, revision, start, known, tuple(chosen))
    matches: list[Match] = []
    problems: list[RegistryError] = []
    for item in delivery.items:
        try:
            matches.append(matching.match(item))
        except RegistryError as error:
            problems.append(error)
    problems += matching.list_idle_choices(matches)
    twice = _find_modules_held_twice(matches)
    problems += [
        RequestError(
            f"{' and '.join(repr(match.item.relative) for match in group)} are of one module, {module}:"
            " which of them is meant?",
            module=module,
        )
        for module, group in twice.items()
    ]
    doubtful = {id(match.item) for group in twice.values() for match in group}
    return [match._replace(is_single=id(match.item) not in doubtful) for match in matches], problems


def _find_modules_held_twice(matches: Sequence[Match]) -> dict[str, list[Match]]:
    by_module: dict[str, list[Match]] = defaultdict(list)
    for match in matches:
        for module in dict.fromkeys(build_module(panel.panel, panel.alias).name for panel in match.panels):
            by_module[module].append(match)
    return {module: group for module, group in by_module.items() if len(group) > 1}


class _Matching(NamedTuple):
    connection: sa.Connection
    revision: int | None
    start: Instant
    known: dict[str, Panel]
    chosen: tuple[str, ...]

    def match(self, item: DeliveredConstants) -> Match:
        """Return the panels of constants; refuse names that mean none, several, or contradict each other."""
        deciding = next((names for names in item.names if self._names_module(names)), None)
        if deciding is None:
            raise self._nameless_error(item)
        match = self._match_names(item, deciding)
        for names in item.names:
            if self._names_module(names) and names is not deciding:
                self._refuse_contradiction(item, match, names)
        return match

    def _names_module(self, names: Names) -> bool:
        return bool(names.m_numbers) or any(panel in self.known for panel in names.panels)

    def _match_names(self, item: DeliveredConstants, names: Names) -> Match:
        panels = [panel for panel in names.panels if panel in self.known]
        if len(panels) > 1 or len(names.m_numbers) > 1:
            several = panels if len(panels) > 1 else names.m_numbers
            own = Names.read(names.text)
            linked = "" if {*own.panels, *own.m_numbers}.issuperset(several) else ", by links to it too"
            raise RequestError(
                f"{item.relative!r} is named for {' and '.join(several)}{linked}: one of them must be meant"
            )
        if panels:
            panel = self.known[panels[0]]
            match = Match(item, (panel,), None)
            self._refuse_contradiction(item, match, names, is_own=True)
            return match
        (m_number,) = names.m_numbers
        try:
            target = find_target(self.connection, m_number, self.revision, self.start)
        except RegistryError as error:
            raise type(error)(f"{item.relative!r}: {error.message}", **error.values) from None
        return Match(item, self._choose(item, m_number, target.panels), m_number)

    def _choose(
        self, item: DeliveredConstants, m_number: str, panels: tuple[Panel, ...]
    ) -> tuple[Panel, ...]:
        """Return the panels of a module that are meant: the only one, or the chosen ones."""
        if len(panels) == 1:
            return panels
        chosen = tuple(panel for panel in panels if panel.panel in self.chosen)
        if chosen:
            return chosen
        starts = self._find_starts(m_number, panels)
        borne = " and ".join(f"{panel.panel}{format_range(starts[panel.panel], None)}" for panel in panels)
        latest = max(starts.values())
        current = [panel for panel in panels if starts[panel.panel] == latest]
        newest = max(panel.recorded_in for panel in current)
        meant = [panel.panel for panel in current if panel.recorded_in == newest]
        if len(meant) > 1:
            answer, meant = "none of them is newer than the others", ["PANEL_ID"]
        elif len(current) > 1:
            answer = f"the newest one is {meant[0]}, of revision {newest}"
        else:
            answer = f"the current one is {meant[0]}"
        raise RequestError(
            f"{item.relative!r} is named for {m_number}, which at {self.start} {len(panels)} panel Ids bear:"
            f" {borne}; {answer}",
            remedy=Remedy.CHOOSE_PANELS,
            panels=meant,
        )

    def _find_starts(self, m_number: str, panels: Sequence[Panel]) -> dict[str, Instant]:
        """Return by panel Id from when on it bears the M-number that it bears at the start."""
        names = {panel.panel for panel in panels}
        starts: dict[str, Instant] = {}
        for alias in list_aliases_with_m_number(self.connection, m_number, self.revision):
            if alias.alias == m_number and alias.panel in names and alias.valid_from <= self.start:
                starts[alias.panel] = max(alias.valid_from, starts.get(alias.panel, alias.valid_from))
        return starts

    def _refuse_contradiction(
        self, item: DeliveredConstants, match: Match, names: Names, *, is_own: bool = False
    ) -> None:
        """Refuse names that mean another module, or another panel, than the matched one.

        Its own names must all be right; a folder around it may be of several modules.
        """
        named = [*names.m_numbers, *(panel for panel in names.panels if panel in self.known)]
        for panel in match.panels:
            fits = panel.panel in names.panels or panel.alias in names.m_numbers
            other = [number for number in names.m_numbers if number != panel.alias]
            if not fits or (other and is_own):
                bears = f"bears {panel.alias}" if panel.alias else "bears no M-number"
                raise RequestError(
                    f"{item.relative!r} is named for {' and '.join(other or named)}, and for {panel.panel}, which"
                    f" {bears} at {self.start}",
                    panel=panel.panel,
                    alias=panel.alias,
                )

    def _nameless_error(self, item: DeliveredConstants) -> RegistryError:
        """Return the refusal of constants whose names mean no panel, with near names."""
        panels = [panel.panel for panel in list_panels(self.connection, self.revision)]
        texts = [panel for names in item.names for panel in names.panels]
        if texts:
            return NotFoundError(
                f"{item.relative!r}: panel {texts[0]} is not known{suggestion(texts[0], panels)}",
                panels=texts,
                near=find_near(texts[0], panels),
            )
        m_numbers = {alias.alias for alias in list_aliases(self.connection, self.revision)}
        name = item.names[0].text
        numbers = {f"M{int(digits):03d}" for digits in re.findall("[0-9]{1,6}", name)}
        near = [*sorted(numbers & m_numbers), *find_near(name, {*m_numbers, *panels} - numbers)]
        known = f"; near: {', '.join(near)}" if near else suggestion(name, m_numbers or panels)
        return NotFoundError(
            f"{item.relative!r} is named for neither an M-number nor a panel Id{known}", name=name, near=near
        )

    def list_idle_choices(self, matches: Sequence[Match]) -> list[RegistryError]:
        """Return a refusal of each chosen panel for which there are no constants."""
        used = {panel.panel for match in matches for panel in match.panels}
        return [
            NotFoundError(f"no folder or file of the delivery is of the chosen panel {panel}", panel=panel)
            for panel in self.chosen
            if panel not in used
        ]
