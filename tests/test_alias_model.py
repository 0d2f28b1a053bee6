"""M-numbers in time are compared with a naive model, over random histories, at every boundary, as of every revision."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.api import Registry
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError, NotValidError, RequestError
from registry.instants import BEGINNING, EARLIEST, Instant, parse_instant
from registry.lookup import versions
from registry.lookup.aliases import list_aliases_of_panels
from registry.lookup.panels import find_panels
from registry.lookup.targets import find_target
from registry.lookup.validity import versions_at
from registry.registration.alias_withdrawal import withdraw_aliases
from registry.registration.aliases import add_aliases
from registry.registration.borne_ranges import AliasStatement
from registry.registration.panels import add_panels
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_constants, record_versions
from tests.constants import constants_without_files
from tests.selection import examples

T = parse_instant("2018-01-01T00:00:00Z")
STARTS = (BEGINNING, T, Instant(T + 1), Instant(T + 1000))
INSTANTS = (BEGINNING, EARLIEST, *(Instant(start + step) for start in STARTS[1:] for step in (-1, 0, 1)))


@dataclass
class Fact:
    m_number: str
    panel: str
    start: Instant
    same_module: bool
    recorded_in: int
    withdrawn_in: int | None = None

    def was_live(self, revision: int) -> bool:
        return self.recorded_in <= revision and (self.withdrawn_in is None or self.withdrawn_in > revision)


def find_borne(facts: Sequence[Fact], panel: str, instant: Instant) -> Fact | None:
    begun = [fact for fact in facts if fact.panel == panel and fact.start <= instant]
    return max(begun, key=lambda fact: fact.start, default=None)


def parse_serial_number(panel: str) -> str:
    return panel.split("-")[2] if panel.count("-") == 2 else panel


def may_bear(fact: Fact, others: Sequence[Fact]) -> bool:
    """Tell whether a panel may bear an M-number at an instant beside what others bear then."""
    serial = parse_serial_number(fact.panel)
    if any(parse_serial_number(o.panel) == serial and o.m_number != fact.m_number for o in others):
        return False
    fellows = [parse_serial_number(o.panel) for o in others if o.m_number == fact.m_number]
    return fact.same_module or not fellows or serial in fellows


@dataclass
class Model:
    revision: int
    facts: list[Fact] = field(default_factory=list)

    def live(self, revision: int | None = None) -> list[Fact]:
        return [fact for fact in self.facts if fact.was_live(self.revision if revision is None else revision)]

    def add(self, statements: Sequence[AliasStatement]) -> bool:
        before, after, new = self.live(), self.live(), []
        stated = {(fact.panel, fact.start, fact.m_number) for fact in before}
        stated |= {(wanted.panel, wanted.valid_from, wanted.m_number) for wanted in statements}
        if len({key[:2] for key in stated}) < len(stated):
            return False
        for wanted in sorted(dict.fromkeys(statements), key=lambda statement: statement.valid_from):
            fact = Fact(
                wanted.m_number, wanted.panel, wanted.valid_from, wanted.same_module, self.revision + 1
            )
            borne = find_borne(after, fact.panel, fact.start)
            if borne is None or borne.m_number != fact.m_number:
                after.append(fact)
                new.append((statements.index(wanted), fact))
        if not self._is_allowed(before, after, [fact for _, fact in sorted(new, key=lambda pair: pair[0])]):
            return False
        self._commit([fact for _, fact in new], [])
        return True

    def withdraw(self, m_number: str, panels: Sequence[str], start: Instant | None) -> bool:
        gone = []
        for panel in panels:
            fits = [
                fact
                for fact in self.live()
                if (fact.m_number, fact.panel) == (m_number, panel) and start in (None, fact.start)
            ]
            if len(fits) != 1:
                return False
            gone += fits
        after = [fact for fact in self.live() if fact not in gone]
        if not self._is_allowed(self.live(), after, []):
            return False
        self._commit([], gone)
        return True

    def _is_allowed(self, before: Sequence[Fact], after: Sequence[Fact], new: Sequence[Fact]) -> bool:
        types: dict[str, set[int]] = {}
        for fact in after:
            types.setdefault(fact.m_number, set()).add(fact.panel.count("-"))
        if any(len(of_one) > 1 for of_one in types.values()):
            return False
        for instant in STARTS:
            borne = find_all_borne(after, instant)
            bore = {fact.panel: fact.m_number for fact in find_all_borne(before, instant)}
            settled = [fact for fact in borne if bore.get(fact.panel) == fact.m_number]
            # Statements come in their order; what a withdrawal brings back, in that of its recording.
            for fact in new or after:
                if fact in borne and fact not in settled:
                    if not may_bear(fact, settled):
                        return False
                    settled.append(fact)
        return True

    def _commit(self, new: list[Fact], gone: list[Fact]) -> None:
        if new or gone:
            self.revision += 1
        for fact in gone:
            fact.withdrawn_in = self.revision
        self.facts += new


def find_all_borne(facts: Sequence[Fact], instant: Instant) -> list[Fact]:
    panels = dict.fromkeys(fact.panel for fact in facts)
    return [fact for panel in panels if (fact := find_borne(facts, panel, instant)) is not None]


# Random histories over four panels: two of one serial number, one of another, and one of another detector type.

panel_numbers = st.integers(0, 3)
m_numbers = st.integers(0, 2)
statements = st.tuples(m_numbers, panel_numbers, st.sampled_from(STARTS), st.booleans())
steps = st.one_of(
    st.tuples(st.just("add"), st.lists(statements, min_size=1, max_size=3)),
    st.tuples(
        st.just("withdraw"),
        st.tuples(
            m_numbers,
            st.lists(panel_numbers, min_size=1, max_size=2, unique=True),
            st.none() | st.sampled_from(STARTS),
        ),
    ),
)
histories = st.lists(steps, min_size=3, max_size=12)

_serial_numbers = itertools.count(1)
_m_numbers = itertools.count(1000)
GAIN = constants_without_files("gain", "A")


def begin(registry: Registry) -> tuple[list[str], list[str], Model]:
    """Record panels with versions that no example before had, and return M-numbers for them."""
    one, other = (next(_serial_numbers) for _ in range(2))
    panels = [f"1-1-{one:x}", f"2-1-{one:x}", f"1-1-{other:x}", "-".join([f"{other:010}"] * 7)]

    def act(change: Change) -> None:
        add_panels(change, panels)
        record_constants(change, [GAIN])
        starts = [
            VersionStatement(panel, "gain", start, GAIN.sha256) for panel in panels[:3] for start in STARTS
        ]
        record_versions(change, starts, supersede=False)

    outcome = registry._backend.record_revision(act)
    assert outcome.revision is not None
    return panels, [f"M{next(_m_numbers)}" for _ in range(3)], Model(outcome.revision)


def replay(
    registry: Registry, model: Model, names: tuple[list[str], list[str]], step: tuple[str, Any]
) -> None:
    """Take the same step in the registry and in the model: both take it, or both refuse."""
    panels, aliases = names
    what, values = step
    if what == "add":
        wanted = [AliasStatement(aliases[m], panels[p], start, same) for m, p, start, same in values]
        allowed = model.add(wanted)

        def act(change: Change) -> None:
            add_aliases(change, wanted)

    else:
        m_number, panel_list, start = values
        withdrawn = [panels[number] for number in panel_list]
        allowed = model.withdraw(aliases[m_number], withdrawn, start)

        def act(change: Change) -> None:
            withdraw_aliases(change, aliases[m_number], withdrawn, start)

    if allowed:
        assert registry._backend.record_revision(act, "a step").revision in (None, model.revision)
    else:
        with pytest.raises((ConflictError, NotFoundError, RequestError)):
            registry._backend.record_revision(act, "a step")


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@given(history=histories)
@settings(max_examples=examples(25))
def test_m_numbers_in_time_are_those_of_a_naive_model(
    registry: Registry, history: list[tuple[str, Any]]
) -> None:
    panels, aliases, model = begin(registry)
    first = model.revision
    for step in history:
        replay(registry, model, (panels, aliases), step)
    with registry._backend.read_transaction() as view:
        assert view.revision == model.revision, "a refused step left something behind"
        for revision in range(first, model.revision + 1):
            facts = model.live(revision)
            check_panels(view.connection, facts, panels, revision)
            check_aliases(view.connection, facts, aliases, revision)
            check_versions(view.connection, facts, panels[:3], revision)
            listed = list_aliases_of_panels(view.connection, panels, revision)
            assert {(a.alias, a.panel, a.valid_from, a.same_module, a.recorded_in) for a in listed} == {
                (f.m_number, f.panel, f.start, f.same_module, f.recorded_in) for f in facts
            }
            assert {(a.panel, a.valid_from): a.valid_to for a in listed} == {
                (f.panel, f.start): min(
                    (o.start for o in facts if o.panel == f.panel and o.start > f.start), default=None
                )
                for f in facts
            }


def get_m_number(facts: Sequence[Fact], panel: str, instant: Instant) -> str | None:
    borne = find_borne(facts, panel, instant)
    return None if borne is None else borne.m_number


def check_panels(connection: sa.Connection, facts: Sequence[Fact], panels: list[str], revision: int) -> None:
    for instant in (*INSTANTS, None):
        known = find_panels(connection, panels, revision, instant)
        assert [panel.alias for panel in known] == [
            get_m_number(facts, panel, INSTANTS[-1] if instant is None else instant) for panel in panels
        ]


def check_aliases(
    connection: sa.Connection, facts: Sequence[Fact], aliases: list[str], revision: int
) -> None:
    for m_number in aliases:
        ever = {fact.panel for fact in facts if fact.m_number == m_number}
        if not ever:
            with pytest.raises(NotFoundError):
                find_target(connection, m_number, revision, T)
            continue
        assert {panel.panel for panel in find_target(connection, m_number, revision).panels} == ever
        for instant in INSTANTS:
            borne = {fact.panel for fact in find_all_borne(facts, instant) if fact.m_number == m_number}
            if borne:
                target = find_target(connection, m_number, revision, instant)
                assert {(panel.panel, panel.alias) for panel in target.panels} == {
                    (p, m_number) for p in borne
                }
            else:
                with pytest.raises(NotValidError) as caught:
                    find_target(connection, m_number, revision, instant)
                assert set(caught.value.values["panels"]) == ever


def check_versions(
    connection: sa.Connection, facts: Sequence[Fact], panels: list[str], revision: int
) -> None:
    ranges = versions.list_validity_ranges(connection, panels, None, revision)
    assert [(v.panel, v.valid_from, v.alias) for v in ranges] == [
        (panel, start, get_m_number(facts, panel, start)) for panel in panels for start in STARTS
    ]
    for instant in INSTANTS:
        valid = versions_at(connection, panels, ["gain"], instant, revision)
        assert {panel: version.alias for (panel, _), version in valid.items()} == {
            panel: get_m_number(facts, panel, instant) for panel in panels
        }
