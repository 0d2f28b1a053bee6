"""The look-up is compared with a naive model, over random histories, at every boundary, as of every revision."""

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
from registry.errors import ConflictError, NotValidError
from registry.instants import BEGINNING, Instant, parse_instant
from registry.lookup import versions
from registry.lookup.panels import find_panels
from registry.lookup.revisions import NEWEST, RevisionRef, read_newest_revision
from registry.lookup.validity import versions_at
from registry.records import Version
from registry.registration.panels import add_panels
from registry.registration.planning import VersionStatement
from registry.registration.versions import (
    record_constants,
    record_gap,
    record_versions,
    withdraw_versions,
)
from tests.constants import constants_without_files
from tests.selection import examples

KINDS = ("gain", "offset")
T = parse_instant("2018-01-01T00:00:00Z")
STARTS = (BEGINNING, T, Instant(T + 1), Instant(T + 3_600_000_000))
INSTANTS = sorted(
    {Instant(start + step) for start in STARTS for step in (-1, 0, 1) if start + step >= BEGINNING}
)


# The model. A key is (panel, kind, start); contents are texts, or None for a gap.


@dataclass
class Fact:
    number: int
    key: tuple[str, str, Instant]
    content: str | None
    recorded_in: int
    withdrawn_in: int | None = None

    def was_live(self, revision: int) -> bool:
        return self.recorded_in <= revision and (self.withdrawn_in is None or self.withdrawn_in > revision)


@dataclass
class Model:
    revision: int
    last: int
    facts: list[Fact] = field(default_factory=list)

    def ranges(self, panel: str, kind: str, revision: int) -> list[tuple[Fact, Instant | None]]:
        facts = [f for f in self.facts if f.key[:2] == (panel, kind) and f.was_live(revision)]
        facts.sort(key=lambda fact: fact.key[2])
        ends = [fact.key[2] for fact in facts[1:]] + [None]
        return list(zip(facts, ends, strict=False))

    def state(self, wanted: Sequence[tuple[Any, str | None]], *, supersede: bool) -> bool:
        """Record, and tell whether that is allowed."""
        new, old = {}, []
        for key, content in wanted:
            if any(content != other for same, other in wanted if same == key):
                return False
            here = [fact for fact in self.facts if fact.key == key]
            live = [fact for fact in here if fact.withdrawn_in is None]
            if any(fact.content == content for fact in live):
                continue
            if not supersede and (live or any(fact.content == content for fact in here)):
                return False
            new[key] = content
            old += live
        self._commit(new, old)
        return True

    def gap(self, panel: str, start: Instant, *, supersede: bool) -> bool:
        kinds = {f.key[1] for f in self.facts if f.key[0] == panel and f.content and not f.withdrawn_in}
        wanted = [((panel, kind, start), None) for kind in sorted(kinds)]
        return bool(wanted) and self.state(wanted, supersede=supersede)

    def withdraw(self, fact: Fact) -> bool:
        if fact.withdrawn_in is None:
            self._commit({}, [fact])
            return True
        return False

    def _commit(self, new: dict[Any, str | None], old: list[Fact]) -> None:
        if new or old:
            self.revision += 1
        for fact in old:
            fact.withdrawn_in = self.revision
        for key, content in new.items():
            self.last += 1
            self.facts.append(Fact(self.last, key, content, self.revision))


# Random histories over two panels, two kinds and few starts, so that they collide.

keys = st.tuples(st.integers(0, 1), st.sampled_from(KINDS), st.sampled_from(STARTS))
contents = st.sampled_from(["A", "B", None])
steps = st.one_of(
    st.tuples(st.just("state"), st.lists(st.tuples(keys, contents), min_size=1, max_size=3), st.booleans()),
    st.tuples(st.just("gap"), st.tuples(st.integers(0, 1), st.sampled_from(STARTS)), st.booleans()),
    st.tuples(st.just("withdraw"), st.integers(0, 30), st.none()),
)
histories = st.lists(steps, min_size=3, max_size=10)

_serial_numbers = itertools.count(1)


SHA256 = {
    (kind, content): constants_without_files(kind, content).sha256 for kind in KINDS for content in "AB"
}


def begin(registry: Registry) -> tuple[list[str], Model]:
    """Record two panels that no example before had, and what can be stated of them."""
    panels = [f"1-1-{next(_serial_numbers):x}" for _ in range(2)]

    def act(change: Change) -> None:
        add_panels(change, panels)
        record_constants(change, [constants_without_files(*key) for key in SHA256])

    registry._backend.record_revision(act)
    with registry._backend.read_transaction() as view:
        last = view.connection.execute(sa.text("SELECT coalesce(max(id), 0) FROM version")).scalar_one()
        return panels, Model(view.revision, last)


def replay(registry: Registry, model: Model, panels: list[str], step: tuple[str, Any, Any]) -> None:
    """Take the same step in the registry and in the model: both take it, or both refuse."""
    what, given_to, supersede = step
    if what == "withdraw":
        if not model.facts:
            return
        fact = model.facts[given_to % len(model.facts)]
        allowed = model.withdraw(fact)

        def act(change: Change) -> None:
            withdraw_versions(change, [fact.number])

    elif what == "gap":
        panel, start = panels[given_to[0]], given_to[1]
        allowed = model.gap(panel, start, supersede=supersede)

        def act(change: Change) -> None:
            targets = find_panels(change.connection, [panel], change.visible_revision)
            record_gap(change, targets, None, start, supersede=supersede)

    else:
        wanted = [((panels[panel], kind, start), content) for (panel, kind, start), content in given_to]
        allowed = model.state(wanted, supersede=supersede)
        statements = [
            VersionStatement(*key, None if content is None else SHA256[key[1], content])
            for key, content in wanted
        ]

        def act(change: Change) -> None:
            record_versions(change, statements, supersede=supersede)

    if allowed:
        outcome = registry._backend.record_revision(act, "a step")
        assert outcome.revision in (None, model.revision)
    else:
        with pytest.raises((ConflictError, NotValidError)):
            registry._backend.record_revision(act, "a step")


def build_row(version: Version) -> tuple[int, Instant, Instant | None, str | None]:
    return version.version, version.valid_from, version.valid_to, version.constants


def expect_row(fact: Fact, end: Instant | None) -> tuple[int, Instant, Instant | None, str | None]:
    content = None if fact.content is None else SHA256[fact.key[1], fact.content]
    return fact.number, fact.key[2], end, content


@pytest.mark.slow
@given(history=histories)
@settings(max_examples=examples(15))
def test_the_registry_answers_as_a_naive_model_does(
    registry: Registry, history: list[tuple[str, Any, Any]]
) -> None:
    names, model = begin(registry)
    first = model.revision
    for step in history:
        replay(registry, model, names, step)
    with registry._backend.read_transaction() as view:
        assert read_newest_revision(view.connection) == model.revision, "a refused step left something behind"
        for revision in range(first, model.revision + 1):
            ranges = {(panel, kind): model.ranges(panel, kind, revision) for panel in names for kind in KINDS}
            listed = versions.list_validity_ranges(view.connection, names, None, revision)
            assert [build_row(version) for version in listed] == [
                expect_row(fact, end) for pairs in ranges.values() for fact, end in pairs
            ]
            references = [RevisionRef("number", revision), *([NEWEST] if revision == model.revision else [])]
            for instant, reference in itertools.product(INSTANTS, references):
                valid = versions_at(view.connection, names, KINDS, instant, reference)
                assert {key: build_row(version) for key, version in valid.items()} == {
                    key: expect_row(fact, end)
                    for key, pairs in ranges.items()
                    for fact, end in pairs
                    if fact.key[2] <= instant and (end is None or instant < end)
                }, (instant, reference)
